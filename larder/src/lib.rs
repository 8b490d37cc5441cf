//! One key-value API over many databases, picked by URL.
//!
//! ```
//! use std::time::Duration;
//!
//! use larder::StoreExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> larder::Result<()> {
//! let store = larder::open("memory://").await?; // or disk:///var/lib/app?encrypt=aead
//! let codes = store.collection::<String>("codes").ttl(Duration::from_secs(60));
//!
//! codes.put("4711", &"ann@example.org".to_owned()).await?;
//! assert_eq!(codes.take("4711").await?.as_deref(), Some("ann@example.org"));
//! assert!(codes.take("4711").await?.is_none(), "a code is spent once, whoever asks");
//! # Ok(())
//! # }
//! ```
//!
//! # URLs
//!
//! | URL | feature | own parameters |
//! |---|---|---|
//! | `memory://` | `memory` | `max_bytes`, `max_entries`, `on_full=refuse\|evict` |
//! | `disk:///abs/dir`, `disk:rel/dir` | `disk` | `engine=sled\|redb`, `durability=os\|always`, `create=false`, `lock_wait=5s` |
//! | `rocksdb:///abs/dir`, `rocksdb:rel/dir` | `rocksdb` | `durability=os\|always`, `create=false`, `lock_wait=5s` |
//! | `dynamodb://Table`, `dynamodb://KEYID:SECRET@Table` | `dynamo` | `region`, `endpoint=http://host:port`, `create=true` |
//! | `mongodb://user:pw@a,b/database`, `mongodb+srv://host/database` | `mongo` | `collection`, and the driver's own |
//! | `redis://user:pw@host:6379/0`, `rediss://`, `redis+unix:///path.sock?db=0`, `redis+cluster://a,b`, `redis+sentinel://a,b/service/0`; `valkey` for `redis` | `redis` | `wait`, `tls`, `tls_ca`, `tls_cert`, `tls_key`, `response_timeout`, `connect_timeout`, `sentinel_password_env` |
//! | `memcached://user:pw@host:11211,host` | `memcached` | `tls=true`, `tls_ca` |
//! | `elasticsearch://user:pw@host:9200,host/index`, `opensearch://..` | `elastic` | `tls=true`, `ca_file`, `api_key`, `create=false`, `body_limit`, `reap_every` |
//! | `filetree:///abs/dir?codec=py-key-value`, `filetree:rel/dir?..` | `pykv` | none: it is only read |
//!
//! Each open of `memory://` is a new store. On every URL may stand, in any order:
//!
//! | parameter | what it does |
//! |---|---|
//! | `ttl=10m` | entries without a ttl get this one |
//! | `near=5s` | keeps copies of what is read on a server in this process, so long at most (feature `near`) |
//! | `timeout=2s` | a try that takes longer is a `Timeout`; default on servers, `0` turns it and `retry` off |
//! | `retry=3` | tries of an operation on a server; default, `0` turns it off |
//! | `password_env=NAME`, `password_file=/path` | where a server's password stands, so that it is not in the URL |
//! | `prefix=app-` | puts the collections below a prefix, apart from all others |
//! | `codec=py-key-value` | reads what Python's py-key-value-aio wrote, on `filetree` and `redis` (feature `pykv`); read-only |
//! | `compress=zstd` | stores values smaller (feature `compress`) |
//! | `encrypt=aead`, `encrypt=fernet` | seals values (feature `encrypt`); names are not hidden |
//! | `key_file=/path` | where the key stands if `LARDER_KEY` is not set |
//! | `namespace=name` | sets stores apart that share a database; default `larder` |
//!
//! They wrap the backend in one order however they are written, outermost first: ttl, near, retry, timeout, prefix, compress,
//! encrypt; around that tracing and metrics, if the features `tracing` and `metrics` are on. A parameter that nobody
//! knows is refused, with the one that was probably meant, and so is one that would do nothing or harm.
//!
//! # Keys
//!
//! With `encrypt` the key is `LARDER_KEY` (url-safe base64 of 32 bytes; several with commas, the first one seals),
//! else `key_file`. On disk only, the third place is the platform's key file: it is made, for its owner alone, when the
//! store itself is made. An existing store without its key is an error: a new key could open nothing. So is one that
//! holds sealed values and is opened without `encrypt`, or with other keys: it has a note that says which one seals, under
//! each prefix its own.
//!
//! # Defaults
//!
//! [`default_store`] is for applications that are given no URL: `LARDER_STORE` if it is set, else memory on Linux and
//! an encrypted directory on macOS and Windows. [`program_store`] keeps on every platform.

mod defaults;
mod foreign;
mod keys;
mod layers;
mod note;
mod open;
mod password;
pub mod platform;
mod scheme;

