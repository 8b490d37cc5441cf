//! The right to fill one place of a cache.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use kv_core::{Error, ErrorKind, Meta, NewEntry, PutMode, Store as _, Version};

use crate::marks::ABSENT;
use crate::tags::Standing;
use crate::{Cache, Encoding};

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
    /// Seen before the fetch.
    pub(crate) tags: Standing,
    pub(crate) stale: Option<T>,
}

/// What became of a value that was to be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filled {
    /// It is in the store.
    Stored,
    /// Not stored: the place was invalidated or filled while it was fetched, or a tag was found invalidated.
    Overtaken,
    /// Not stored: larger than the cache or the store takes.
    Oversized,
    /// Not stored: the store failed, the value cannot be encoded, or the ttl is zero.
    Skipped,
}

impl<T, C: Encoding<T>> Lease<T, C> {
    pub(crate) fn new(cache: &Cache<T, C>, id: &str, stands: Option<Version>, own: bool) -> Self {
        Self { cache: cache.clone(), id: id.into(), stands, own, tags: Standing::default(), stale: None }
    }

    /// The value that stood there past its ttl when the lease was given, to be used if the fetch fails; `None` where
    /// there was none. Whether it was invalidated meanwhile, [`Cache::get`] tells.
    pub const fn stale(&self) -> Option<&T> {
        self.stale.as_ref()
    }
}

impl<T: Send + Sync, C: Encoding<T>> Lease<T, C> {
    /// Stores `value` for the cache's ttl, if nobody invalidated the place since the lease was given.
    pub async fn fill(self, value: &T) -> Filled {
        let ttl = self.cache.settings.lifetimes.ttl;
        self.fill_for(value, ttl).await
    }

    /// As [`Lease::fill`], fresh for this long; `None` never expires, and zero stores nothing. The value's tags are
    /// made to last as long.
    pub async fn fill_for(mut self, value: &T, ttl: Option<Duration>) -> Filled {
        if self.stands.is_none() {
            return Filled::Skipped;
        }
        if ttl.is_some_and(|ttl| ttl.is_zero()) {
            return self.clear(Filled::Skipped).await;
        }
        let bytes = match self.cache.encoding.encode(value) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.cache.failed(&error);
                return self.clear(Filled::Skipped).await;
            }
        };
        if bytes.len() > self.cache.settings.max_item_bytes {
            return self.clear(Filled::Oversized).await;
        }
        let ttl = self.cache.settings.lifetimes.lifetime(ttl);
        self.store(bytes, self.cache.encoding.number(), ttl).await
    }

    /// Remembers for the cache's negative ttl that there is nothing; where that is zero it leaves the place empty.
    pub async fn fill_absent(mut self) -> Filled {
        match self.cache.settings.lifetimes.negative() {
            Some(ttl) => self.store(Bytes::new(), ABSENT, Some(ttl)).await,
            None => self.clear(Filled::Skipped).await,
        }
    }

    /// Gives the lease back: nothing will be filled. A stale value stays.
    pub async fn abandon(mut self) {
        self.leave(Filled::Skipped).await;
    }
}

impl<T, C: Encoding<T>> Lease<T, C> {
    /// Makes it one that fills nothing.
    pub(crate) async fn forgo(&mut self) {
        self.leave(Filled::Skipped).await;
        self.stands = None;
    }

    async fn store(&mut self, bytes: Bytes, codec: u16, ttl: Option<Duration>) -> Filled {
        let Some(version) = self.stands else { return Filled::Skipped };
        if !self.tags.outlast(ttl)
            && let Err(filled) = self.prolong_tags(ttl).await
        {
            return filled;
        }
        let mut meta = Meta::codec(codec);
        meta.tags = std::mem::take(&mut self.tags.generations);
        let entry = NewEntry::new(bytes).ttl(ttl).meta(meta);
        match self.cache.store.put(self.cache.key(&self.id), entry, PutMode::Update(version)).await {
            Ok(_) => self.count(Filled::Stored),
            Err(error) => self.unfilled(&error).await,
        }
    }

    /// Makes the tags last for a value that lives for `ttl`; else what became of the value.
    async fn prolong_tags(&mut self, ttl: Option<Duration>) -> Result<(), Filled> {
        match self.cache.standing_for(ttl).await {
            Ok(now) if now.generations == self.tags.generations => Ok(()),
            Ok(_) => Err(self.clear(Filled::Overtaken).await),
            Err(error) => {
                self.cache.failed(&error);
                Err(self.leave(Filled::Skipped).await)
            }
        }
    }

    async fn unfilled(&mut self, error: &Error) -> Filled {
        match error.kind() {
            ErrorKind::Conflict => self.count(Filled::Overtaken),
            ErrorKind::TooLarge => self.clear(Filled::Oversized).await,
            _ => {
                self.cache.failed(error);
                self.leave(Filled::Skipped).await
            }
        }
    }

    /// Removes the lease itself, never what stands there by now. Nothing was learnt: a stale value stays.
    async fn leave(&mut self, filled: Filled) -> Filled {
        if self.own { self.clear(filled).await } else { self.count(filled) }
    }

    /// Removes what stood there when the lease was given, never what stands there by now: what was fetched takes its place, but is
    /// not to be stored.
    async fn clear(&mut self, filled: Filled) -> Filled {
        if let Some(version) = self.stands {
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
        let Self { cache: _, id, stands, own, tags, stale } = self;
        f.debug_struct("Lease")
            .field("id", id)
            .field("stands", stands)
            .field("own", own)
            .field("tags", tags)
            .field("stale", &stale.is_some())
            .finish()
    }
}
