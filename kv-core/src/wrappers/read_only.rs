//! A store that others may write.

use bytes::Bytes;

use crate::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page, PutMode, Result,
    Scan, Signals, Store, Version,
};

/// Reads, and refuses `put`, `take`, `put_many` and `delete_many` as `Unsupported` before anything is sent.
///
/// Every law about writing fails by design; `capabilities().writable` is false. Signals pass both ways: they store
/// nothing. `close` ends the store for everybody, as everywhere: who was merely lent it does not call it. It stands
/// outermost.
#[derive(Clone, Debug)]
pub struct ReadOnly<S = AnyStore> {
    inner: S,
    capabilities: Capabilities,
}

impl<S: Store> ReadOnly<S> {
    /// Lets nothing but reads through to `inner`.
    pub fn new(inner: S) -> Self {
        let capabilities = Capabilities { writable: false, ..inner.capabilities().clone() };
        Self { inner, capabilities }
    }
}

impl<S: Store> Store for ReadOnly<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, _: NewEntry, _: PutMode) -> Result<Version> {
        Err(refusal("put").at(key))
    }

    async fn take(&self, key: Key<'_>, _: Option<Version>) -> Result<Option<Entry>> {
        Err(refusal("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.inner.get_many(keys).await
    }

    async fn put_many(&self, _: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        Err(refusal("put_many"))
    }

    async fn delete_many(&self, _: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        Err(refusal("delete_many"))
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
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

fn refusal(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, "this handle is read-only").during(operation)
}
