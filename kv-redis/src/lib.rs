//! The Redis and Valkey backend of Larder: one server, a cluster, or whichever server the sentinels call master.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use kv_core::{Key, NewEntry, PutMode, Store, StoreUrl};
//! use kv_redis::{RedisConfig, RedisStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kv_core::Result<()> {
//! let mut url = StoreUrl::parse("redis://localhost:6379/0?namespace=app")?;
//! let store = RedisStore::open(RedisConfig::from_url(&mut url)?).await?;
//! let key = Key::new("codes", "4711");
//! store.put(key, NewEntry::new("ann").ttl(Duration::from_secs(60)), PutMode::Create).await?;
//! assert!(store.take(key, None).await?.is_some());
//! assert!(store.take(key, None).await?.is_none(), "one command: of all who take it, one gets it");
//! # Ok(())
//! # }
//! ```
//!
//! - One connection carries all callers; each operation is one command and one round trip. It comes back by itself, and an
//!   error says whether the request may have been executed: what found no connection was not. One more brings signals.
//! - The server judges expiry. A crash or failover of it may undo the last acknowledged writes: `docs/backends/redis.md`
//!   has the counts, and what `appendfsync` and `?wait=1` change about them.
//! - Signals are pub/sub, [`changes`](kv_core::Store::changes) is client tracking of the keys that were read through this
//!   store.
//! - Redis from 6.2 on, Valkey from 7.2 on.

mod batch;
mod capabilities;
mod cluster;
mod config;
mod diagnosis;
mod digest;
mod error;
mod fleet;
mod link;
mod names;
mod news;
mod node;
mod running;
mod scan;
mod server;
mod store;
mod wire;

pub use config::{Place, RedisConfig, Tls};
pub use store::RedisStore;
