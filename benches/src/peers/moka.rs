//! `moka::sync` as anybody would use it: the name as key, the bytes as value.

use bytes::Bytes;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

use crate::subject::{Conditional, Engine, Points, Subject, listed};
use crate::workload::{BATCH, Name, RawVersion, Values, new_version, versioned};

/// A cache without limit and without expiry: the fastest that moka is.
#[derive(Clone, Debug)]
pub struct Moka(Cache<Box<str>, Bytes>);

impl Default for Moka {
    fn default() -> Self {
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

impl Conditional for Moka {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        self.0.insert(owned(&Name::of(number)), versioned(&version, value).into());
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let next = new_version();
        let written = self.0.entry(owned(&Name::of(number))).and_compute_with(|found| match found {
            Some(found) if found.value().starts_with(&version) => Op::Put(versioned(&next, value).into()),
            _ => Op::Nop,
        });
        assert!(matches!(written, CompResult::ReplacedWith(_)), "nobody else wrote");
        next
    }
}
