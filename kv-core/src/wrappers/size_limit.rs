//! A bound on the size of values.

use bytes::Bytes;

use crate::each::put_prepared;
use crate::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page, PutMode, Result,
    Scan, Signals, Store, Version,
};

/// Refuses values above so many bytes as `TooLarge`, before anything is sent; the old entry stays.
///
/// The limit is the smaller one of this and the store's own `max_value`, and is told as such. In a batch the other entries are written. What is
/// larger and there already can be read and taken. All laws hold as they hold below.
///
/// It stands outside [`Compress`](crate::Compress) and encryption, and so counts the bytes that the caller wrote; inside
/// it would count what is stored.
#[derive(Clone, Debug)]
pub struct SizeLimit<S = AnyStore> {
    inner: S,
    max_value: usize,
    capabilities: Capabilities,
}

impl<S: Store> SizeLimit<S> {
    /// Takes values of at most `max_value` bytes.
    pub fn new(inner: S, max_value: usize) -> Self {
        let below = inner.capabilities().clone();
        let max_value = below.max_value.map_or(max_value, |max| max.min(max_value));
        Self { inner, max_value, capabilities: Capabilities { max_value: Some(max_value), ..below } }
    }

    fn checked(&self, entry: NewEntry) -> Result<NewEntry> {
        if entry.value().len() <= self.max_value {
            return Ok(entry);
        }
        let message = format!("the value has more than the {} bytes that are allowed here", self.max_value);
        Err(Error::new(ErrorKind::TooLarge, message))
    }
}

impl<S: Store> Store for SizeLimit<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let entry = self.checked(entry).map_err(|e| e.during("put").at(key))?;
        self.inner.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.inner.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.inner.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let checked = entries.into_iter().map(|(key, entry)| (key, self.checked(entry)));
        put_prepared(&self.inner, checked.collect()).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
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
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
