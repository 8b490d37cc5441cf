//! `moka::sync` as anybody would use it: the name as key, the bytes as value.

use std::time::{Duration, Instant};

use bytes::Bytes;
use larder_benches::workload::{BATCH, Name, Values};
use moka::Expiry;
use moka::sync::Cache;

use larder_benches::larder::TTL;
use larder_benches::subject::{Engine, Points, Subject, listed};

/// A cache without limit and without expiry: the fastest that moka is.
#[derive(Clone)]
pub(crate) struct Moka(Cache<Box<str>, Bytes>);

impl Moka {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().build())
    }
}

fn owned(name: &Name) -> Box<str> {
    name.as_str().into()
}

impl Points for Moka {
    type Value = Bytes;

    async fn get(&mut self, number: u64) -> Option<Bytes> {
        self.0.get(Name::of(number).as_str())
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        self.0.insert(owned(&Name::of(number)), value.clone());
    }
}

impl Subject for Moka {
    type Page = Vec<(Box<str>, Bytes)>;
    const HAS_ORDER: bool = false;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        self.put(number, value).await;
    }

    async fn take(&mut self, number: u64) -> Option<Bytes> {
        self.0.remove(Name::of(number).as_str())
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Bytes>> {
        numbers.iter().map(|number| self.0.get(Name::of(*number).as_str())).collect()
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        self.put_batch(numbers, |number| values.of(number).clone()).await;
    }

    /// moka has no order: whoever lists one collection looks at all of them.
    async fn page(&mut self, number: u64) -> Self::Page {
        let name = Name::of(number);
        let (collection, _) = name.parts();
        let within = |key: &str| key.strip_prefix(collection).is_some_and(|rest| rest.starts_with('/'));
        let entries = self.0.iter().filter(|(key, _)| within(key));
        entries.map(|(key, value)| (Box::clone(&key), value)).collect()
    }

    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)> {
        listed::<Self>(page)
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().map(|(_, value)| value.as_ref())
    }
}

impl Engine for Moka {
    async fn put_batch(&mut self, numbers: &[u64; BATCH], value: impl Fn(u64) -> Bytes + Send) {
        for number in numbers {
            self.put(*number, &value(*number)).await;
        }
    }

    fn entries(page: &Self::Page) -> impl Iterator<Item = (&[u8], &[u8])> {
        page.iter().map(|(name, value)| (name.as_bytes(), value.as_ref()))
    }
}

/// A cache whose entries each have a lifetime of their own.
#[derive(Clone)]
pub(crate) struct MokaWithTtl(Cache<Box<str>, (Option<Duration>, Bytes)>);

struct OwnLifetime;

impl Expiry<Box<str>, (Option<Duration>, Bytes)> for OwnLifetime {
    fn expire_after_create(
        &self,
        _: &Box<str>,
        (ttl, _): &(Option<Duration>, Bytes),
        _: Instant,
    ) -> Option<Duration> {
        *ttl
    }

    fn expire_after_update(
        &self,
        _: &Box<str>,
        (ttl, _): &(Option<Duration>, Bytes),
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        *ttl
    }
}

impl MokaWithTtl {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().expire_after(OwnLifetime).build())
    }
}

impl Points for MokaWithTtl {
    type Value = Bytes;

    async fn get(&mut self, number: u64) -> Option<Bytes> {
        self.0.get(Name::of(number).as_str()).map(|(_, value)| value)
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        self.0.insert(owned(&Name::of(number)), (Some(TTL), value.clone()));
    }
}
