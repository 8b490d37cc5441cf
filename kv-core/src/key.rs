//! The name of an entry.

/// The full name of an entry: a collection and an id within it.
///
/// Both are UTF-8, compared byte by byte, never normalized, of any length, and may be empty. Two different pairs
/// never share an entry, whatever characters they hold. Names are not encrypted: who uses a secret as an id hashes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Key<'a> {
    /// The collection: a group of entries that can be listed together.
    pub collection: &'a str,
    /// The id within the collection.
    pub id: &'a str,
}

impl<'a> Key<'a> {
    /// The key of `id` in `collection`.
    pub const fn new(collection: &'a str, id: &'a str) -> Self {
        Self { collection, id }
    }
}
