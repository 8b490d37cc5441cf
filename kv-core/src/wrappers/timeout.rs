//! A bound on how long one try may take.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode,
    Result, Scan, Signals, Store, Version,
};

/// Gives each operation, a batch as a whole, at most a fixed time, then drops it and answers `Timeout`.
///
/// A read that ran out of time had no effect: its outcome is `NotDone`. A write was perhaps sent and may still land
/// (law 7): `Unknown`. A batch that ran out of time fails each of its keys, since the outer error would say that
/// nothing was sent. `close` is not bounded: cutting its flush short would lose writes.
///
/// It bounds one try: retries, which own the deadline over all of them, stand outside. It needs tokio's timer. All
/// other laws hold as they hold below.
#[derive(Clone, Debug)]
pub struct Timeout<S = AnyStore> {
    inner: S,
    limit: Duration,
}

impl<S: Store> Timeout<S> {
    /// Gives each operation of `inner` at most `limit`.
    pub const fn new(inner: S, limit: Duration) -> Self {
        Self { inner, limit }
    }

    async fn read<T: Send>(
        &self,
        operation: &'static str,
        running: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.bounded(running).await.unwrap_or_else(|| Err(self.late(operation, Outcome::NotDone)))
    }

    async fn batch<T: Send>(
        &self,
        (operation, outcome): (&'static str, Outcome),
        keys: &[Key<'_>],
        running: impl Future<Output = Result<Vec<Result<T>>>> + Send,
    ) -> Result<Vec<Result<T>>> {
        match self.bounded(running).await {
            Some(answer) => answer,
            None => Ok(keys.iter().map(|key| Err(self.late(operation, outcome).at(*key))).collect()),
        }
    }

    /// `None` when the time ran out.
    async fn bounded<T: Send>(&self, running: impl Future<Output = T> + Send) -> Option<T> {
        tokio::time::timeout(self.limit, running).await.ok()
    }

    fn late(&self, operation: &'static str, outcome: Outcome) -> Error {
        Error::new(ErrorKind::Timeout, format!("no answer within {:?}", self.limit))
            .with_outcome(outcome)
            .during(operation)
    }
}

impl<S: Store> Store for Timeout<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.read("get", self.inner.get(key)).await.map_err(|e| e.at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let answer = self.bounded(self.inner.put(key, entry, mode)).await;
        answer.unwrap_or_else(|| Err(self.late("put", Outcome::Unknown).at(key)))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let answer = self.bounded(self.inner.take(key, version)).await;
        answer.unwrap_or_else(|| Err(self.late("take", Outcome::Unknown).at(key)))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.batch(("get_many", Outcome::NotDone), keys, self.inner.get_many(keys)).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        self.batch(("put_many", Outcome::Unknown), &keys, self.inner.put_many(entries)).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.batch(("delete_many", Outcome::Unknown), keys, self.inner.delete_many(keys)).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.read("scan", self.inner.scan(scan, from)).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        let answer = self.bounded(self.inner.signal(topic, message)).await;
        answer.unwrap_or_else(|| Err(self.late("signal", Outcome::Unknown)))
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.read("signals", self.inner.signals(topic)).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.read("changes", self.inner.changes()).await
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
