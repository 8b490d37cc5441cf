//! One async key-value contract: the [`Store`] trait, wrappers, typed collections and the laws every backend obeys.
//!
//! ```
//! use std::time::Duration;
//!
//! use kv_core::{AnyStore, Result, StoreExt};
//! use kv_memory::MemoryStore;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Token {
//!     user: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! // Any backend will do; from here on nothing names it.
//! let store: AnyStore = MemoryStore::new().prefixed("my-app").erased();
//!
//! // A one-time code: of all who take it, one gets it.
//! let codes = store.collection::<Token>("codes").ttl(Duration::from_secs(60));
//! codes.put("4711", &Token { user: "ada".to_owned() }).await?;
//! assert_eq!(codes.take("4711").await?.map(|token| token.user).as_deref(), Some("ada"));
//! assert!(codes.take("4711").await?.is_none());
//!
//! // A counter that loses nothing: read, change, write only if nobody wrote meanwhile.
//! let visits = store.collection::<u64>("visits");
//! visits.update_with("home", |count| Some(count.unwrap_or(0) + 1)).await?;
//! assert_eq!(visits.get("home").await?, Some(1));
//! # Ok(())
//! # }
//! ```
//!
//! - [`Store`] is what backends write; [`StoreExt`] and [`Collection`] are what people call; [`AnyStore`] is any of
//!   them at run time.
//! - What holds for every store, and what each gives up, is `docs/store.md`; the laws that check it are in
//!   `testing` (feature `testing`).
//! - Features: `compress` (zstd), `metrics` and `tracing` (for whoever watches), `cbor` (a second codec for
//!   collections), `testing`. All are off by default.

mod capabilities;
mod checksum;
mod clock;
mod codec;
mod collection;
mod diagnosis;
pub mod each;
mod encoding;
mod entry;
mod erased;
mod error;
mod ext;
mod gate;
pub mod header;
mod key;
pub mod note;
mod params;
mod reclaim;
mod redacted;
mod scan;
mod sharded;
mod signals;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod ttl;
mod underway;
mod units;
mod update;
mod url;
mod wrappers;

pub use bytestring::ByteString;
pub use capabilities::{Capabilities, Consistency, Judge, Listing, RoundTrips};
pub use clock::Clock;
pub use codec::Codec;
pub use collection::{Collection, Found, Listed, Unreadable};
pub use diagnosis::{Diagnose, Finding, Verdict};
pub use entry::{Entry, Meta, NewEntry, Version};
pub use erased::AnyStore;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use ext::{ScanAll, StoreExt};
pub use key::Key;
pub use params::{Compression, Encryption, Params, Reserved, Written};
pub use redacted::RedactedUrl;
pub use scan::{Collections, Cursor, Damaged, Item, Page, Scan};
pub use signals::{Change, Changes, Signal, Signals};
pub use store::{PutMode, Store};
pub use units::{parse_bytes, parse_duration};
pub use url::StoreUrl;
#[cfg(feature = "compress")]
pub use wrappers::Compress;
#[cfg(feature = "metrics")]
pub use wrappers::Metered;
#[cfg(feature = "tracing")]
pub use wrappers::Traced;
pub use wrappers::{
    Counted, Fallback, Latency, OperationStats, Prefix, ReadOnly, Retry, Route, SizeLimit, Stats,
    StatsSnapshot, Timeout, TtlPolicy,
};

/// What backends that keep keys in byte order and judge expiry themselves have in common. For authors of backends;
/// callers never need it.
pub mod backend {
    pub mod embedded;

    pub use crate::checksum::Crc32c;
    pub use crate::encoding::{KeyBounds, ScanRange, decode, encode, encode_into, successor, with_encoded};
    pub use crate::gate::{Gate, Pass};
    pub use crate::reclaim::{Deadlines, ROUND, Reclaim};
    pub use crate::sharded::Sharded;
    pub use crate::underway::Underway;
}
