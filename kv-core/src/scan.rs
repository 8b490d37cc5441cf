//! Listing: what to list, where to go on, what came.

use bytes::Bytes;

use crate::{Entry, Error, ErrorKind, Result};

/// Which collections a scan covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collections<'a> {
    /// The collection of exactly this name.
    One(&'a str),
    /// All collections whose name begins with these bytes; `""` is everything of the namespace.
    Under(&'a str),
}

/// A request to list entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scan<'a> {
    /// Which collections.
    pub collections: Collections<'a>,
    /// Only ids that begin with these bytes; `""` is all.
    pub prefix: &'a str,
    /// Whether items carry their entries; without, `Item::entry` is `None`.
    pub values: bool,
    /// At most so many items a page, 1 to 1,000. A page also ends at 8 MiB of values.
    pub limit: usize,
}

impl<'a> Scan<'a> {
    /// The largest `limit`.
    pub const MAX_LIMIT: usize = 1_000;
    /// A page that has reached so many bytes of values ends.
    pub const MAX_PAGE_BYTES: usize = 8 << 20;

    /// All ids of one collection, 1,000 a page, without values.
    pub const fn one(collection: &'a str) -> Self {
        Self { collections: Collections::One(collection), prefix: "", values: false, limit: Self::MAX_LIMIT }
    }

    /// All ids of all collections whose name begins with `start`, 1,000 a page, without values.
    pub const fn under(start: &'a str) -> Self {
        Self { collections: Collections::Under(start), prefix: "", values: false, limit: Self::MAX_LIMIT }
    }

    /// Only ids that begin with `prefix`.
    #[must_use]
    pub const fn prefix(mut self, prefix: &'a str) -> Self {
        self.prefix = prefix;
        self
    }

    /// With the entries.
    #[must_use]
    pub const fn values(mut self) -> Self {
        self.values = true;
        self
    }

    /// At most `limit` items a page, 1 to 1,000.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Checks the limit, as every backend does first.
    ///
    /// # Errors
    /// `Invalid` for a limit of 0 or above 1,000.
    pub fn check(&self) -> Result<()> {
        if (1..=Self::MAX_LIMIT).contains(&self.limit) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, "the limit of a scan must be 1 to 1,000").during("scan"))
    }
}

/// Where the next page begins: opaque bytes, valid in another process, only for the same scan.
///
/// It may hold names: it is never shown to anybody who must not see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Bytes);

impl Cursor {
    /// The cursor that these bytes are.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, to be kept and given back.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

/// One page of a scan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// What was found; may be short or even empty while `next` is set.
    pub items: Vec<Item>,
    /// Where the next page begins; `None` when the scan is complete.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page of `items`, followed by another one if `next` is set.
    pub const fn new(items: Vec<Item>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }
}

/// One listed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The collection it is in.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// The entry, if the scan asked for values.
    pub entry: Option<Entry>,
}

impl Item {
    /// A listed entry; `entry` is set exactly when the scan asked for values.
    pub fn new(collection: impl Into<String>, id: impl Into<String>, entry: Option<Entry>) -> Self {
        Self { collection: collection.into(), id: id.into(), entry }
    }
}