#[cfg(feature = "compress")]
pub use kv_core::Compress;
#[cfg(feature = "metrics")]
pub use kv_core::Metered;
#[cfg(feature = "tracing")]
pub use kv_core::Traced;
pub use kv_core::{
    AnyStore, ByteString, Capabilities, Change, Changes, Clock, Codec, Collection, Collections, Consistency,
    Counted, Cursor, Entry, Error, ErrorKind, Fallback, Finding, Found, Item, Judge, Key, Latency, Listed,
    Listing, Meta, NewEntry, OperationStats, Outcome, Page, Prefix, PutMode, ReadOnly, RedactedUrl, Result,
    Retry, RoundTrips, Route, Scan, ScanAll, Signal, Signals, SizeLimit, Stats, StatsSnapshot, Store,
    StoreExt, StoreUrl, Timeout, TtlPolicy, Unreadable, Version,
};
/// The crate of the disk backend, for who configures it in code.
#[cfg(feature = "disk")]
pub use kv_disk as disk;
/// The crate of the DynamoDB backend, for who configures it in code.
#[cfg(feature = "dynamo")]
pub use kv_dynamo as dynamo;
/// The crate of the Elasticsearch and OpenSearch backend, for who configures it in code.
#[cfg(feature = "elastic")]
pub use kv_elastic as elastic;
/// The crate of the encryption wrapper, for who has keys of their own or rotates them.
#[cfg(feature = "encrypt")]
pub use kv_encrypt as encrypt;
/// The crate of the Memcached backend, for who configures it in code.
#[cfg(feature = "memcached")]
pub use kv_memcached as memcached;
/// The crate of the memory backend, for who configures it in code.
#[cfg(feature = "memory")]
pub use kv_memory as memory;
/// The crate of the MongoDB backend, for who configures it in code.
#[cfg(feature = "mongo")]
pub use kv_mongo as mongo;
/// The crate that reads what py-key-value-aio wrote, for who does so in code.
#[cfg(feature = "pykv")]
pub use kv_pykv as pykv;
/// The crate of the Redis and Valkey backend, for who configures it in code.
#[cfg(feature = "redis")]
pub use kv_redis as redis;
/// The crate of the RocksDB backend, for who configures it in code.
#[cfg(feature = "rocksdb")]
pub use kv_rocksdb as rocksdb;
pub use scheme::schemes;

use platform::System;

/// The store that `url` names, wrapped as its parameters ask. Needs a tokio runtime.
///
/// # Errors
/// `Invalid` for a malformed URL, an unknown scheme or parameter, and a missing key; `Unsupported` for what this build
/// or this version does not have; else what the backend says, such as `Unavailable` for a directory in use. No
/// message holds a password or a key.
pub async fn open(url: &str) -> Result<AnyStore> {
    platform::open(&System, url).await
}

/// As [`open`], for who only reads: a store that is not there is not made, whatever the URL says. A namespace that nothing
/// was written to is empty, and nothing is left behind there.
///
/// # Errors
/// As [`open`]; `Invalid` where there is no such directory, table, index or collection.
pub async fn open_existing(url: &str) -> Result<AnyStore> {
    platform::open_existing(&System, url).await
}

/// As [`open`]; beside the store what its backend says of the database: settings that matter here, clocks, room.
///
/// The store is for trying, and what is put into it for a moment: it never notes by which key its values are sealed, so that
/// nobody who uses the store is shut out by a trial.
///
/// # Errors
/// As [`open`]. What the database does not tell is a finding, not an error.
pub async fn diagnose(url: &str) -> Result<(AnyStore, Vec<Finding>)> {
    platform::diagnose(&System, url).await
}

/// As [`diagnose`], of a store that is there: see [`open_existing`].
///
/// # Errors
/// As [`open_existing`].
pub async fn diagnose_existing(url: &str) -> Result<(AnyStore, Vec<Finding>)> {
    platform::diagnose_existing(&System, url).await
}

/// The store that `url` names from its encryption downwards, to rotate its keys: what stands above (compression,
/// prefix, ttl) is left away, so names have their prefixes and values are as they are sealed. It is the whole namespace:
/// rotation seals anew, and brings to the active key, what stands under other prefixes too.
///
/// # Errors
/// As [`open_existing`]; `Invalid` for a URL without `encrypt`.
#[cfg(feature = "encrypt")]
pub async fn open_encrypted(url: &str) -> Result<encrypt::Encrypted<AnyStore>> {
    platform::open_encrypted(&System, url).await
}

/// The store of an application that was given no URL. Needs a tokio runtime.
///
/// `LARDER_STORE`, a URL, if that is set. Else on Linux a store in memory, without eviction, and one line on stderr
/// that says so and what to set; on macOS and Windows an encrypted directory in the user's data directory. `app`
/// names it there: letters, digits, `.`, `-` and `_`.
///
/// # Errors
/// As [`open`]; `Invalid` for a bad `app` and where the user has no data directory.
pub async fn default_store(app: &str) -> Result<AnyStore> {
    platform::default_store(&System, app).await
}

/// As [`default_store`], for a program that must keep: an encrypted directory on every platform.
///
/// # Errors
/// As [`default_store`].
pub async fn program_store(app: &str) -> Result<AnyStore> {
    platform::program_store(&System, app).await
}
