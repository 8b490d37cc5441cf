//! The Elasticsearch and OpenSearch backend of Larder: one index, one document per entry, plain JSON over HTTP.
//!
//! ```no_run
//! use kv_core::{Key, NewEntry, PutMode, Store, StoreUrl};
//! use kv_elastic::{ElasticConfig, ElasticStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kv_core::Result<()> {
//! let mut url = StoreUrl::parse("opensearch://localhost:9200/my-app")?;
//! let store = ElasticStore::open(ElasticConfig::from_url(&mut url)?).await?;
//! let key = Key::new("tokens", "ann");
//! store.put(key, NewEntry::new("secret"), PutMode::Create).await?;
//! let taken = store.take(key, None).await?.expect("it was put");
//! assert_eq!(taken.value, "secret");
//! # Ok(())
//! # }
//! ```
//!
//! - The same code serves Elasticsearch from 7.10 and OpenSearch from 1.0; it asks at open which one answers.
//! - Everything by key is real-time: reads, conditions and `take` never wait for a refresh, and writes never ask for
//!   one. Only the first page of a listing refreshes the index.
//! - Conditions are the server's (`_update` with `upsert`, `if_seq_no` with `if_primary_term`): of racing writers one wins.
//! - The wall clock of whoever calls judges expiry. A task deletes what has expired in the background.
//!
//! `docs/backends/elasticsearch.md` has the mapping, the limits and what a failover may undo.

mod batch;
mod config;
mod cursor;
mod diagnosis;
mod error;
mod http;
mod index;
mod inner;
mod listing;
mod names;
mod open;
mod point;
mod product;
mod reaper;
mod store;
mod turns;
mod wire;

pub use config::{Credentials, ElasticConfig};
pub use product::Product;
pub use reaper::Reaped;
pub use store::{ElasticStore, Held};
