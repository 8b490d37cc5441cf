//! A store as several processes share one: round trips are counted, and may take a while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode,
    Result, Scan, Signals, Store, Version,
};

/// One process's handle on a store that others share.
#[derive(Clone, Debug)]
pub struct Shared {
    inner: AnyStore,
    capabilities: Capabilities,
    trips: Arc<Mutex<Vec<String>>>,
    slow: Arc<Mutex<Option<(&'static str, Duration)>>>,
    broken: Arc<Mutex<Option<Broken>>>,
    losing: Arc<Mutex<Option<&'static str>>>,
}

/// What fails: everything on a collection, or what writes there.
#[derive(Clone, Copy, Debug)]
struct Broken {
    collection: &'static str,
    writes_alone: bool,
}

impl Shared {
    /// A handle on `inner`, which nobody owns alone.
    pub fn new(inner: AnyStore) -> Self {
        let mut capabilities = inner.capabilities().clone();
        capabilities.exclusive = false;
        Self::of(inner, capabilities)
    }

    fn of(inner: AnyStore, capabilities: Capabilities) -> Self {
        let (trips, slow, broken, losing) = Default::default();
        Self { inner, capabilities, trips, slow, broken, losing }
    }

    /// Another process's handle on the same store.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::of(self.inner.clone(), self.capabilities.clone())
    }

    /// The same without ringing: whoever waits has to look.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.capabilities.signals = false;
        self
    }

    /// What was asked since the last look, each as `operation collection`.
    pub fn trips(&self) -> Vec<String> {
        std::mem::take(&mut *self.trips.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on each operation on this collection takes so long.
    pub fn slow_down(&self, collection: &'static str, by: Duration) {
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner) = Some((collection, by));
    }

    /// From now on each operation on this collection fails.
    pub fn break_down(&self, collection: &'static str) {
        self.set_broken(Some(Broken { collection, writes_alone: false }));
    }

    /// From now on each write to this collection fails, and everything else on it succeeds.
    pub fn refuse_writes(&self, collection: &'static str) {
        self.set_broken(Some(Broken { collection, writes_alone: true }));
    }

    fn set_broken(&self, broken: Option<Broken>) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = broken;
    }

    /// The next entry that is taken from this collection is gone, and nobody gets it: the answer is lost on its way.
    pub fn lose_taken(&self, collection: &'static str) {
        *self.losing.lock().unwrap_or_else(PoisonError::into_inner) = Some(collection);
    }

    /// Whether what was taken from this collection is lost, once.
    fn loses(&self, collection: &str) -> bool {
        let name = collection.rsplit('/').next().unwrap_or_default();
        self.losing.lock().unwrap_or_else(PoisonError::into_inner).take_if(|losing| *losing == name).is_some()
    }

    /// From now on nothing fails.
    pub fn mend(&self) {
        self.set_broken(None);
    }

    async fn trip(&self, operation: &str, collection: &str) -> Result<()> {
        let name = collection.rsplit('/').next().unwrap_or_default();
        let trip = format!("{operation} {name}").trim_end().to_owned();
        self.trips.lock().unwrap_or_else(PoisonError::into_inner).push(trip);
        let slow = *self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, by)) = slow.filter(|(slow, _)| *slow == name) {
            tokio::time::sleep(by).await;
        }
        let broken = *self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let breaks = |broken: Broken| {
            broken.collection == name && (!broken.writes_alone || operation.starts_with("put"))
        };
        if !name.is_empty() && broken.is_some_and(breaks) {
            return Err(Error::new(ErrorKind::Unavailable, "the test broke it"));
        }
        Ok(())
    }
}

fn first<'a>(keys: impl IntoIterator<Item = &'a Key<'a>>) -> &'a str {
    keys.into_iter().next().map_or("", |key| key.collection)
}

impl Store for Shared {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.trip("get", key.collection).await?;
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.trip("put", key.collection).await?;
        self.inner.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.trip("take", key.collection).await?;
        let taken = self.inner.take(key, version).await?;
        if taken.is_some() && self.loses(key.collection) {
            let lost = Error::new(ErrorKind::Unavailable, "the test lost the answer");
            return Err(lost.with_outcome(Outcome::Unknown));
        }
        Ok(taken)
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.trip("get_many", first(keys)).await?;
        self.inner.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let name = entries.first().map_or("", |(key, _)| key.collection).to_owned();
        self.trip("put_many", &name).await?;
        self.inner.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.trip("delete_many", first(keys)).await?;
        self.inner.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.trip("scan", "").await?;
        self.inner.scan(scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.trip("signal", "").await?;
        self.inner.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.trip("signals", "").await?;
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
