//! The store: what its handles hold.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kv_core::backend::embedded::{Durability, Handle, Held, error};
use kv_core::{
    Capabilities, Changes, Cursor, Diagnose, Entry, Finding, Key, NewEntry, Page, PutMode, Result, Scan,
    Signals, Store, Version,
};
use tokio::task::spawn_blocking;

use crate::config::RocksConfig;
use crate::engine::Rocks;
use crate::{diagnosis, open};

/// A store in a directory of this machine, owned by this process while it is open. Cheap to clone; clones share it.
///
/// A write is acknowledged once it survives what [`Durability`] says. Dropping the last handle flushes and frees the
/// directory; that blocks for some milliseconds, `close` waits for it instead.
#[derive(Clone)]
pub struct RocksStore(Arc<Inner>);

struct Inner {
    handle: Handle<Rocks>,
    durability: Durability,
}

impl RocksStore {
    /// Opens the store in the directory, or creates it. Needs a tokio runtime.
    ///
    /// # Errors
    /// `Unavailable` when another process, named by its number, still holds the directory after `lock_wait`;
    /// `Corrupt` for damaged files and for a directory that holds anything else; `Invalid` for a store of another engine,
    /// and for a missing store that is not to be created; `Denied` and `Full` by the system.
    pub async fn open(config: RocksConfig) -> Result<Self> {
        let opened = spawn_blocking(move || Inner::open(&config)).await;
        let inner = opened.map_err(|e| error::lost().because(e)).flatten();
        inner.map(|inner| Self(Arc::new(inner))).map_err(|e| e.during("open"))
    }

    /// What the owner of the directory should know, one sentence each; mostly none.
    pub fn warnings(&self) -> &[String] {
        self.0.handle.warnings()
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        self.0.handle.dir()
    }

    /// What an acknowledged write survives.
    pub fn durability(&self) -> Durability {
        self.0.durability
    }

    /// How often an operation held its executor's thread for more than the millisecond that is meant as the bound:
    /// a cold read, mostly. Of `get`s one in 16 is timed and counts for all.
    pub fn slow_inline(&self) -> u64 {
        self.0.handle.slow_inline()
    }

    /// What the store holds, counted by reading all of it.
    ///
    /// # Errors
    /// `Closed` after `close`, `Corrupt` for damaged files.
    pub async fn held(&self) -> Result<Held> {
        self.0.handle.held().await
    }

    /// Rewrites all files now and frees what has expired, removed entries too. It goes on in the background by itself;
    /// this is for those who cannot wait, and takes as long as reading and writing everything.
    ///
    /// # Errors
    /// `Closed` after `close`.
    pub async fn compact(&self) -> Result<()> {
        self.0.handle.engine(Rocks::compact).await.map_err(|e| e.during("compact"))
    }
}

impl Inner {
    fn open(config: &RocksConfig) -> Result<Self> {
        Ok(Self { handle: Handle::new("rocksdb", open::open(config)?)?, durability: config.durability })
    }
}

impl Diagnose for RocksStore {
    async fn diagnose(&self) -> Vec<Finding> {
        let told = self.0.handle.engine(|db| Ok(diagnosis::findings(db))).await;
        told.unwrap_or_else(|e| vec![Finding::bad("store", e.to_string(), "open the store again")])
    }
}

impl Store for RocksStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.0.handle.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.0.handle.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.0.handle.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.0.handle.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.0.handle.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.0.handle.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.0.handle.scan(scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.0.handle.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.0.handle.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.0.handle.changes().await
    }

    fn capabilities(&self) -> &Capabilities {
        self.0.handle.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.0.handle.close().await
    }
}

impl fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksStore")
            .field("dir", &self.dir())
            .field("durability", &self.durability())
            .finish_non_exhaustive()
    }
}
