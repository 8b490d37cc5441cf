//! What a cache has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache, with all its clones, has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls answered from the store.
    pub hits: u64,
    /// Calls not answered from it: absent, leased, unreadable, invalidated by tag, or the store failed.
    pub misses: u64,
    /// Calls answered at once with a value past its ttl, while another was fetched.
    pub stale: u64,
    /// Calls answered from the store that there is nothing.
    pub negative_hits: u64,
    /// Fetches begun, refreshes included; who missed meanwhile shared one of these.
    pub fetches: u64,
    /// Fetches that failed and were answered with a value past its ttl.
    pub rescued: u64,
    /// Values stored, negative ones included.
    pub puts: u64,
    /// Values returned but not stored, since they were invalidated or replaced while they were fetched.
    pub overtaken: u64,
    /// Values returned but not stored, since they are larger than this cache or the store takes.
    pub oversized: u64,
    /// Entries that could not be read as a value of this cache; each is a miss, too.
    pub unreadable: u64,
    /// Invalidations that the store acknowledged.
    pub invalidations: u64,
    /// Operations of the store that failed.
    pub errors: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) stale: Counter,
    pub(crate) negative_hits: Counter,
    pub(crate) fetches: Counter,
    pub(crate) rescued: Counter,
    pub(crate) puts: Counter,
    pub(crate) overtaken: Counter,
    pub(crate) oversized: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) invalidations: Counter,
    pub(crate) errors: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> Statistics {
        Statistics {
            hits: self.hits.read(),
            misses: self.misses.read(),
            stale: self.stale.read(),
            negative_hits: self.negative_hits.read(),
            fetches: self.fetches.read(),
            rescued: self.rescued.read(),
            puts: self.puts.read(),
            overtaken: self.overtaken.read(),
            oversized: self.oversized.read(),
            unreadable: self.unreadable.read(),
            invalidations: self.invalidations.read(),
            errors: self.errors.read(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
