//! Where a listing goes on: a position, bound to its scan.
//!
//! ```text
//! format 1 | digest of the scan 8 | when it began 8 | length 2, collection | length 2, id | hash
//! ```
//! Names are the indexed heads; numbers are big-endian.

use kv_core::{Collections, Cursor, Error, ErrorKind, Result, Scan};

use crate::names;

const FORMAT: u8 = 1;

/// The last document that was listed, and when the first page was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// By the caller's clock, in milliseconds since the epoch.
    pub(crate) began_ms: u64,
    pub(crate) collection: String,
    pub(crate) id: String,
    pub(crate) hash: String,
}

/// What a cursor is bound to: the namespace and what of it the scan covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ground([u8; 8]);

impl Ground {
    pub(crate) fn of(namespace: &str, scan: &Scan<'_>) -> Self {
        let (kind, name) = match scan.collections {
            Collections::One(name) => ("one", name),
            Collections::Under(name) => ("under", name),
        };
        let digest = names::digest(&[namespace, kind, name, scan.prefix]);
        Self(digest.first_chunk().copied().unwrap_or_default())
    }

    pub(crate) fn cursor(self, position: &Position) -> Cursor {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.0);
        bytes.extend_from_slice(&position.began_ms.to_be_bytes());
        for name in [&position.collection, &position.id] {
            let name = names::head(name); // so its length fits
            bytes.extend_from_slice(&u16::try_from(name.len()).unwrap_or_default().to_be_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.extend_from_slice(position.hash.as_bytes());
        Cursor::from_bytes(bytes)
    }

    /// # Errors
    /// `Invalid` for a cursor of another scan and for bytes that are none.
    pub(crate) fn position(self, cursor: &Cursor) -> Result<Position> {
        let foreign = || Error::new(ErrorKind::Invalid, "the cursor belongs to another scan");
        self.read(cursor.as_bytes()).ok_or_else(foreign)
    }

    fn read(self, bytes: &[u8]) -> Option<Position> {
        let (format, rest) = bytes.split_first()?;
        let (digest, rest) = rest.split_first_chunk::<8>()?;
        if *format != FORMAT || *digest != self.0 {
            return None;
        }
        let (began, rest) = rest.split_first_chunk::<8>()?;
        let (collection, rest) = name(rest)?;
        let (id, hash) = name(rest)?;
        let hash = std::str::from_utf8(hash).ok()?;
        (hash.len() == 64 && hash.bytes().all(|c| c.is_ascii_hexdigit())).then(|| Position {
            began_ms: u64::from_be_bytes(*began),
            collection,
            id,
            hash: hash.to_owned(),
        })
    }
}

fn name(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(name).ok()?.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use kv_core::{Cursor, Scan};

    use super::{Ground, Position};

    fn position() -> Position {
        let (collection, id) = ("cöl\0".to_owned(), String::new());
        Position { began_ms: 1 << 40, collection, id, hash: "ab".repeat(32) }
    }

    #[test]
    fn a_position_comes_back_from_its_own_scan_only() {
        let scans = [
            Scan::one("c"),
            Scan::one("d"),
            Scan::under("c"),
            Scan::one("c").prefix("p"),
            Scan::one("").prefix("cp"),
        ];
        for (own, scan) in scans.iter().enumerate() {
            let cursor = Ground::of("n", scan).cursor(&position());
            for (other, scan) in scans.iter().enumerate() {
                let read = Ground::of("n", scan).position(&cursor);
                assert_eq!(read.ok(), (own == other).then(position));
            }
            assert!(Ground::of("m", scan).position(&cursor).is_err());
            let more = scan.values().limit(3); // what may change from page to page
            assert!(Ground::of("n", &more).position(&cursor).is_ok());
        }
    }

    #[test]
    fn no_cut_of_a_cursor_is_one() {
        let ground = Ground::of("n", &Scan::one("c"));
        let whole = ground.cursor(&position()).as_bytes().to_vec();
        for end in 0..whole.len() {
            assert!(ground.position(&Cursor::from_bytes(whole[..end].to_vec())).is_err());
        }
        let longer = [whole, vec![b'0']].concat();
        assert!(ground.position(&Cursor::from_bytes(longer)).is_err());
    }
}
