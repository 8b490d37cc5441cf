//! The namespace in stored keys: some bytes before each, of which none begins another.
//!
//! ```text
//! head | collection, each 00 byte as 00 FF | 00 01 | id
//! ```

use std::borrow::Cow;

use crate::backend::{ScanRange, decode, encode_into, with_encoded};
use crate::{Key, Result, Scan};

/// The namespace that this process sees.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    head: Vec<u8>,
}

impl Namespace {
    /// The namespace `name`, whose keys begin with `head`.
    pub fn new(name: &str, head: Vec<u8>) -> Self {
        Self { name: name.to_owned(), head }
    }

    /// What every stored key begins with.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The stored key.
    pub fn key(&self, key: Key<'_>) -> Vec<u8> {
        let mut stored = Vec::with_capacity(self.head.len() + key.collection.len() + 2 + key.id.len());
        stored.extend_from_slice(&self.head);
        encode_into(&mut stored, &[key.collection], key.id);
        stored
    }

    /// Lends `then` the stored key.
    pub fn with_key<T>(&self, key: Key<'_>, then: impl FnOnce(&[u8]) -> T) -> T {
        with_encoded(&self.head, &[key.collection], key.id, then)
    }

    /// The collection and the id of a stored key; `None` for a key of another namespace, and for what is no key.
    pub fn names<'a>(&self, stored: &'a [u8]) -> Option<(Cow<'a, str>, &'a str)> {
        let ([collection], id) = decode::<1>(stored.strip_prefix(self.head.as_slice())?)?;
        Some((collection, id))
    }

    /// The stored keys that `scan` covers.
    ///
    /// # Errors
    /// `Invalid` for a bad limit.
    pub fn range<'a>(&self, scan: &Scan<'a>) -> Result<ScanRange<'a>> {
        ScanRange::behind(self.head.clone(), &[&self.name], scan)
    }
}
