//! A store that is written to directly and read through a read-only handle: so the laws try what such a handle reads.

use bytes::Bytes;
use kv_core::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Key, NewEntry, Page, PutMode, ReadOnly, Result, Scan,
    Signals, Store, StoreExt as _, Version,
};

#[derive(Clone, Debug)]
pub(crate) struct Beside {
    reader: ReadOnly<AnyStore>,
    writer: AnyStore,
}

impl Beside {
    pub(crate) fn new(writer: AnyStore) -> Self {
        Self { reader: writer.clone().read_only(), writer }
    }
}

impl Store for Beside {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.reader.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.writer.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.writer.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.reader.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.writer.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.writer.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.reader.scan(scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.reader.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.reader.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.reader.changes().await
    }

    fn capabilities(&self) -> &Capabilities {
        self.writer.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.reader.close().await
    }
}
