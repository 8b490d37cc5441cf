//! What people call on a store: shorthands and adaptors.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::update::OnCorrupt;
#[cfg(feature = "compress")]
use crate::wrappers::Compress;
#[cfg(feature = "metrics")]
use crate::wrappers::Metered;
#[cfg(feature = "tracing")]
use crate::wrappers::Traced;
use crate::wrappers::{
    Counted, Fallback, Prefix, ReadOnly, Retry, Route, SizeLimit, Stats, Timeout, TtlPolicy,
};
use crate::{AnyStore, Collection, Entry, Key, NewEntry, Result, Scan, Store, update};

mod scan_all;

pub use scan_all::ScanAll;

/// Shorthands and adaptors for every [`Store`]. Blanket-implemented, so that nobody can override one.
///
/// Adaptors read like those of iterators: each wraps what stands to its left.
pub trait StoreExt: Store + Sized {
    /// Removes the entry under `key`, if there is one. Who needs to know whether there was takes it, or [removes](Self::remove) it.
    ///
    /// # Errors
    /// As [`Store::delete_many`].
    fn delete(&self, key: Key<'_>) -> impl Future<Output = Result<()>> + Send {
        async move { self.delete_many(&[key]).await?.into_iter().collect() }
    }

    /// Removes the entry under `key`, readable or not, and says whether there was one.
    ///
    /// # Errors
    /// As [`Store::take`]; `Corrupt` where a damaged entry may still be there.
    fn remove(&self, key: Key<'_>) -> impl Future<Output = Result<bool>> + Send {
        update::remove(self, key)
    }

    /// Whether there is a live entry under `key`. It may be gone when the answer arrives.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn exists(&self, key: Key<'_>) -> impl Future<Output = Result<bool>> + Send {
        async move { Ok(self.get(key).await?.is_some()) }
    }

    /// Reads the value, lets `change` decide and writes what it answers, only if nobody wrote meanwhile; else again.
    ///
    /// `change` gets `None` for an absent entry; its `None` removes the entry, or leaves it absent. What was left of
    /// the ttl, and the meta, stay. Answers the entry's value after the change.
    ///
    /// # Errors
    /// `Conflict` when 64 tries in a row met other writers; else as [`Store::get`], [`Store::put`], [`Store::take`].
    fn update_with(
        &self,
        key: Key<'_>,
        mut change: impl FnMut(Option<Bytes>) -> Option<Bytes> + Send,
    ) -> impl Future<Output = Result<Option<Bytes>>> + Send {
        update::run(self, key, OnCorrupt::Fail, move |entry: Option<Entry>, asked| {
            let old = entry.map(|entry| (entry.value, entry.ttl, entry.meta));
            let (value, ttl, meta) = old.map_or_else(Default::default, |(v, t, m)| (Some(v), t, m));
            let new = change(value);
            let ttl = update::left(ttl, asked);
            let write = new.clone().map(|value| NewEntry::new(value).ttl(ttl).meta(meta));
            Ok((write, new))
        })
    }

    /// Lists everything that `scan` names, page after page; `scan.limit` is the size of a page.
    fn scan_all<'a>(&'a self, scan: Scan<'a>) -> ScanAll<'a, Self> {
        ScanAll::new(self, scan)
    }

    /// Removes all entries of `collection` within this store's namespace and answers how many it removed.
    ///
    /// Entries written meanwhile may or may not be removed.
    ///
    /// # Errors
    /// As [`Store::scan`] and [`Store::delete_many`]; what was removed until then stays removed: call again.
    fn destroy(&self, collection: &str) -> impl Future<Output = Result<u64>> + Send {
        async move { scan_all::destroy(self, collection).await }
    }

    /// The typed collection `name`, written as JSON.
    fn collection<T>(&self, name: &str) -> Collection<T, Self>
    where
        Self: Clone,
    {
        Collection::new(self.clone(), name)
    }

    /// Puts `prefix` before each collection, so that several users of one store never meet.
    fn prefixed(self, prefix: &str) -> Prefix<Self> {
        Prefix::new(self, prefix)
    }

    /// Refuses every write.
    fn read_only(self) -> ReadOnly<Self> {
        ReadOnly::new(self)
    }

    /// Stores values smaller.
    #[cfg(feature = "compress")]
    fn compressed(self) -> Compress<Self> {
        Compress::new(self)
    }

    /// Gives entries without ttl this one. For bounds and jitter go on: `.default_ttl(..).at_most(..).jitter(..)`.
    fn default_ttl(self, ttl: Duration) -> TtlPolicy<Self> {
        TtlPolicy::new(self).or_default(ttl)
    }

    /// Keeps every ttl between `min` and `max`; what would never expire gets `max`.
    fn clamp_ttl(self, min: Duration, max: Duration) -> TtlPolicy<Self> {
        TtlPolicy::new(self).at_least(min).at_most(max)
    }

    /// Gives each operation at most `limit`.
    fn timeout(self, limit: Duration) -> Timeout<Self> {
        Timeout::new(self, limit)
    }

    /// Tries again what failed for a passing reason: 3 tries within 10 s. Go on for others: `.tries(5).deadline(..)`.
    fn retried(self) -> Retry<Self> {
        Retry::new(self)
    }

    /// Refuses values of more than `max_value` bytes.
    fn limited(self, max_value: usize) -> SizeLimit<Self> {
        SizeLimit::new(self, max_value)
    }

    /// Reads from `second` while this store is away.
    fn falling_back<F: Store>(self, second: F) -> Fallback<Self, F> {
        Fallback::new(self, second)
    }

    /// Keeps some collections elsewhere: go on with `.collection("sessions", other)` and `.under("cache/", another)`.
    fn routed(self) -> Route<Self> {
        Route::new(self)
    }

    /// Counts into `stats` what the store is asked.
    fn counted(self, stats: &Stats) -> Counted<Self> {
        Counted::new(self, stats)
    }

    /// Tells the recorder of the `metrics` crate what the store is asked.
    #[cfg(feature = "metrics")]
    fn metered(self) -> Metered<Self> {
        Metered::new(self)
    }

    /// Puts each operation into a `tracing` span.
    #[cfg(feature = "tracing")]
    fn traced(self) -> Traced<Self> {
        Traced::new(self)
    }

    /// The same store behind one type for all stores; an [`AnyStore`] stays as it is.
    fn erased(self) -> AnyStore {
        AnyStore::new(self)
    }
}

impl<S: Store> StoreExt for S {}
