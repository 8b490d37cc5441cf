//! One async key-value contract: the [`Store`] trait, wrappers, typed collections and the laws every backend obeys.

mod capabilities;
mod clock;
mod encoding;
mod entry;
mod erased;
mod error;
mod key;
mod reclaim;
mod scan;
mod signals;
mod store;

pub use capabilities::{Capabilities, Consistency, Judge, Listing, RoundTrips};
pub use clock::Clock;
pub use entry::{Entry, Meta, NewEntry, Version};
pub use erased::AnyStore;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use key::Key;
pub use scan::{Collections, Cursor, Item, Page, Scan};
pub use signals::{Change, Changes, Signal, Signals};
pub use store::{PutMode, Store};

/// What backends that keep keys in byte order and judge expiry themselves have in common. For authors of backends;
/// callers never need it.
pub mod backend {
    pub use crate::encoding::{ScanRange, decode, encode, encode_into, successor};
    pub use crate::reclaim::{Deadlines, ROUND, Reclaim};
}
