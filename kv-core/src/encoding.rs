//! Ordered stored keys, the range a scan covers, and its cursors: shared by the backends that keep keys in byte order.
//!
//! A stored key is one or more components (a namespace, the collection) and then the id, raw:
//!
//! ```text
//! component, each 00 byte as 00 FF | 00 01 | next component .. | 00 01 | id
//! ```
//!
//! So different names never share a key, keys sort by component and then by id, and a prefix of an id is a prefix of
//! the key. Cursors are `format 1 | digest 8 | last key listed`.

use std::borrow::Cow;
use std::ops::Bound;

use crate::{Collections, Cursor, Error, ErrorKind, Result, Scan};

const CURSOR_FORMAT: u8 = 1;
const CURSOR_HEAD: usize = 9;
/// A key up to this size is lent from the stack.
const SHORT: usize = 256;

/// The stored key of `id` below `components`, of which the last is the collection.
pub fn encode(components: &[&str], id: &str) -> Vec<u8> {
    let names: usize = components.iter().map(|component| component.len() + 2).sum();
    let mut key = Vec::with_capacity(names + id.len());
    encode_into(&mut key, components, id);
    key
}

/// As [`encode`], after what `key` holds already: for callers that reuse a buffer.
pub fn encode_into(key: &mut Vec<u8>, components: &[&str], id: &str) {
    for component in components {
        escape_into(key, component);
        key.extend_from_slice(&[0, 1]);
    }
    key.extend_from_slice(id.as_bytes());
}

/// Lends `then` the stored key of `id` below `components`, after the bytes `head`; a short one costs no allocation.
pub fn with_encoded<T>(head: &[u8], components: &[&str], id: &str, then: impl FnOnce(&[u8]) -> T) -> T {
    let mut room = [0; SHORT];
    if let Some(key) = short(head, components, id, &mut room) {
        return then(key);
    }
    let mut key = head.to_vec();
    encode_into(&mut key, components, id);
    then(&key)
}

/// The stored key in `room`; `None` for one that is too long, and for a name in which a byte has to be escaped.
#[inline]
fn short<'a>(head: &[u8], components: &[&str], id: &str, room: &'a mut [u8; SHORT]) -> Option<&'a [u8]> {
    let mut used = 0;
    let mut add = |part: &[u8]| {
        let end = used + part.len();
        room.get_mut(used..end)?.copy_from_slice(part);
        used = end;
        Some(())
    };
    add(head)?;
    for component in components {
        if component.as_bytes().contains(&0) {
            return None;
        }
        add(component.as_bytes())?;
        add(&[0, 1])?;
    }
    add(id.as_bytes())?;
    room.get(..used)
}

/// The `N` components and the id of a stored key; `None` for bytes that [`encode`] never makes.
pub fn decode<const N: usize>(key: &[u8]) -> Option<([Cow<'_, str>; N], &str)> {
    let mut components = [const { Cow::Borrowed("") }; N];
    let mut rest = key;
    for component in &mut components {
        (*component, rest) = unescape(rest)?;
    }
    Some((components, std::str::from_utf8(rest).ok()?))
}

/// The smallest byte string above all that begin with `prefix`; `None` if there is none.
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=last)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

/// Both ends of a range of stored keys, as ordered maps take them.
pub type KeyBounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The stored keys that a scan covers, and the cursors into them.
#[derive(Clone, Debug)]
pub struct ScanRange<'a> {
    /// What stands before the collection: the outer components, encoded.
    outer: Vec<u8>,
    start: Vec<u8>,
    end: Option<Vec<u8>>,
    /// What an id must begin with, where the range alone does not see to it.
    filter: &'a str,
    digest: [u8; 8],
}

impl<'a> ScanRange<'a> {
    /// The range of `scan` among keys made of `outer` (such as the namespace), the collection and the id.
    ///
    /// # Errors
    /// `Invalid` for a bad limit.
    pub fn new(outer: &[&str], scan: &Scan<'a>) -> Result<Self> {
        Self::behind(encode(outer, ""), outer, scan)
    }

    /// The range of `scan` among keys that begin with the bytes `outer`, which stand for the components `names`: a
    /// backend may keep something shorter than a namespace in each key.
    ///
    /// # Errors
    /// `Invalid` for a bad limit.
    pub fn behind(outer: Vec<u8>, names: &[&str], scan: &Scan<'a>) -> Result<Self> {
        scan.check()?;
        let digest = digest(names, scan);
        let mut start = outer.clone();
        let filter = match scan.collections {
            Collections::One(collection) => {
                encode_into(&mut start, &[collection], scan.prefix);
                ""
            }
            Collections::Under(name) => {
                escape_into(&mut start, name);
                scan.prefix
            }
        };
        Ok(Self { outer, end: successor(&start), start, filter, digest })
    }

