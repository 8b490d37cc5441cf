//! Larder's side: any store, as callers hold it.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{AnyStore, Item, Key, NewEntry, PutMode, Scan, Store as _, Version};

use crate::subject::{Conditional, Points, Subject};
use crate::workload::{BATCH, Name, Values};

/// A store behind the handle that callers have.
#[derive(Clone, Debug)]
pub struct Larder(pub AnyStore);

/// How long entries with a ttl live: longer than any bench.
pub const TTL: Duration = Duration::from_secs(3_600);

impl Larder {
    async fn write(&self, number: u64, entry: NewEntry) -> Version {
        let name = Name::of(number);
        self.0.put(key(&name), entry, PutMode::Replace).await.expect("a put succeeds")
    }
}

fn key(name: &Name) -> Key<'_> {
    let (collection, id) = name.parts();
    Key::new(collection, id)
}

impl Points for Larder {
    type Value = Bytes;

    async fn get(&mut self, number: u64) -> Option<Bytes> {
        let name = Name::of(number);
        self.0.get(key(&name)).await.expect("a get succeeds").map(|entry| entry.value)
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        self.write(number, NewEntry::new(value.clone())).await;
    }
}

impl Subject for Larder {
    type Page = Vec<Item>;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        self.write(number, NewEntry::new(value.clone()).ttl(TTL)).await;
    }

    async fn take(&mut self, number: u64) -> Option<Bytes> {
        let name = Name::of(number);
        self.0.take(key(&name), None).await.expect("a take succeeds").map(|entry| entry.value)
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Bytes>> {
        let names = numbers.map(Name::of);
        let keys = names.each_ref().map(key);
        let found = self.0.get_many(&keys).await.expect("a batch is read");
        found.into_iter().map(|found| found.expect("a get succeeds").map(|entry| entry.value)).collect()
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        let names = numbers.map(Name::of);
        let entries = names.iter().zip(numbers);
        let entries =
            entries.map(|(name, number)| (key(name), NewEntry::new(values.of(*number).clone()))).collect();
        for written in self.0.put_many(entries).await.expect("a batch is written") {
            written.expect("a put succeeds");
        }
    }

    /// Listings of servers come in pages of their own lengths.
    async fn page(&mut self, number: u64) -> Vec<Item> {
        let name = Name::of(number);
        let scan = || Scan::one(name.parts().0).values();
        let page = self.0.scan(scan(), None).await.expect("a scan succeeds");
        let (mut items, mut next) = (page.items, page.next);
        while let Some(cursor) = next {
            let page = self.0.scan(scan(), Some(&cursor)).await.expect("a scan goes on");
            items.extend(page.items);
            next = page.next;
        }
        items
    }

    fn listed(page: &Vec<Item>) -> Vec<(String, Vec<u8>)> {
        let value = |entry: &Option<kv_core::Entry>| entry.as_ref().expect("asked for").value.to_vec();
        page.iter().map(|i| (format!("{}/{}", i.collection, i.id), value(&i.entry))).collect()
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().filter_map(|item| item.entry.as_ref()).map(|entry| entry.value.as_ref())
    }
}

impl Conditional for Larder {
    type Version = Version;

    async fn begin(&mut self, number: u64, value: &Bytes) -> Version {
        self.write(number, NewEntry::new(value.clone())).await
    }

    async fn update(&mut self, number: u64, version: Version, value: &Bytes) -> Version {
        let name = Name::of(number);
        let entry = NewEntry::new(value.clone());
        self.0.put(key(&name), entry, PutMode::Update(version)).await.expect("nobody else wrote")
    }
}
