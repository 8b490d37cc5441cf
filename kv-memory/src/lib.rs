//! The in-memory backend of Larder: the map is moka's, the laws are kept beside it.
//!
//! ```
//! use std::time::Duration;
//!
//! use kv_core::{Key, NewEntry, PutMode, Store};
//! use kv_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kv_core::Result<()> {
//! let store = MemoryStore::new();
//! let key = Key::new("codes", "4711");
//! let entry = NewEntry::new("for ann").ttl(Duration::from_secs(60));
//! store.put(key, entry, PutMode::Create).await?;
//!
//! let once = store.take(key, None).await?;
//! assert_eq!(once.map(|entry| entry.value), Some("for ann".into()));
//! assert!(store.take(key, None).await?.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! - It never drops a live entry by itself: at [`MemoryConfig::max_bytes`] or [`MemoryConfig::max_entries`] a put is
//!   `Full` and the old value stays. [`OnFull::Evict`] turns it into a cache, which its capabilities say.
//! - An expired entry is absent at once, by the monotonic clock of the process, and one thread per store, started by
//!   the first put with a ttl, gives its room back without anybody asking.
//! - Operations run inline in about a microsecond; tasks that do nothing else yield every 256 of them,
//!   and every 64 entries of a batch or a page.
//! - Clones share the data. Another process sees nothing of it, and nothing outlives this one.
//!
//! Beside name and value an entry takes 450 to 550 bytes of bookkeeping, which the limits do not count.

mod config;
mod diagnosis;
mod error;
mod hub;
mod index;
mod ledger;
mod name;
mod slot;
mod store;

pub use config::{MemoryConfig, OnFull};
pub use store::{Held, MemoryStore};
