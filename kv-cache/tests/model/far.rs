//! A store far away, whose faults can be chosen.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use kv_core::testing::ReferenceStore;
use kv_core::{
    Capabilities, Change, Changes, Clock, Cursor, Entry, Key, NewEntry, Page, PutMode, Result, Scan, Signals,
    Store, Version,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::explorer::step;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// `Update` replaces whatever stands there, or nothing.
    UpdatesAnyVersion,
    DeletesNothing,
    /// It tells nobody of changes.
    NewsAreLost,
    /// It tells of a change before it takes effect.
    NewsComeEarly,
}

/// Each operation takes a step to arrive, and its answer another.
#[derive(Clone, Debug)]
pub(crate) struct Far {
    store: ReferenceStore,
    fault: Fault,
    listeners: Arc<Mutex<Vec<UnboundedSender<Change>>>>,
}

impl Far {
    pub(crate) fn new(clock: &Clock, fault: Fault) -> Self {
        Self { store: ReferenceStore::new(clock), fault, listeners: Arc::default() }
    }

    async fn before(&self, key: Key<'_>) {
        step().await;
        if self.fault == Fault::NewsComeEarly {
            self.tell(key);
            step().await;
        }
    }

    async fn after(&self, key: Key<'_>) {
        if !matches!(self.fault, Fault::NewsComeEarly | Fault::NewsAreLost) {
            self.tell(key);
        }
        step().await;
    }

    fn tell(&self, key: Key<'_>) {
        let change = Change::Key { collection: key.collection.to_owned(), id: key.id.to_owned() };
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send(change.clone()).is_ok());
    }
}

impl Store for Far {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        step().await;
        let answer = self.store.get(key).await;
        step().await;
        answer
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.before(key).await;
        let mode = match mode {
            PutMode::Update(_) if self.fault == Fault::UpdatesAnyVersion => PutMode::Replace,
            mode => mode,
        };
        let answer = self.store.put(key, entry, mode).await;
        self.after(key).await;
        answer
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.before(key).await;
        let answer = self.store.take(key, version).await;
        self.after(key).await;
        answer
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        step().await;
        let answer = self.store.get_many(keys).await;
        step().await;
        answer
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        kv_core::each::put_many(self, entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        if self.fault == Fault::DeletesNothing {
            step().await;
            return Ok(keys.iter().map(|_| Ok(())).collect());
        }
        kv_core::each::delete_many(self, keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.store.scan(scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.store.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.store.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        let (listener, news) = unbounded_channel();
        drop(listener.send(Change::All)); // the receiver is in our hands
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        Ok(Changes::new(stream::unfold(news, |mut news| async {
            news.recv().await.map(|change| (change, news))
        })))
    }

    fn capabilities(&self) -> &Capabilities {
        self.store.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}
