//! A store whose type is chosen at run time.

use std::any::Any;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Capabilities, Changes, Cursor, Entry, Key, NewEntry, Page, PutMode, Result, Scan, Signals, Store, Version,
};

/// Any store, behind one cheap, cloneable handle.
///
/// The one place where a store is a trait object: each call costs one allocation for its future, but a `get` that a store of
/// this process answers at once.
#[derive(Clone)]
pub struct AnyStore(Arc<dyn Erased>);

impl AnyStore {
    /// Erases `store`; an `AnyStore` is handed back as it is.
    pub fn new<S: Store>(store: S) -> Self {
        let mut store = Some(store);
        if let Some(any) = (&mut store as &mut dyn Any).downcast_mut::<Option<Self>>()
            && let Some(erased) = any.take()
        {
            return erased;
        }
        match store {
            Some(store) => Self(Arc::new(store)),
            None => unreachable!("taken only when it was an AnyStore"),
        }
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The object-safe mirror of [`Store`].
#[async_trait]
trait Erased: fmt::Debug + Send + Sync {
    /// What `get` answers without waiting; `None` is nothing: it is to be called.
    fn get_at_once(&self, key: Key<'_>) -> Option<Result<Option<Entry>>>;
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>>;
    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version>;
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>>;
    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>>;
    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>>;
    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>>;
    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page>;
    async fn signal(&self, topic: &str, message: Bytes) -> Result<()>;
    async fn signals(&self, topic: &str) -> Result<Signals>;
    async fn changes(&self) -> Result<Changes>;
    fn capabilities(&self) -> &Capabilities;
    async fn close(&self) -> Result<()>;
}

#[async_trait]
impl<S: Store> Erased for S {
    fn get_at_once(&self, key: Key<'_>) -> Option<Result<Option<Entry>>> {
        if Store::capabilities(self).round_trips.get > 0 {
            return None; // a request would be sent, and then nobody would wait for it
        }
        match pin!(Store::get(self, key)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => Some(found),
            Poll::Pending => None,
        }
    }
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        Store::get(self, key).await
    }
    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        Store::put(self, key, entry, mode).await
    }
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        Store::take(self, key, version).await
    }
    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        Store::get_many(self, keys).await
    }
    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        Store::put_many(self, entries).await
    }
    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        Store::delete_many(self, keys).await
    }
    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        Store::scan(self, scan, from).await
    }
    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        Store::signal(self, topic, message).await
    }
    async fn signals(&self, topic: &str) -> Result<Signals> {
        Store::signals(self, topic).await
    }
    async fn changes(&self) -> Result<Changes> {
        Store::changes(self).await
    }
    fn capabilities(&self) -> &Capabilities {
        Store::capabilities(self)
    }
    async fn close(&self) -> Result<()> {
        Store::close(self).await
    }
}

impl Store for AnyStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        match self.0.get_at_once(key) {
            Some(found) => found,
            None => self.0.get(key).await,
        }
    }
    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.0.put(key, entry, mode).await
    }
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.0.take(key, version).await
    }
    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.0.get_many(keys).await
    }
    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.0.put_many(entries).await
    }
    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.0.delete_many(keys).await
    }
    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.0.scan(scan, from).await
    }
    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.0.signal(topic, message).await
    }
    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.0.signals(topic).await
    }
    async fn changes(&self) -> Result<Changes> {
        self.0.changes().await
    }
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }
    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::testing::ReferenceStore;
    use crate::{AnyStore, Clock, StoreExt};

    #[test]
    fn a_store_that_was_erased_is_not_boxed_again() {
        let once = ReferenceStore::new(&Clock::system()).erased();
        assert!(Arc::ptr_eq(&once.0, &once.clone().erased().0));
        assert!(Arc::ptr_eq(&once.0, &AnyStore::new(once.clone()).0));
    }
}
