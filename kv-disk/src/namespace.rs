//! The namespace in stored keys: a number of 1 to 3 bytes, since it stands in every one of them.
//!
//! ```text
//! number (below 255: 1 byte; else FF and 2, big-endian) | collection, each 00 byte as 00 FF | 00 01 | id
//! ```
//!
//! sled keeps a key of up to 22 bytes without following a pointer, so a short head makes short keys quicker. The store
//! keeps the numbers beside its marker entry.

use std::borrow::Cow;

use kv_core::backend::{self, ScanRange};
use kv_core::{Key, Result, Scan};

/// What comes before a number of more than one byte.
const LONG: u8 = u8::MAX;

/// The namespace that this process sees.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    name: String,
    head: Vec<u8>,
}

impl Namespace {
    pub(crate) fn new(name: &str, number: u16) -> Self {
        let head = match u8::try_from(number) {
            Ok(short) if short != LONG => vec![short],
            _ => [&[LONG][..], &number.to_be_bytes()].concat(),
        };
        Self { name: name.to_owned(), head }
    }

    /// The stored key.
    pub(crate) fn key(&self, key: Key<'_>) -> Vec<u8> {
        let mut stored = Vec::with_capacity(self.head.len() + key.collection.len() + 2 + key.id.len());
        stored.extend_from_slice(&self.head);
        backend::encode_into(&mut stored, &[key.collection], key.id);
        stored
    }

    /// Lends `then` the stored key.
    pub(crate) fn with_key<T>(&self, key: Key<'_>, then: impl FnOnce(&[u8]) -> T) -> T {
        backend::with_encoded(&self.head, &[key.collection], key.id, then)
    }

    /// The collection and the id of a stored key; `None` for a key of another namespace, and for what is no key.
    pub(crate) fn names<'a>(&self, stored: &'a [u8]) -> Option<(Cow<'a, str>, &'a str)> {
        let ([collection], id) = backend::decode::<1>(stored.strip_prefix(self.head.as_slice())?)?;
        Some((collection, id))
    }

    /// The stored keys that `scan` covers.
    pub(crate) fn range<'a>(&self, scan: &Scan<'a>) -> Result<ScanRange<'a>> {
        ScanRange::behind(self.head.clone(), &[&self.name], scan)
    }
}

#[cfg(test)]
mod tests {
    use kv_core::Key;

    use super::Namespace;

    #[test]
    fn no_number_begins_another_one_and_every_key_comes_back() {
        let numbers = [0, 1, 0x61, 254, 255, 256, 0x6161, u16::MAX];
        for number in numbers {
            let stored = Namespace::new("n", number).key(Key::new("a\0", "b"));
            for other in numbers {
                let names = Namespace::new("n", other).names(&stored);
                let expected = (number == other).then_some(("a\0".into(), "b"));
                assert_eq!(names, expected, "{number} read as {other}");
            }
        }
    }
}
