//! A store that writes down what is called on it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Key, NewEntry, Page, PutMode, Result, Scan, Signals, Store, Version,
};

/// Forwards to `S` and remembers the name of each operation.
#[derive(Clone, Debug)]
pub(crate) struct Recording<S> {
    inner: S,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl<S: Store> Recording<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, calls: Arc::default() }
    }

    /// What was called since this was asked last.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn called(&self, operation: &'static str) -> &S {
        self.calls.lock().unwrap().push(operation);
        &self.inner
    }
}

impl<S: Store> Store for Recording<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.called("get").get(key).await
    }
    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.called("put").put(key, entry, mode).await
    }
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.called("take").take(key, version).await
    }
    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.called("get_many").get_many(keys).await
    }
    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.called("put_many").put_many(entries).await
    }
    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.called("delete_many").delete_many(keys).await
    }
    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.called("scan").scan(scan, from).await
    }
    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.called("signal").signal(topic, message).await
    }
    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.called("signals").signals(topic).await
    }
    async fn changes(&self) -> Result<Changes> {
        self.called("changes").changes().await
    }
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }
    async fn close(&self) -> Result<()> {
        self.called("close").close().await
    }
}
