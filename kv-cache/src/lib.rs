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
//! - **It fails soft.** A store that does not answer makes misses, not errors; the log says so once, without values.
//! - **Leases stand among the entries**, empty and with codec number [`LEASE`]. They live a minute at most; readers of
//!   the collection other than a cache skip them by that number.

mod cache;
mod encoding;
mod fetch;
mod health;
mod lease;
mod seen;
mod single_flight;
mod statistics;

pub use cache::{ByteCache, Cache, Hit, Lookup};
pub use encoding::{Encoding, Plain, Typed};
pub use lease::{Filled, LEASE, Lease};
pub use single_flight::{Joined, SingleFlight};
pub use statistics::Statistics;
