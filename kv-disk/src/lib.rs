//! The embedded disk backend of Larder, on sled or redb: a directory that one process at a time owns.
//!
//! ```
//! use kv_core::{Key, NewEntry, PutMode, Store};
//! use kv_disk::{DiskConfig, DiskStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! let dir = home.path().join("store");
//! let store = DiskStore::open(DiskConfig::new(&dir)).await?;
//! let key = Key::new("tokens", "ann");
//! store.put(key, NewEntry::new("secret"), PutMode::Create).await?; // survives kill -9 from here on
//! store.close().await?;
//!
//! let again = DiskStore::open(DiskConfig::new(&dir)).await?;
//! let entry = again.get(key).await?.expect("it was put");
//! assert_eq!(entry.value, "secret");
//! # Ok(())
//! # }
//! ```
//!
//! - A write is acknowledged once it survives what [`Durability`] says; while one flush is under way others gather, so
//!   that many writers cost little more than one. [`Engine`] chooses the library that keeps the files.
//! - Reads and single writes run inline in microseconds; what waits for the disk, large batches, scans and opening run
//!   on other threads. [`DiskStore::slow_inline`] counts what took longer than a millisecond all the same.
//! - The wall clock judges expiry. An expired entry is absent at once, also after a restart, and its room is given
//!   back without anybody asking.
//! - Damaged files are `Corrupt`, with advice: never a panic, a wrong value, or an empty store.
//!
//! `docs/disk.md` has the layout of the directory, the limits, and what to do when something is wrong.

mod config;
mod diagnosis;
mod disk;
mod engine;
mod error;
mod namespace;
mod open;
mod store;
mod walk;

pub use config::{DiskConfig, Engine};
pub use kv_core::backend::embedded::{Durability, Held};
pub use store::DiskStore;