    /// Where to begin: at the start of the range, or after the last key that the page before `from` listed.
    ///
    /// # Errors
    /// `Invalid` for a cursor of another scan and for bytes that are no cursor.
    pub fn begin(&self, from: Option<&Cursor>) -> Result<Bound<Vec<u8>>> {
        let Some(cursor) = from else { return Ok(Bound::Included(self.start.clone())) };
        let position = self.position(cursor.as_bytes()).ok_or_else(foreign)?;
        if position < self.start.as_slice() {
            return Ok(Bound::Included(self.start.clone()));
        }
        Ok(Bound::Excluded(position.to_vec()))
    }

    /// The end of the range, exclusive; `None` is the end of all keys.
    pub fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Both ends, for an ordered map; `None` when nothing is left behind the cursor.
    ///
    /// # Errors
    /// As [`ScanRange::begin`].
    pub fn bounds(&self, from: Option<&Cursor>) -> Result<Option<KeyBounds>> {
        let begin = self.begin(from)?;
        let end = self.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let left = match (&begin, &self.end) {
            (Bound::Included(begin) | Bound::Excluded(begin), Some(end)) => begin < end,
            _ => true,
        };
        Ok(left.then_some((begin, end)))
    }

    /// Whether the scan lists this id: `Under` filters by the prefix of ids, `One` has it in the range.
    pub fn admits(&self, id: &str) -> bool {
        id.starts_with(self.filter)
    }

    /// Where to go on after a key in the range that the scan does not admit: no key before it is admitted.
    pub fn seek(&self, collection: &str, id: &str) -> Vec<u8> {
        let mut key = self.outer.clone();
        encode_into(&mut key, &[collection], "");
        if id < self.filter {
            key.extend_from_slice(self.filter.as_bytes());
            return key;
        }
        successor(&key).unwrap_or(key) // there is one: a component ends with 00 01
    }

    /// The cursor behind `last`, the last stored key that was listed or passed over.
    pub fn cursor(&self, last: &[u8]) -> Cursor {
        let mut bytes = Vec::with_capacity(CURSOR_HEAD + last.len());
        bytes.push(CURSOR_FORMAT);
        bytes.extend_from_slice(&self.digest);
        bytes.extend_from_slice(last);
        Cursor::from_bytes(bytes)
    }

    fn position<'b>(&self, cursor: &'b [u8]) -> Option<&'b [u8]> {
        let (head, position) = cursor.split_at_checked(CURSOR_HEAD)?;
        let (format, digest) = head.split_first()?;
        (*format == CURSOR_FORMAT && digest == self.digest).then_some(position)
    }
}

fn foreign() -> Error {
    Error::new(ErrorKind::Invalid, "the cursor belongs to another scan").during("scan")
}

fn escape_into(key: &mut Vec<u8>, component: &str) {
    let mut parts = component.as_bytes().split(|byte| *byte == 0);
    key.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        key.extend_from_slice(&[0, 0xFF]);
        key.extend_from_slice(part);
    }
}

/// The first component of `key`, and what follows its end mark.
fn unescape(key: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let mut name = Cow::Borrowed("");
    let mut rest = key;
    loop {
        let (part, tail) = rest.split_at_checked(rest.iter().position(|byte| *byte == 0)?)?;
        let part = std::str::from_utf8(part).ok()?;
        if name.is_empty() {
            name = Cow::Borrowed(part);
        } else {
            name.to_mut().push_str(part);
        }
        let (mark, after) = tail.split_at_checked(2)?;
        rest = after;
        match mark {
            [0, 1] => return Some((name, rest)),
            [0, 0xFF] => name.to_mut().push('\0'),
            _ => return None,
        }
    }
}

