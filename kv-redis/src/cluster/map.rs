//! The map of a cluster: 16,384 slots, each owned by a node.

use std::sync::Arc;

use redis::{ServerError, Value};

use crate::digest::Digest;
use crate::link::Address;
use crate::node::Node;
use crate::wire;

const SLOTS: usize = 16_384;
const NOBODY: u16 = u16::MAX;

/// A range of slots and its owner, as the cluster says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    slots: (u16, u16),
    id: String,
    address: Address,
}

/// Which node owns which slot.
#[derive(Debug)]
pub(crate) struct Map {
    /// The masters, in the order of their ids.
    pub(crate) nodes: Vec<Arc<Node>>,
    /// By slot, the place of its owner among the nodes.
    owners: Vec<u16>,
    /// The same for the same owners of the same slots.
    pub(crate) digest: u64,
}

impl Default for Map {
    fn default() -> Self {
        Self { nodes: Vec::new(), owners: vec![NOBODY; SLOTS], digest: 0 }
    }
}

impl Map {
    fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let place = self.owners.get(usize::from(slot))?;
        self.nodes.get(usize::from(*place))
    }

    pub(crate) fn owner_of(&self, key: &[u8]) -> Option<&Arc<Node>> {
        self.owner(slot_of(key))
    }

    /// Whether each slot has an owner.
    pub(crate) fn is_whole(&self) -> bool {
        !self.owners.contains(&NOBODY)
    }

    /// Whether `node` owns the slots of these ranges, and no others.
    pub(crate) fn gives_exactly(&self, node: &Arc<Node>, ranges: &[(u16, u16)]) -> bool {
        let place = self.nodes.iter().position(|known| Arc::ptr_eq(known, node));
        let Some(place) = place.and_then(|place| u16::try_from(place).ok()) else { return false };
        let is_named = |slot: usize| {
            ranges.iter().any(|(first, last)| (usize::from(*first)..=usize::from(*last)).contains(&slot))
        };
        self.owners.iter().enumerate().all(|(slot, owner)| (*owner == place) == is_named(slot))
    }

    /// The map that `said` makes: nodes that stay keep their connections.
    pub(super) fn renewed(&self, mut said: Vec<Owner>, make: impl Fn(String, &Address) -> Arc<Node>) -> Self {
        said.sort_by(|a, b| (&a.id, a.slots).cmp(&(&b.id, b.slots)));
        let mut map = Self { digest: digest(&said), ..Self::default() };
        for Owner { slots: (first, last), id, address } in said {
            if map.nodes.last().is_none_or(|node| node.id != id) {
                let stays = |node: &&Arc<Node>| node.id == id && node.address.as_ref() == Some(&address);
                let node = self.nodes.iter().find(stays).cloned();
                map.nodes.push(node.unwrap_or_else(|| make(id, &address)));
            }
            let place = u16::try_from(map.nodes.len() - 1).unwrap_or(NOBODY);
            let range = map.owners.get_mut(usize::from(first)..=usize::from(last));
            range.unwrap_or_default().fill(place);
        }
        map
    }
}

/// The owners in the answer to `CLUSTER SLOTS`; a node that does not say where it is is the one that was asked.
pub(super) fn read(answer: &Value, asked: Option<&str>) -> Option<Vec<Owner>> {
    let Value::Array(ranges) = answer else { return None };
    ranges.iter().map(|range| owner(range, asked)).collect()
}

fn owner(range: &Value, asked: Option<&str>) -> Option<Owner> {
    let Value::Array(parts) = range else { return None };
    let slot = |at: usize| parts.get(at).and_then(|part| u16::try_from(wire::number(part).ok()?).ok());
    let Some(Value::Array(master)) = parts.get(2) else { return None };
    let host = master.first().and_then(wire::text).filter(|host| !host.is_empty()).or(asked)?;
    let port = master.get(1).and_then(|port| u16::try_from(wire::number(port).ok()?).ok())?;
    let id = master.get(2).and_then(wire::text).map_or_else(|| format!("{host}:{port}"), str::to_owned);
    let slots = (slot(0)?, slot(1)?);
    (slots.0 <= slots.1 && usize::from(slots.1) < SLOTS).then(|| Owner {
        slots,
        id,
        address: Address::Tcp(host.to_owned(), port),
    })
}

/// Where `MOVED slot host:port` or `ASK slot host:port` points; without a host it is that of the node that was asked.
pub(super) fn redirected(refusal: &ServerError, asked: Option<&str>) -> Option<Address> {
    let (_, target) = refusal.details()?.split_once(' ')?;
    let (host, port) = target.trim().rsplit_once(':')?;
    let host = Some(host).filter(|host| !host.is_empty()).or(asked)?;
    Some(Address::Tcp(host.to_owned(), port.parse().ok()?))
}

/// The slot of a key: of what stands between the first `{` and the next `}` if anything does, else of the whole key.
fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    crc16(tag.unwrap_or(key)) % 16_384
}

/// CRC-16/XMODEM, as the Redis Cluster specification has it, appendix A.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let index = usize::from(crc >> 8) ^ usize::from(*byte);
        (crc << 8) ^ TABLE.get(index).copied().unwrap_or(0)
    })
}

const TABLE: [u16; 256] = table();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "computed by the compiler, below 256"
)]
const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

/// FNV-1a over owners and slots.
fn digest(owners: &[Owner]) -> u64 {
    let mut hash = Digest::default();
    for Owner { slots: (first, last), id, address: _ } in owners {
        hash.add(id.as_bytes());
        hash.add(&first.to_be_bytes());
        hash.add(&last.to_be_bytes());
    }
    hash.0
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::{read, redirected, slot_of};
    use crate::link::Address;

    #[test]
    fn slots_are_those_of_the_specification() {
        // https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
        assert_eq!(super::crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"foo{}{bar}"), super::crc16(b"foo{}{bar}") % 16_384);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
    }

    #[test]
    fn a_redirection_without_a_host_stays_at_the_one_that_was_asked() {
        for (line, asked, host) in [
            ("ASK 3999 10.0.0.2:6381", Some("asked"), Some("10.0.0.2")),
            ("ASK 3999 :6381", Some("asked"), Some("asked")),
            ("MOVED 3999 2001:db8::1:6381", None, Some("2001:db8::1")),
            ("ASK 3999 :6381", None, None),
            ("ASK 3999", Some("asked"), None),
        ] {
            let refusal = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
            let Value::ServerError(refusal) = refusal else { panic!("no error: {refusal:?}") };
            let address = host.map(|host| Address::Tcp(host.to_owned(), 6_381));
            assert_eq!(redirected(&refusal, asked), address, "{line}");
        }
    }

    #[test]
    fn the_answer_of_a_node_is_read() {
        let master =
            |host: Value| Value::Array(vec![host, Value::Int(7001), Value::BulkString(b"id1".to_vec())]);
        let range = |master| Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(5460), master])]);
        let said = read(&range(master(Value::BulkString(b"10.0.0.1".to_vec()))), None).unwrap();
        assert_eq!((said[0].slots, said[0].id.as_str()), ((0, 5460), "id1"));
        assert_eq!(said[0].address, Address::Tcp("10.0.0.1".to_owned(), 7001));
        let said = read(&range(master(Value::Nil)), Some("asked")).unwrap();
        assert_eq!(said[0].address, Address::Tcp("asked".to_owned(), 7001));
        assert!(read(&Value::Nil, None).is_none() && read(&range(Value::Nil), None).is_none());
    }
}
