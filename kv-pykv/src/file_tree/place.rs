//! Where a listing stands, as bytes that another process can go on with.
//!
//! ```text
//! the scan's hash 8 | length of the collection 4 | collection | id
//! ```

use kv_core::{Collections, Cursor, Error, ErrorKind, Result, Scan};
use sha2::{Digest as _, Sha256};

/// What to list, and the last name that was passed.
#[derive(Debug)]
pub(super) struct Place {
    collection: String,
    is_whole_name: bool,
    prefix: String,
    limit: usize,
    last: Option<(String, String)>,
}

impl Place {
    /// # Errors
    /// `Invalid` for a cursor of another scan.
    pub(super) fn of(scan: Scan<'_>, from: Option<&Cursor>) -> Result<Self> {
        let (collection, is_whole_name) = match scan.collections {
            Collections::One(name) => (name, true),
            Collections::Under(start) => (start, false),
        };
        let (collection, prefix) = (collection.to_owned(), scan.prefix.to_owned());
        let mut place = Self { collection, is_whole_name, prefix, limit: scan.limit, last: None };
        if let Some(cursor) = from {
            let another = || Error::new(ErrorKind::Invalid, "the cursor belongs to another scan");
            place.last = Some(place.parse(cursor.as_bytes()).ok_or_else(another)?);
        }
        Ok(place)
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn has_collection(&self, collection: &str) -> bool {
        if self.is_whole_name {
            collection == self.collection
        } else {
            collection.starts_with(&self.collection)
        }
    }

    /// Whether the listing has not passed this name yet.
    pub(super) fn is_ahead(&self, collection: &str, id: &str) -> bool {
        let passed = self.last.as_ref().is_some_and(|(last, at)| (collection, id) <= (last, at));
        id.starts_with(&self.prefix) && !passed
    }

    pub(super) fn pass(&mut self, collection: &str, id: &str) {
        self.last = Some((collection.to_owned(), id.to_owned()));
    }

    pub(super) fn cursor(&self) -> Cursor {
        let (collection, id) = self.last.as_ref().map_or(("", ""), |(collection, id)| (collection, id));
        let length = u32::try_from(collection.len()).unwrap_or(u32::MAX).to_be_bytes();
        Cursor::from_bytes([&self.hash()[..], &length, collection.as_bytes(), id.as_bytes()].concat())
    }

    fn parse(&self, bytes: &[u8]) -> Option<(String, String)> {
        let (hash, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (collection, id) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        (*hash == self.hash()).then_some(())?;
        Some((text(collection)?, text(id)?))
    }

    fn hash(&self) -> [u8; 8] {
        let mut hash = Sha256::new();
        hash.update([u8::from(self.is_whole_name)]);
        hash.update((self.collection.len() as u64).to_be_bytes());
        hash.update(&self.collection);
        hash.update(&self.prefix);
        hash.finalize().first_chunk().copied().unwrap_or_default()
    }
}
