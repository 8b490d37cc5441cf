//! Several stores behind one, each with collections of its own.

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};

use self::table::Table;
use crate::{
    AnyStore, Capabilities, Change, Changes, Collections, Cursor, Entry, Error, Key, NewEntry, Page, PutMode,
    Result, Scan, Signals, Store, Version,
};

mod batch;
mod listing;
mod table;

/// Sends each collection to the store that it is routed to, and all others to the store that was there first.
///
/// The collection's own route wins, else the one with the longest beginning. Topics are routed like collections. What a
/// store holds of collections that are routed elsewhere is invisible: not read, not listed. A batch is one batch per
/// store, all at once; a store of which nothing was sent fails its own keys. A listing of several stores is one store
/// after the other, so `scan` is `Unordered` as soon as there is a route; its cursor is good for the same routes only.
///
/// What it does to the laws: of what the stores can do and promise, `capabilities()` tells the weakest, and whose clock
/// judges is the first one's; each collection keeps the laws of its own store. So a collection whose store takes larger
/// values than `max_value` takes them. `close` closes all of them.
///
/// It stands inside retry and timeout and outside [`Prefix`](crate::Prefix): routes name collections as the caller does.
#[derive(Clone, Debug)]
pub struct Route<S = AnyStore> {
    first: S,
    table: Table,
    capabilities: Capabilities,
}

impl<S: Store> Route<S> {
    /// No routes yet: everything goes to `first`.
    pub fn new(first: S) -> Self {
        let capabilities = first.capabilities().clone();
        Self { first, table: Table::default(), capabilities }
    }

    /// The collection of exactly this name is kept in `store`.
    #[must_use]
    pub fn collection(self, name: &str, store: impl Store) -> Self {
        self.with(Collections::One(name), AnyStore::new(store))
    }

    /// All collections whose name begins with `start` are kept in `store`.
    #[must_use]
    pub fn under(self, start: &str, store: impl Store) -> Self {
        self.with(Collections::Under(start), AnyStore::new(store))
    }

    fn with(mut self, collections: Collections<'_>, store: AnyStore) -> Self {
        self.capabilities = table::weakest(&self.capabilities, store.capabilities());
        self.table.add(collections, store);
        self
    }
}

/// Runs `$call` on the store of `$name`, whichever type it has.
macro_rules! on_store_of {
    ($self:ident, $name:expr, |$store:ident| $call:expr) => {
        match $self.table.store_of($name) {
            Some($store) => $call,
            None => {
                let $store = &$self.first;
                $call
            }
        }
    };
}

impl<S: Store> Store for Route<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        on_store_of!(self, key.collection, |store| store.get(key).await)
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        on_store_of!(self, key.collection, |store| store.put(key, entry, mode).await)
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        on_store_of!(self, key.collection, |store| store.take(key, version).await)
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let groups = batch::grouped(&self.table, keys.iter().map(|key| (*key, *key)));
        let runs = groups.into_iter().map(|group| async move {
            let keys = group.items;
            let answers = match group.store {
                Some(store) => store.get_many(&keys).await,
                None => self.first.get_many(&keys).await,
            };
            (group.places, answers)
        });
        batch::joined(keys, join_all(runs).await)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let groups = batch::grouped(&self.table, entries.into_iter().map(|item| (item.0, item)));
        let runs = groups.into_iter().map(|group| async move {
            let answers = match group.store {
                Some(store) => store.put_many(group.items).await,
                None => self.first.put_many(group.items).await,
            };
            (group.places, answers)
        });
        batch::joined(&keys, join_all(runs).await)
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let groups = batch::grouped(&self.table, keys.iter().map(|key| (*key, *key)));
        let runs = groups.into_iter().map(|group| async move {
            let keys = group.items;
            let answers = match group.store {
                Some(store) => store.delete_many(&keys).await,
                None => self.first.delete_many(&keys).await,
            };
            (group.places, answers)
        });
        batch::joined(keys, join_all(runs).await)
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        if let Collections::One(name) = scan.collections {
            return on_store_of!(self, name, |store| store.scan(scan, from).await);
        }
        if self.table.is_empty() {
            return self.first.scan(scan, from).await;
        }
        listing::page(&self.first, &self.table, scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        on_store_of!(self, topic, |store| store.signal(topic, message).await)
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        on_store_of!(self, topic, |store| store.signals(topic).await)
    }

    async fn changes(&self) -> Result<Changes> {
        let mut all = vec![(None, self.first.changes().await?)];
        for (place, store) in self.table.stores().enumerate() {
            all.push((Some(place), store.changes().await?));
        }
        let own = all.into_iter().map(|(place, changes)| {
            let table = self.table.clone();
            let own = changes.filter(move |change| {
                let tells = match change {
                    Change::Key { collection, .. } => table.place_of(collection) == place,
                    Change::All => true,
                };
                std::future::ready(tells)
            });
            own.map(Some).chain(stream::iter([None]))
        });
        // Where one of them ends, nobody hears of its entries any more.
        let until_one_ends =
            stream::select_all(own).take_while(|change| std::future::ready(change.is_some()));
        Ok(Changes::new(until_one_ends.filter_map(std::future::ready)))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        let closed = join_all(self.table.stores().map(Store::close)).await;
        let failed: Option<Error> = closed.into_iter().find_map(Result::err);
        self.first.close().await?;
        failed.map_or(Ok(()), Err)
    }
}
