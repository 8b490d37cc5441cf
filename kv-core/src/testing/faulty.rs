//! A store whose faults a test writes down, or leaves to chance.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Capabilities, Changes, Cursor, Entry, Key, NewEntry, Page, PutMode, Result, Scan, Signals, Store, Version,
};

mod faults;

pub use faults::{Fault, Faults};

/// Forwards to `S`, but for the calls that its [`Faults`] name: those fail, wait, or lose their answer.
///
/// Batches are forwarded as batches; a fault hits the whole batch, as what each key answers, or one of its keys. `close`
/// and `capabilities` have no faults.
///
/// ```text
/// let faults = Faults::none();
/// let store = Faulty::new(inner, &faults).retried();
/// faults.next("take", Fault::lost(ErrorKind::Unavailable)); // executed, and nobody hears of it
/// ```
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: Arc<S>,
    faults: Faults,
    capabilities: Capabilities,
}

impl<S: Store> Faulty<S> {
    /// `inner` with these faults; a clone of `faults` stays with the test.
    pub fn new(inner: S, faults: &Faults) -> Self {
        let mut capabilities = inner.capabilities().clone();
        // What may be held up is no store that answers at once.
        capabilities.round_trips.get = capabilities.round_trips.get.max(1);
        Self { inner: Arc::new(inner), faults: faults.clone(), capabilities }
    }

    /// The same with other capabilities than the inner store's, which go on telling what it does.
    #[must_use]
    pub fn telling(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(&mut self.capabilities);
        self
    }

    /// Runs `call` as the next fault for `operation` allows.
    async fn single<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let Some(fault) = self.faults.called(operation).await else { return call.await };
        if fault.executes() {
            drop(call.await?);
        }
        Err(fault.error().await.during(operation))
    }

    /// As `single`, for the keys of a batch: `call` runs the batch of those keys that the fault lets through.
    async fn batch<T, F>(
        &self,
        operation: &'static str,
        keys: &[Key<'_>],
        call: impl FnOnce(Vec<usize>) -> F + Send,
    ) -> Result<Vec<Result<T>>>
    where
        F: Future<Output = Result<Vec<Result<T>>>> + Send,
    {
        let all: Vec<usize> = (0..keys.len()).collect();
        let Some(fault) = self.faults.called(operation).await else { return call(all).await };
        let runs = |at: &usize| fault.executes() || !fault.hits(*at);
        let sent: Vec<usize> = all.iter().copied().filter(runs).collect();
        let mut done = call(sent).await?.into_iter();
        let error = fault.error().await.during(operation);
        if fault.fails_whole() {
            return Err(error);
        }
        let answers = keys.iter().enumerate().map(|(at, key)| {
            let answer = if runs(&at) { done.next() } else { None };
            match answer {
                Some(answer) if !fault.hits(at) => answer,
                _ => Err(error.clone().at(*key)),
            }
        });
        Ok(answers.collect())
    }
}

impl<S: Store> Store for Faulty<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.single("get", self.inner.get(key)).await.map_err(|e| e.at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        if let Some((delay, error)) = self.faults.late("put") {
            let (inner, collection, id) =
                (Arc::clone(&self.inner), key.collection.to_owned(), key.id.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                drop(inner.put(Key::new(&collection, &id), entry, mode).await);
            });
            return Err(error.during("put").at(key));
        }
        self.single("put", self.inner.put(key, entry, mode)).await.map_err(|e| e.at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.single("take", self.inner.take(key, version)).await.map_err(|e| e.at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let call = |at: Vec<usize>| async move { self.inner.get_many(&picked(keys, &at)).await };
        self.batch("get_many", keys, call).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let call = |at: Vec<usize>| async move {
            let entries = entries.into_iter().enumerate().filter(|(n, _)| at.binary_search(n).is_ok());
            self.inner.put_many(entries.map(|(_, entry)| entry).collect()).await
        };
        self.batch("put_many", &keys, call).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let call = |at: Vec<usize>| async move { self.inner.delete_many(&picked(keys, &at)).await };
        self.batch("delete_many", keys, call).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.single("scan", self.inner.scan(scan, from)).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.single("signal", self.inner.signal(topic, message)).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.single("signals", self.inner.signals(topic)).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.single("changes", self.inner.changes()).await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

fn picked<'a>(keys: &[Key<'a>], at: &[usize]) -> Vec<Key<'a>> {
    at.iter().filter_map(|at| keys.get(*at).copied()).collect()
}
