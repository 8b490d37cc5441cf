//! A store whose reads and writes can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page, PutMode, Result, Scan,
    Signals, Store, Version,
};
use kv_memory::MemoryStore;

/// A store that reads, or writes, or neither.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    pub(crate) inner: MemoryStore,
    pub(crate) reads: Arc<AtomicBool>,
    pub(crate) writes: Arc<AtomicBool>,
    kind: ErrorKind,
}

impl Failing {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self { inner: MemoryStore::new(), reads: Arc::default(), writes: Arc::default(), kind }
    }

    fn may(&self, what: &AtomicBool) -> Result<()> {
        if what.load(Ordering::SeqCst) { Ok(()) } else { Err(Error::new(self.kind, "down")) }
    }
}

impl Store for Failing {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.may(&self.reads).map_err(|error| error.at(key))?;
        self.inner.get(key).await
    }
    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.may(&self.writes)?;
        self.inner.put(key, entry, mode).await
    }
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.may(&self.writes)?;
        self.inner.take(key, version).await
    }
    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.may(&self.reads)?;
        self.inner.get_many(keys).await
    }
    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.may(&self.writes)?;
        self.inner.put_many(entries).await
    }
    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.may(&self.writes)?;
        self.inner.delete_many(keys).await
    }
    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.inner.scan(scan, from).await
    }
    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }
    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }
    async fn changes(&self) -> Result<Changes> {
        self.inner.changes().await
    }
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
