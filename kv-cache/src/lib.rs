//! Caching on any Larder store: [`Cache::get_or_fetch`] answers from the store, or runs your fetch once for all
//! who ask.
//!
//! ```
//! use std::time::Duration;
//!
//! use kv_cache::Cache;
//! use kv_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let prices: Cache<u64> = Cache::new(MemoryStore::new(), "prices").ttl(Duration::from_secs(60));
//! let price = prices.get_or_fetch("apple", || async { Ok::<_, std::io::Error>(3) }).await;
//! assert_eq!(price.expect("the fetch succeeds"), 3);
//! assert_eq!(prices.get("apple").await.map(|hit| hit.value), Some(3));
//! # }
//! ```
//!
//! - **A value that was invalidated never comes back.** A miss first creates a short lease entry, only then fetches,
//!   and fills by replacing that very lease; [`Cache::invalidate`] removes whatever is there, so a fetch that raced
//!   with it finds its lease gone and its value is returned without being cached. This holds between processes.
//! - **Old values help out**, if you allow: while a new one is fetched ([`Cache::stale_while_revalidate`]), and where
//!   that fails ([`Cache::stale_if_error`]). [`Cache::find_or_fetch`] remembers what does not exist,
//!   [`Cache::tagged`] invalidates many at once, and `Cache::near` (feature `near`) answers hits from this process.
//! - **It fails soft.** A store that does not answer makes misses, not errors; the log says so once, without values.
//! - **Leases stand among the entries**, empty and with codec number [`LEASE`], and so do negative entries
//!   ([`ABSENT`]). Leases live a minute at most; readers of the collection other than a cache skip both by that number.
//!   Tags stand in the collection `<name>/#tags`, with the number [`TAG`].
//!
//! What each setting means and costs in round trips is `docs/cache.md`.

mod cache;
mod encoding;
mod fetch;
mod health;
mod lease;
mod lifetimes;
mod marks;
#[cfg(feature = "near")]
mod near;
mod seen;
mod single_flight;
mod statistics;
mod tags;

pub use cache::{ByteCache, Cache, Hit, Lookup, Miss};
pub use encoding::{Encoding, Plain, Typed};
pub use lease::{Filled, Lease};
pub use marks::{ABSENT, LEASE, TAG};
#[cfg(feature = "near")]
pub use near::{Near, NearCache, NearExt};
pub use single_flight::{Joined, SingleFlight};
pub use statistics::Statistics;
