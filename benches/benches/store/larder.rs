//! Larder's side: any store, as callers hold it.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{AnyStore, Key, NewEntry, Page, PutMode, Scan, Store as _};
use larder_benches::workload::{BATCH, Name, Values};

use crate::subject::{Points, Subject};

/// A store behind the handle that callers have.
#[derive(Clone)]
pub(crate) struct Larder(pub(crate) AnyStore);

/// How long entries with a ttl live: longer than any bench.
pub(crate) const TTL: Duration = Duration::from_secs(3_600);

impl Larder {
    async fn write(&self, number: u64, entry: NewEntry) {
        let name = Name::of(number);
        self.0.put(key(&name), entry, PutMode::Replace).await.expect("a put succeeds");
    }
}

fn key(name: &Name) -> Key<'_> {
    let (collection, id) = name.parts();
    Key::new(collection, id)
}

impl Points for Larder {
    type Value = Bytes;

    async fn get(&self, number: u64) -> Option<Bytes> {
        let name = Name::of(number);
        self.0.get(key(&name)).await.expect("a get succeeds").map(|entry| entry.value)
    }

    async fn put(&self, number: u64, value: &Bytes) {
        self.write(number, NewEntry::new(value.clone())).await;
    }
}

impl Subject for Larder {
    type Page = Page;

    async fn put_with_ttl(&self, number: u64, value: &Bytes) {
        self.write(number, NewEntry::new(value.clone()).ttl(TTL)).await;
    }

    async fn take(&self, number: u64) -> Option<Bytes> {
        let name = Name::of(number);
        self.0.take(key(&name), None).await.expect("a take succeeds").map(|entry| entry.value)
    }

    async fn get_many(&self, numbers: &[u64; BATCH]) -> Vec<Option<Bytes>> {
        let names = numbers.map(Name::of);
        let keys = names.each_ref().map(key);
        let found = self.0.get_many(&keys).await.expect("a batch is read");
        found.into_iter().map(|found| found.expect("a get succeeds").map(|entry| entry.value)).collect()
    }

    async fn put_many(&self, numbers: &[u64; BATCH], values: &Values) {
        let names = numbers.map(Name::of);
        let entries = names.iter().zip(numbers);
        let entries =
            entries.map(|(name, number)| (key(name), NewEntry::new(values.of(*number).clone()))).collect();
        for written in self.0.put_many(entries).await.expect("a batch is written") {
            written.expect("a put succeeds");
        }
    }

    async fn page(&self, number: u64) -> Page {
        let name = Name::of(number);
        self.0.scan(Scan::one(name.parts().0).values(), None).await.expect("a scan succeeds")
    }

    fn listed(page: &Page) -> Vec<(String, Vec<u8>)> {
        let value = |entry: &Option<kv_core::Entry>| entry.as_ref().expect("asked for").value.to_vec();
        page.items.iter().map(|i| (format!("{}/{}", i.collection, i.id), value(&i.entry))).collect()
    }
}
