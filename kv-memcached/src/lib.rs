//! The Memcached backend of Larder: one or several servers, of version 1.6.10 or later.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use kv_core::{Key, NewEntry, PutMode, Store};
//! use kv_memcached::{MemcachedConfig, MemcachedStore};
//!
//! # async fn example() -> kv_core::Result<()> {
//! let config = MemcachedConfig::new([("127.0.0.1".to_owned(), 11_211)]);
//! let store = MemcachedStore::open(config).await?;
//! let page = NewEntry::new("rendered").ttl(Duration::from_secs(60));
//! store.put(Key::new("pages", "home"), page, PutMode::Replace).await?;
//! # Ok(())
//! # }
//! ```
//!
//! - A cache: entries vanish when memory is short and when a server restarts. It cannot list, so nothing that lists
//!   works on it: no export, no rotation of keys.
//! - One connection to each server, shared by all callers and made anew when it ends. Requests go out in the order of
//!   their calls; those that wait are sent together.
//! - Conditions are exact: a `take` and an `Update` read first and then act only on the very item that was read.
//! - The wall clock of the caller judges expiry, by the deadline in each entry; the server's own only frees room.
//!
//! `docs/backends/memcached.md` says how to start the servers, and what an entry may hold.

mod config;
mod diagnosis;
mod dial;
mod error;
mod lifetime;
mod link;
mod name;
mod servers;
mod store;
mod stored;
#[cfg(feature = "tls")]
mod tls;
mod wire;

pub use config::MemcachedConfig;
#[cfg(feature = "tls")]
pub use config::Tls;
pub use store::MemcachedStore;
