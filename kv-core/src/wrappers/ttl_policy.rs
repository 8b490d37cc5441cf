//! Lifetimes decided in one place.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;

use crate::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Key, NewEntry, Page, PutMode, Result, Scan, Signals,
    Store, Version, ttl,
};

/// Rewrites the ttl of what is written: a default for entries without one, bounds, and jitter.
///
/// What is read shows the ttl that was stored, so the law that an entry lives as long as its writer asked holds for
/// the rewritten ttl. A ttl that no store takes (zero, above 100 years) passes unchanged and is refused as everywhere.
/// Without settings it changes nothing. `update_with` writes what was left of a ttl, so `at_least` prolongs it then;
/// an `Update` has no jitter. All other laws hold as they hold below.
#[derive(Clone, Debug)]
pub struct TtlPolicy<S = AnyStore> {
    inner: S,
    default: Option<Duration>,
    min: Duration,
    max: Option<Duration>,
    /// The largest part of a ttl that chance may take away, in millionths.
    jitter_ppm: u32,
}

impl<S: Store> TtlPolicy<S> {
    /// A policy that changes nothing yet.
    pub const fn new(inner: S) -> Self {
        Self { inner, default: None, min: Duration::ZERO, max: None, jitter_ppm: 0 }
    }

    /// Entries without ttl get this one. Default: they never expire.
    #[must_use]
    pub const fn or_default(mut self, ttl: Duration) -> Self {
        self.default = Some(ttl);
        self
    }

    /// No entry lives shorter.
    #[must_use]
    pub const fn at_least(mut self, ttl: Duration) -> Self {
        self.min = ttl;
        self
    }

    /// No entry lives longer; what would never expire gets this. Wins over `at_least`.
    #[must_use]
    pub const fn at_most(mut self, ttl: Duration) -> Self {
        self.max = Some(ttl);
        self
    }

    /// Takes a random part off each ttl, up to `percent` (0 to 100), so that entries written together do not expire
    /// together: off the bounded ttl, never below `at_least`. Nothing off an `Update`, which mostly writes what was left
    /// of a ttl that had its part taken off: an entry changed often would lose another part each time.
    #[must_use]
    pub fn jitter(mut self, percent: u8) -> Self {
        self.jitter_ppm = u32::from(percent.min(100)) * 10_000;
        self
    }

    fn rewritten(&self, entry: NewEntry, mode: PutMode) -> NewEntry {
        let asked = entry.lifetime().or(self.default).or(self.max);
        match asked {
            Some(asked) if ttl::checked_ttl(Some(asked)).is_ok() => entry.ttl(self.decided(asked, mode)),
            asked => entry.ttl(asked),
        }
    }

    /// Jitter comes after the upper bound: else all that is cut to it would end together.
    fn decided(&self, asked: Duration, mode: PutMode) -> Duration {
        let most = self.within_max(asked);
        let spread = if matches!(mode, PutMode::Update(_)) { most } else { self.jittered(most) };
        spread.max(self.within_max(self.min))
    }

    fn within_max(&self, ttl: Duration) -> Duration {
        self.max.map_or(ttl, |max| ttl.min(max))
    }

    fn jittered(&self, ttl: Duration) -> Duration {
        if self.jitter_ppm == 0 {
            return ttl;
        }
        let off = ttl / 1_000_000 * rand::rng().random_range(0..=self.jitter_ppm);
        ttl.saturating_sub(off).max(Duration::from_millis(1))
    }
}

impl<S: Store> Store for TtlPolicy<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.inner.put(key, self.rewritten(entry, mode), mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.inner.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.inner.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let rewritten = |(key, entry)| (key, self.rewritten(entry, PutMode::Replace));
        self.inner.put_many(entries.into_iter().map(rewritten).collect()).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.inner.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.inner.scan(scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.inner.changes().await
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
