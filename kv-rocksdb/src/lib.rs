//! The `RocksDB` backend of Larder: a directory that one process at a time owns, for more than fits into memory.
//!
//! ```
//! use kv_core::{Key, NewEntry, PutMode, Store};
//! use kv_rocksdb::{RocksConfig, RocksStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! let dir = home.path().join("store");
//! let store = RocksStore::open(RocksConfig::new(&dir)).await?;
//! let key = Key::new("tokens", "ann");
//! store.put(key, NewEntry::new("secret"), PutMode::Create).await?; // survives kill -9 from here on
//! store.close().await?;
//!
//! let again = RocksStore::open(RocksConfig::new(&dir)).await?;
//! let entry = again.get(key).await?.expect("it was put");
//! assert_eq!(entry.value, "secret");
//! # Ok(())
//! # }
//! ```
//!
//! - A write is acknowledged once it survives what [`Durability`] says; those who wait for the disk wait together.
//! - Reads and single writes run inline in microseconds; large batches, scans, opening, and writes that the engine
//!   would hold up run on other threads. [`RocksStore::slow_inline`] counts what took longer than a millisecond.
//! - The wall clock judges expiry. An expired entry is absent at once, also after a restart; its room is given back by a
//!   sweeper, and by each compaction.
//! - Damaged files are `Corrupt`, with advice: never a panic, a wrong value, or an empty store.
//!
//! `docs/backends/rocksdb.md` has the limits and what building it takes.

mod config;
mod diagnosis;
mod engine;
mod error;
mod open;
mod seal;
mod store;

pub use config::RocksConfig;
pub use kv_core::backend::embedded::{Durability, Held};
pub use store::RocksStore;
