//! Several users of one store, kept apart by their collections' names.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use crate::{
    AnyStore, Capabilities, Change, Changes, Collections, Cursor, Damaged, Entry, Error, ErrorKind, Item,
    Key, NewEntry, Page, PutMode, Result, Scan, Signals, Store, Version,
};

/// Maps collection `c` to `p/c`, `%` and `/` in the prefix escaped as `%25` and `%2F`. Topics map alike.
///
/// Different prefixes on one store never share a key, whatever characters they hold; a prefix on a prefix lies
/// inside it; the bare store sees all of them under the mapped names. Errors, items and changes show the names that
/// the caller used. All laws hold as they hold below. It stands outside encryption, which binds the whole name.
#[derive(Clone, Debug)]
pub struct Prefix<S = AnyStore> {
    inner: S,
    /// The escaped prefix and its `/`.
    head: Arc<str>,
}

impl Prefix {
    /// What the collection `name` of a store with this prefix is called in the store below.
    pub fn name_below(prefix: &str, name: &str) -> String {
        head(prefix) + name
    }
}

impl<S: Store> Prefix<S> {
    /// Puts `prefix` before each collection of `inner`.
    pub fn new(inner: S, prefix: &str) -> Self {
        Self { inner, head: head(prefix).into() }
    }

    fn mapped(&self, name: &str) -> String {
        [&self.head, name].concat()
    }

    fn mapped_all<'a>(&self, keys: impl Iterator<Item = Key<'a>>) -> Vec<String> {
        keys.map(|key| self.mapped(key.collection)).collect()
    }

    /// What was passed over, by the caller's names. A name outside of the prefix is none that the caller could delete.
    fn own_damage(&self, damaged: Damaged) -> Damaged {
        let name = damaged.name.and_then(|(collection, id)| {
            collection.strip_prefix(&*self.head).map(|name| (name.to_owned(), id))
        });
        Damaged { name, error: damaged.error.without(&self.head) }
    }

    fn stripped(&self, item: Item) -> Result<Item> {
        match item.collection.strip_prefix(&*self.head) {
            Some(name) => Ok(Item { collection: item.collection.slice_ref(name), ..item }),
            None => {
                Err(Error::new(ErrorKind::Unexpected, "the store listed a collection that was not asked for"))
            }
        }
    }
}

impl<S: Store> Store for Prefix<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let name = self.mapped(key.collection);
        self.inner.get(Key::new(&name, key.id)).await.map_err(|e| own_name(e, key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let name = self.mapped(key.collection);
        self.inner.put(Key::new(&name, key.id), entry, mode).await.map_err(|e| own_name(e, key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let name = self.mapped(key.collection);
        self.inner.take(Key::new(&name, key.id), version).await.map_err(|e| own_name(e, key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let names = self.mapped_all(keys.iter().copied());
        let mapped = renamed(&names, keys);
        let answers = self.inner.get_many(&mapped).await.map_err(|e| whose_name(e, &mapped, keys))?;
        Ok(own_names(answers, keys))
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let (keys, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let names = self.mapped_all(keys.iter().copied());
        let mapped = renamed(&names, &keys);
        let entries = mapped.iter().copied().zip(entries).collect();
        let answers = self.inner.put_many(entries).await.map_err(|e| whose_name(e, &mapped, &keys))?;
        Ok(own_names(answers, &keys))
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let names = self.mapped_all(keys.iter().copied());
        let mapped = renamed(&names, keys);
        let answers = self.inner.delete_many(&mapped).await.map_err(|e| whose_name(e, &mapped, keys))?;
        Ok(own_names(answers, keys))
    }

    async fn scan(&self, mut scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let (Collections::One(name) | Collections::Under(name)) = scan.collections;
        let mapped = self.mapped(name);
        scan.collections = match scan.collections {
            Collections::One(_) => Collections::One(&mapped),
            Collections::Under(_) => Collections::Under(&mapped),
        };
        let page = self.inner.scan(scan, from).await.map_err(|e| e.without(&self.head))?;
        let Page { items, damaged, next } = page;
        let items = items.into_iter().map(|item| self.stripped(item)).collect::<Result<_>>()?;
        let damaged = damaged.into_iter().map(|damaged| self.own_damage(damaged)).collect();
        Ok(Page::new(items, next).passed_over(damaged))
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(&self.mapped(topic), message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(&self.mapped(topic)).await
    }

    async fn changes(&self) -> Result<Changes> {
        let all = self.inner.changes().await?;
        Ok(Changes::new(Own { all, head: Arc::clone(&self.head) }))
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

fn head(prefix: &str) -> String {
    format!("{}/", prefix.replace('%', "%25").replace('/', "%2F"))
}

/// The changes under one prefix, by the caller's names.
struct Own {
    all: Changes,
    head: Arc<str>,
}

impl Stream for Own {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        loop {
            let Some(change) = ready!(Pin::new(&mut self.all).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            let Change::Key { collection, id } = change else { return Poll::Ready(Some(change)) };
            if let Some(name) = collection.strip_prefix(&*self.head) {
                return Poll::Ready(Some(Change::Key { collection: name.to_owned(), id }));
            }
        }
    }
}

fn renamed<'a>(names: &'a [String], keys: &[Key<'a>]) -> Vec<Key<'a>> {
    names.iter().zip(keys).map(|(name, key)| Key::new(name, key.id)).collect()
}

fn own_name(error: Error, key: Key<'_>) -> Error {
    if error.key().is_some() { error.renamed(key) } else { error }
}

fn own_names<T>(answers: Vec<Result<T>>, keys: &[Key<'_>]) -> Vec<Result<T>> {
    answers.into_iter().zip(keys).map(|(answer, key)| answer.map_err(|e| own_name(e, *key))).collect()
}

/// The error of a whole batch may name one of its keys.
fn whose_name(error: Error, mapped: &[Key<'_>], keys: &[Key<'_>]) -> Error {
    match mapped.iter().zip(keys).find(|(mapped, _)| error.is_at(**mapped)) {
        Some((_, key)) => error.renamed(*key),
        None => error,
    }
}
