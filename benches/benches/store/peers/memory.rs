//! `moka::sync` with lifetimes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use larder_benches::larder::TTL;
use larder_benches::subject::Points;
use larder_benches::workload::Name;
use moka::Expiry;
use moka::sync::Cache;

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
        self.0.insert(Name::of(number).as_str().into(), (Some(TTL), value.clone()));
    }
}
