//! The DynamoDB backend of Larder: a table that any number of processes share.
//!
//! ```no_run
//! use kv_core::{Key, NewEntry, PutMode, Store};
//! use kv_dynamo::{DynamoConfig, DynamoStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kv_core::Result<()> {
//! let mut config = DynamoConfig::new("Larder");
//! config.region = Some("eu-central-1".to_owned());
//! config.create = true; // makes the table if it is missing
//! let store = DynamoStore::open(config).await?;
//!
//! let code = Key::new("codes", "4711");
//! store.put(code, NewEntry::new("ada"), PutMode::Create).await?;
//! let taken = store.take(code, None).await?; // of all who take it, one gets it
//! assert_eq!(taken.map(|entry| entry.value), Some("ada".into()));
//! # Ok(())
//! # }
//! ```
//!
//! - Every read is strongly consistent, every conditional write is one request with a condition, and nothing is sent
//!   twice unless it is harmless: the SDK's own repetitions are off.
//! - The wall clock of whoever calls judges expiry, by an attribute in milliseconds. Amazon's time to live only cleans,
//!   an hour to days later. Machines that share a table should agree on the time.
//! - One collection is one partition key: its listing is in order and costs what it lists, and its rate is that of a
//!   partition. Listing several collections reads the whole table.
//!
//! `docs/backends/dynamodb.md` has the limits, the table and its attributes, the rights that are needed, and the costs.

mod batch;
mod config;
mod connect;
mod diagnosis;
mod error;
mod inner;
mod item;
mod names;
mod scan;
mod skew;
mod store;
mod table;

pub use config::{DynamoConfig, DynamoCredentials};
pub use store::DynamoStore;
