//! The MongoDB backend of Larder: one collection of a database that many processes share.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use kv_core::{Key, NewEntry, PutMode, Store};
//! use kv_mongo::{MongoConfig, MongoStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kv_core::Result<()> {
//! let store = MongoStore::open(MongoConfig::new("mongodb://db.example/app")?).await?;
//! let code = Key::new("codes", "4711");
//! store.put(code, NewEntry::new("ann").ttl(Duration::from_secs(60)), PutMode::Create).await?;
//! assert!(store.take(code, None).await?.is_some());
//! assert!(store.take(code, None).await?.is_none(), "a code is spent once, whoever asks");
//! # Ok(())
//! # }
//! ```
//!
//! - Each operation on one entry is one command. Conditions are decided by the server, within it.
//! - The server's clock judges expiry: what the clocks of the callers say does not matter. A TTL index cleans up.
//! - Writes wait until a majority has them, reads are linearizable.
//! - No signals and no news of changes: MongoDB's change streams are not used.
//!
//! `docs/backends/mongodb.md` has the form of the documents, the limits, and what it was tried on.

use std::time::Duration;

mod address;
mod batch;
mod config;
mod diagnosis;
mod error;
mod inner;
mod names;
mod now;
mod open;
mod places;
mod scan;
mod store;
mod wire;

pub use config::MongoConfig;
pub use store::MongoStore;

/// How long a read may take on the server. A linearizable one waits for a majority, and would do so for ever. Each request
/// ends after as long and the time that a write may wait for a majority.
const MAX_TIME: Duration = Duration::from_secs(30);
