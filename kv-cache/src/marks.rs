//! Entries of a cache that are no values: known by their codec number, which no codec has.

/// The codec number of a lease: an entry that stands for a value that is being fetched. Its value is empty.
pub const LEASE: u16 = u16::MAX;

/// The codec number of a tag: an entry whose value is the tag's generation, 16 random bytes.
pub const TAG: u16 = u16::MAX - 1;

/// The codec number of a negative entry: the fetch found that there is nothing. Its value is empty.
pub const ABSENT: u16 = u16::MAX - 2;
