//! The right to fill one place of a cache.

use std::fmt;
use std::time::Duration;

use kv_core::{Error, ErrorKind, NewEntry, PutMode, Store as _, Version};

use crate::{Cache, Encoding};

/// The codec number of a lease: an entry that stands for a value that is being fetched. Its value is empty.
pub const LEASE: u16 = u16::MAX;

/// The right to fill one place of a cache, from [`Cache::lookup`]. Fetch after it was given, never before.
///
/// It is spent where the place was invalidated or filled meanwhile; the value then is returned and not cached. One
/// that is dropped stays in the store for its time, a minute at most, and whoever misses there meanwhile takes it up.
#[must_use = "fill it, or abandon it so that it does not stay in the store"]
pub struct Lease<T, C = crate::Typed> {
    cache: Cache<T, C>,
    id: Box<str>,
    /// The version that stands there while nobody invalidates; none where the store cannot be relied on.
    stands: Option<Version>,
    /// Whether it was created for this fetch alone, rather than found there.
    own: bool,
}

/// What became of a value that was to be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filled {
    /// It is in the store.
    Stored,
    /// Not stored: the place was invalidated or filled while it was fetched.
    Overtaken,
    /// Not stored: larger than the cache or the store takes.
    Oversized,
    /// Not stored: the store failed, the value cannot be encoded, or the ttl is zero.
    Skipped,
}

impl<T, C: Encoding<T>> Lease<T, C> {
    pub(crate) fn new(cache: &Cache<T, C>, id: &str, stands: Option<Version>, own: bool) -> Self {
        Self { cache: cache.clone(), id: id.into(), stands, own }
    }
}

impl<T: Send + Sync, C: Encoding<T>> Lease<T, C> {
    /// Stores `value` for the cache's ttl, if nobody invalidated the place since the lease was given.
    pub async fn fill(self, value: &T) -> Filled {
        let ttl = self.cache.settings.ttl;
        self.fill_for(value, ttl).await
    }

    /// As [`Lease::fill`], for this long; `None` never expires, and zero stores nothing.
    pub async fn fill_for(self, value: &T, ttl: Option<Duration>) -> Filled {
        let Some(version) = self.stands else { return Filled::Skipped };
        if ttl.is_some_and(|ttl| ttl.is_zero()) {
            return self.leave(Filled::Skipped).await;
        }
        let bytes = match self.cache.encoding.encode(value) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.cache.failed(&error);
                return self.leave(Filled::Skipped).await;
            }
        };
        if bytes.len() > self.cache.settings.max_item_bytes {
            return self.leave(Filled::Oversized).await;
        }
        let meta = kv_core::Meta::codec(self.cache.encoding.number());
        let entry = NewEntry::new(bytes).ttl(ttl).meta(meta);
        let put = self.cache.store.put(self.cache.key(&self.id), entry, PutMode::Update(version)).await;
        match put {
            Ok(_) => self.count(Filled::Stored),
            Err(error) => self.unfilled(&error).await,
        }
    }

    /// Gives the lease back: nothing will be filled.
    pub async fn abandon(self) {
        self.leave(Filled::Skipped).await;
    }

    async fn unfilled(self, error: &Error) -> Filled {
        match error.kind() {
            ErrorKind::Conflict => self.count(Filled::Overtaken),
            ErrorKind::TooLarge => self.leave(Filled::Oversized).await,
            _ => {
                self.cache.failed(error);
                self.leave(Filled::Skipped).await
            }
        }
    }

    /// Removes the lease itself, never what stands there by now.
    async fn leave(self, filled: Filled) -> Filled {
        if let (Some(version), true) = (self.stands, self.own) {
            let taken = self.cache.store.take(self.cache.key(&self.id), Some(version)).await;
            if let Err(error) = taken
                && error.kind() != ErrorKind::Conflict
            {
                self.cache.failed(&error);
            }
        }
        self.count(filled)
    }

    fn count(&self, filled: Filled) -> Filled {
        let counters = &self.cache.shared.counters;
        match filled {
            Filled::Stored => counters.puts.add(),
            Filled::Overtaken => counters.overtaken.add(),
            Filled::Oversized => counters.oversized.add(),
            Filled::Skipped => {}
        }
        filled
    }
}

impl<T, C> fmt::Debug for Lease<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cache: _, id, stands, own } = self;
        f.debug_struct("Lease").field("id", id).field("stands", stands).field("own", own).finish()
    }
}
