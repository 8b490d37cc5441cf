//! Where a scan stands, as bytes that another process can go on with.
//!
//! ```text
//! format 1 | scan 8 | ground 8 | node 2 | the node's own cursor 8 | keys that were found already: each length 4, key
//! ```

use kv_core::{Cursor, Error, ErrorKind, Result};

const FORMAT: u8 = 1;

/// Where a scan stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The servers and their runs when the scan began.
    pub(super) ground: u64,
    /// The master that is listed, in the order of their ids; past the last one, none is left.
    pub(super) node: u16,
    /// That master's own cursor.
    pub(super) cursor: u64,
    /// Stored keys that were found and had no room on their page.
    pub(super) rest: Vec<Vec<u8>>,
}

impl Position {
    pub(super) const fn first(ground: u64) -> Self {
        Self { ground, node: 0, cursor: 0, rest: Vec::new() }
    }

    /// The position that a cursor of the scan with this identity holds.
    pub(super) fn read(cursor: &Cursor, identity: [u8; 8]) -> Result<Self> {
        Self::parse(cursor.as_bytes(), identity)
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "the cursor belongs to another scan"))
    }

    pub(super) fn cursor(&self, identity: [u8; 8]) -> Cursor {
        let rest: usize = self.rest.iter().map(|key| key.len() + 4).sum();
        let mut bytes = Vec::with_capacity(27 + rest);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&identity);
        bytes.extend_from_slice(&self.ground.to_be_bytes());
        bytes.extend_from_slice(&self.node.to_be_bytes());
        bytes.extend_from_slice(&self.cursor.to_be_bytes());
        for key in &self.rest {
            bytes.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(key);
        }
        Cursor::from_bytes(bytes)
    }

    fn parse(bytes: &[u8], identity: [u8; 8]) -> Option<Self> {
        let (format, bytes) = bytes.split_first()?;
        let (scan, bytes) = bytes.split_first_chunk::<8>()?;
        let (ground, bytes) = bytes.split_first_chunk()?;
        let (node, bytes) = bytes.split_first_chunk()?;
        let (cursor, mut bytes) = bytes.split_first_chunk()?;
        let mut rest = Vec::new();
        while let Some((length, tail)) = bytes.split_first_chunk() {
            let (key, tail) = tail.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            rest.push(key.to_vec());
            bytes = tail;
        }
        let whole = *format == FORMAT && *scan == identity && bytes.is_empty();
        whole.then(|| Self {
            ground: u64::from_be_bytes(*ground),
            node: u16::from_be_bytes(*node),
            cursor: u64::from_be_bytes(*cursor),
            rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Cursor, ErrorKind};

    use super::Position;

    #[test]
    fn a_position_comes_back_and_only_to_its_own_scan() {
        let rest = vec![b"larder:a:1".to_vec(), Vec::new()];
        for rest in [Vec::new(), rest] {
            let position = Position { ground: 7, node: 2, cursor: u64::MAX, rest };
            let cursor = position.cursor([1; 8]);
            assert_eq!(Position::read(&cursor, [1; 8]).unwrap(), position);
            assert_eq!(Position::read(&cursor, [2; 8]).unwrap_err().kind(), ErrorKind::Invalid);
            for length in 0..cursor.as_bytes().len() {
                let cut = Cursor::from_bytes(cursor.as_bytes().slice(..length));
                let is_whole = Position::read(&cut, [1; 8]).is_ok_and(|cut| cut == position);
                assert!(!is_whole, "{length} bytes");
            }
        }
    }
}
