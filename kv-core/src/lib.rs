//! One async key-value contract: the [`Store`] trait, wrappers, typed collections and the laws every backend obeys.

mod capabilities;
mod clock;
mod codec;
mod collection;
pub mod each;
mod encoding;
mod entry;
mod erased;
mod error;
mod ext;
pub mod header;
mod key;
mod params;
mod reclaim;
mod redacted;
mod scan;
mod signals;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod ttl;
mod units;
mod update;
mod url;
mod wrappers;

pub use capabilities::{Capabilities, Consistency, Judge, Listing, RoundTrips};
pub use clock::Clock;
pub use codec::Codec;
pub use collection::{Collection, Found, Listed, Unreadable};
pub use entry::{Entry, Meta, NewEntry, Version};
pub use erased::AnyStore;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use ext::{ScanAll, StoreExt};
pub use key::Key;
pub use params::{Compression, Encryption, Params, Reserved};
pub use redacted::RedactedUrl;
pub use scan::{Collections, Cursor, Item, Page, Scan};
pub use signals::{Change, Changes, Signal, Signals};
pub use store::{PutMode, Store};
pub use units::{parse_bytes, parse_duration};
pub use url::StoreUrl;
#[cfg(feature = "compress")]
pub use wrappers::Compress;
pub use wrappers::{Prefix, ReadOnly, Timeout, TtlPolicy};

/// What backends that keep keys in byte order and judge expiry themselves have in common. For authors of backends;
/// callers never need it.
pub mod backend {
    pub use crate::encoding::{ScanRange, decode, encode, encode_into, successor};
    pub use crate::reclaim::{Deadlines, ROUND, Reclaim};
}
