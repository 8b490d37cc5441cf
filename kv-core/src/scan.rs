//! Listing: what to list, where to go on, what came.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Entry, Error, ErrorKind, Key, Result};

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
    /// Whether entries that cannot be read are passed over and told in [`Page::damaged`]; without, the first one ends the
    /// scan with `Corrupt`.
    pub skip_damaged: bool,
}

impl<'a> Scan<'a> {
    /// The largest `limit`.
    pub const MAX_LIMIT: usize = 1_000;
    /// A page that has reached so many bytes of values ends.
    pub const MAX_PAGE_BYTES: usize = 8 << 20;

    /// All ids of one collection, 1,000 a page, without values.
    pub const fn one(collection: &'a str) -> Self {
        Self::of(Collections::One(collection))
    }

    /// All ids of all collections whose name begins with `start`, 1,000 a page, without values.
    pub const fn under(start: &'a str) -> Self {
        Self::of(Collections::Under(start))
    }

    const fn of(collections: Collections<'a>) -> Self {
        Self { collections, prefix: "", values: false, limit: Self::MAX_LIMIT, skip_damaged: false }
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

    /// Goes on behind entries that cannot be read: they are in [`Page::damaged`] then, and whoever asks for this must look
    /// there.
    #[must_use]
    pub const fn skip_damaged(mut self) -> Self {
        self.skip_damaged = true;
        self
    }

    /// What becomes of an entry of these names that was met and could not be read, as every backend and wrapper asks.
    /// `None` where the names cannot be told either.
    ///
    /// # Errors
    /// `error`, by the name of the entry, if the scan does not pass over it: where it was not asked to, and for anything
    /// but `Corrupt`.
    pub fn pass_over(&self, name: Option<Key<'_>>, error: Error) -> Result<Damaged> {
        let error = error.during("scan");
        let error = name.map_or(error.clone(), |key| error.at(key));
        if self.skip_damaged && error.kind() == ErrorKind::Corrupt {
            let name = name.map(|key| (key.collection.to_owned(), key.id.to_owned()));
            return Ok(Damaged { name, error });
        }
        Err(error)
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
    /// What was met and cannot be read, if the scan passes over such entries; `limit` counts them too. Else empty.
    pub damaged: Vec<Damaged>,
    /// Where the next page begins; `None` when the scan is complete.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page of `items`, followed by another one if `next` is set.
    pub const fn new(items: Vec<Item>, next: Option<Cursor>) -> Self {
        Self { items, damaged: Vec::new(), next }
    }

    /// With what was passed over.
    #[must_use]
    pub fn passed_over(mut self, damaged: Vec<Damaged>) -> Self {
        self.damaged = damaged;
        self
    }
}

/// An entry that a scan passed over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Damaged {
    /// Collection and id under which it stands, where they can be told: deleting that key, or writing it anew, heals the
    /// listing. A flipped bit in a name shows as another name.
    pub name: Option<(String, String)>,
    /// What is wrong with it.
    pub error: Error,
}

impl Damaged {
    /// The key under which it stands, where it can be told.
    pub fn key(&self) -> Option<Key<'_>> {
        self.name.as_ref().map(|(collection, id)| Key::new(collection, id))
    }
}

/// One listed entry.
///
/// The items of a page may share memory, of 16 KiB at a time: what is to be held long after the page, and is little, is
/// copied for that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The collection it is in.
    pub collection: ByteString,
    /// Its id.
    pub id: ByteString,
    /// The entry, if the scan asked for values.
    pub entry: Option<Entry>,
}

impl Item {
    /// A listed entry; `entry` is set exactly when the scan asked for values.
    pub fn new(collection: impl Into<ByteString>, id: impl Into<ByteString>, entry: Option<Entry>) -> Self {
        Self { collection: collection.into(), id: id.into(), entry }
    }
}