/// FNV-1a over the length-prefixed parts: the same in every process. It catches slips, it is no seal; the position is
/// cut to the range in any case.
pub(crate) fn digest(outer: &[&str], scan: &Scan<'_>) -> [u8; 8] {
    let (kind, name) = match scan.collections {
        Collections::One(name) => ("1", name),
        Collections::Under(name) => ("*", name),
    };
    let scan = [kind, name, scan.prefix];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in outer.iter().chain(&scan) {
        for byte in (part.len() as u64).to_be_bytes().iter().chain(part.as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::{ScanRange, decode, encode, successor};
    use crate::{Cursor, ErrorKind, Scan};

    const NAMES: [&str; 9] = ["", "\0", "\0\u{1}", "a", "a\0", "a\0b", "a/b", "\u{1F511}", "b"];

    #[test]
    fn every_name_comes_back_and_no_two_share_a_key() {
        let mut seen = std::collections::BTreeSet::new();
        for namespace in NAMES {
            for collection in NAMES {
                for id in NAMES {
                    let key = encode(&[namespace, collection], id);
                    let (names, found) = decode::<2>(&key).unwrap();
                    assert_eq!((&*names[0], &*names[1], found), (namespace, collection, id));
                    assert!(seen.insert(key));
                }
            }
        }
    }

    #[test]
    fn keys_sort_as_their_names_do() {
        let mut names: Vec<_> = NAMES.iter().flat_map(|c| NAMES.map(|id| (*c, id))).collect();
        names.sort_unstable();
        let keys: Vec<_> = names.iter().map(|(collection, id)| encode(&[collection], id)).collect();
        assert!(keys.is_sorted());
    }

    #[test]
    fn bytes_that_no_key_has_are_not_decoded() {
        for bytes in [&b""[..], b"a", b"a\0", b"a\0\x02b", b"\xFF\0\x01b", b"a\0\x01\xFF"] {
            assert!(decode::<1>(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn the_successor_ends_a_prefix() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(b"a\xFF\xFF"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xFF"), None);
        assert_eq!(successor(b""), None);
    }

    #[test]
    fn a_range_holds_exactly_what_the_scan_names() {
        for collection in NAMES {
            for id in NAMES {
                let key = encode(&["n", collection], id);
                for name in NAMES {
                    let one = Scan::one(name).prefix("a");
                    assert_eq!(holds(&one, &key), collection == name && id.starts_with('a'));
                    let under = Scan::under(name).prefix("a");
                    assert_eq!(holds(&under, &key), collection.starts_with(name) && id.starts_with('a'));
                }
            }
        }
    }

    fn holds(scan: &Scan<'_>, key: &[u8]) -> bool {
        let range = ScanRange::new(&["n"], scan).unwrap();
        let (begin, end) = range.bounds(None).unwrap().unwrap();
        let (_, id) = decode::<2>(key).unwrap();
        std::ops::RangeBounds::contains(&(begin, end), &key.to_vec()) && range.admits(id)
    }

    #[test]
    fn a_cursor_goes_on_behind_its_key_and_never_outside_the_range() {
        let range = ScanRange::new(&["n"], &Scan::one("c")).unwrap();
        let last = encode(&["n", "c"], "m");
        assert_eq!(range.begin(Some(&range.cursor(&last))).unwrap(), Bound::Excluded(last));
        let below = range.cursor(&encode(&["a", "c"], "m"));
        assert_eq!(range.begin(Some(&below)).unwrap(), range.begin(None).unwrap());
        let above = range.cursor(&encode(&["n", "d"], "m"));
        assert!(range.bounds(Some(&above)).unwrap().is_none());
    }

    #[test]
    fn a_seek_passes_over_nothing_that_is_admitted() {
        let range = ScanRange::new(&["n"], &Scan::under("").prefix("b")).unwrap();
        assert_eq!(range.seek("c", "a"), encode(&["n", "c"], "b"));
        let behind = range.seek("c", "d");
        assert!(behind > encode(&["n", "c"], "\u{10FFFF}"));
        assert!(behind < encode(&["n", "c\0"], "") && behind < encode(&["n", "d"], ""));
    }

    #[test]
    fn a_cursor_of_another_scan_and_garbage_are_invalid() {
        let range = ScanRange::new(&["n"], &Scan::one("c")).unwrap();
        let scans = [Scan::one("d"), Scan::under("c"), Scan::one("c").prefix("x")];
        let foreign = scans.map(|scan| ScanRange::new(&["n"], &scan).unwrap().cursor(b"k"));
        let other = ScanRange::new(&["m"], &Scan::one("c")).unwrap().cursor(b"k");
        let garbage =
            [Cursor::from_bytes(""), Cursor::from_bytes("garbage"), Cursor::from_bytes(vec![0; 40])];
        for cursor in foreign.into_iter().chain([other]).chain(garbage) {
            assert_eq!(range.begin(Some(&cursor)).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn a_bad_limit_is_invalid() {
        for limit in [0, 1_001] {
            let error = ScanRange::new(&[], &Scan::one("c").limit(limit)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }
}
