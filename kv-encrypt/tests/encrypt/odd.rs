//! A store that cannot list, or that takes its time.

use std::time::Duration;

use bytes::Bytes;
use kv_core::testing::ReferenceStore;
use kv_core::{
    Capabilities, Changes, Clock, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page, PutMode, Result,
    Scan, Signals, Store, Version,
};

#[derive(Debug)]
pub(crate) struct Odd {
    pub(crate) inner: ReferenceStore,
    /// Whether it lists.
    pub(crate) scans: bool,
    /// How often others get a turn before it writes.
    pub(crate) yields: usize,
    /// How long a page is on its way, by this clock.
    pub(crate) late: Option<(Clock, Duration)>,
}

impl Store for Odd {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        for _ in 0..self.yields {
            tokio::task::yield_now().await;
        }
        self.inner.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.inner.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.inner.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.inner.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.inner.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        if !self.scans {
            return Err(Error::new(ErrorKind::Unsupported, "this store does not list"));
        }
        let page = self.inner.scan(scan, from).await;
        if let Some((clock, late)) = &self.late {
            clock.advance(*late);
        }
        page
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
