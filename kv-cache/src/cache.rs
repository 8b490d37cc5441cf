//! Values of one type, kept on a store for a while.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_core::{AnyStore, Codec, Error, Key, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fetch::{Flight, Output};
use crate::health::Health;
use crate::lease::Lease;
use crate::lifetimes::Lifetimes;
use crate::seen::Seen;
use crate::statistics::Counters;
use crate::tags::Tags;
use crate::{Encoding, Plain, SingleFlight, Statistics, Typed};

/// A cache of values of type `T` on a store, as JSON unless told otherwise. Cheap to clone; clones share all.
///
/// Its entries are the collection of its name: caches of different names on one store never meet, and caches of one
/// name, in any process, are one cache, and should have the same settings.
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// use kv_cache::Cache;
/// use kv_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let rates = Cache::<f64>::new(MemoryStore::new(), "rates")
///     .ttl(Duration::from_millis(20)) // fresh for so long, less up to a tenth
///     .jitter(10)
///     .stale_if_error(Duration::from_secs(3_600)); // then good for an hour, if no other can be had
/// let fetched = rates.get_or_fetch("eur", || async { Ok::<_, io::Error>(1.08) }).await;
/// assert_eq!(fetched.ok(), Some(1.08));
/// tokio::time::sleep(Duration::from_millis(30)).await;
/// let failed = rates.get_or_fetch("eur", || async { Err::<f64, _>(io::Error::other("down")) }).await;
/// assert_eq!(failed.ok(), Some(1.08));
/// # }
/// ```
pub struct Cache<T, C = Typed> {
    pub(crate) store: AnyStore,
    pub(crate) settings: Arc<Settings>,
    pub(crate) encoding: C,
    pub(crate) shared: Arc<Shared>,
    values: PhantomData<fn() -> T>,
}

/// A cache of bytes, stored as they are.
pub type ByteCache = Cache<Bytes, Plain>;

/// A value found in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit<T> {
    /// The value.
    pub value: T,
    /// How long it will still be fresh: zero for a stale one, `None` never expires.
    pub ttl: Option<Duration>,
}

impl<T> Hit<T> {
    pub(crate) const fn new(value: T, ttl: Option<Duration>) -> Self {
        Self { value, ttl }
    }

    /// Whether its ttl is over, and only the time left that [`Cache::stale_while_revalidate`] and
    /// [`Cache::stale_if_error`] give.
    pub fn is_stale(&self) -> bool {
        self.ttl.is_some_and(|ttl| ttl.is_zero())
    }
}

/// What [`Cache::lookup`] finds.
#[derive(Debug)]
pub enum Lookup<T, C = Typed> {
    /// The value, fresh.
    Hit(Hit<T>),
    /// None; fetch it, then fill the lease.
    Miss(Lease<T, C>),
}

/// That there was no fresh value, from [`Cache::look`].
#[must_use = "a miss is there to be claimed"]
pub struct Miss<T>(pub(crate) Seen<T>);

impl<T> fmt::Debug for Miss<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Miss").finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned> Cache<T, Typed> {
    /// The cache `name` on `store`: values never expire, of any size.
    pub fn new(store: impl Store, name: &str) -> Self {
        Self::with_encoding(store, name, Typed::default())
    }

    /// Chooses how values are written; those of other codecs are read all the same.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.encoding = Typed(codec);
        self
    }
}

impl ByteCache {
    /// The cache `name` of bytes on `store`.
    pub fn bytes(store: impl Store, name: &str) -> Self {
        Self::with_encoding(store, name, Plain)
    }
}

impl<T, C: Encoding<T>> Cache<T, C> {
    /// The longest that a lease stays in the store, and how long it does by default.
    pub const MAX_LEASE: Duration = Duration::from_secs(60);

    /// The cache `name` on `store`, with an encoding of your own.
    pub fn with_encoding(store: impl Store, name: &str, encoding: C) -> Self {
        let settings = Settings {
            name: name.into(),
            lifetimes: Lifetimes::default(),
            lease: Self::MAX_LEASE,
            max_item_bytes: usize::MAX,
            tags: Tags::of(name),
        };
        let store = AnyStore::new(store);
        Self { store, settings: Arc::new(settings), encoding, shared: Arc::default(), values: PhantomData }
    }

    /// Sets how long values are fresh; `None` never expires, zero stores nothing.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.change().lifetimes.ttl = ttl.into();
        self
    }

    /// Answers with a value whose ttl ended less than `time` ago, and fetches a new one meanwhile. Default: zero.
    ///
    /// One refresh per id runs in this process at a time, as a task of its own (on tokio, whose timer it needs;
    /// elsewhere whoever asks waits for it). Where one takes longer than [`Cache::fetch_timeout`] a second may begin
    /// beside it, no third; both go on while there is an old value to replace. One that fails leaves that, and the
    /// next to ask tries again. Entries stay in the store for so much longer.
    #[must_use]
    pub fn stale_while_revalidate(mut self, time: Duration) -> Self {
        self.change().lifetimes.while_revalidate = time;
        self
    }

    /// Answers with a value whose ttl ended less than `time` ago if fetching a new one fails. Default: zero.
    ///
    /// Whether it still stands is looked at after the fetch: one that was invalidated meanwhile, or is too old by then,
    /// is not answered, and none is where the store fails in that look. What another process put in its place is.
    ///
    /// Counted from the end of the ttl, as [`Cache::stale_while_revalidate`] is: the longer of both is how much
    /// longer entries stay in the store.
    #[must_use]
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.change().lifetimes.if_error = time;
        self
    }

    /// Sets how long [`Cache::find_or_fetch`] remembers that there is nothing; zero, the default, does not.
    #[must_use]
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.change().lifetimes.negative = ttl;
        self
    }

    /// Takes a random part off each ttl, up to `percent` (0 to 100), so that what was stored together does not end
    /// together. Stale times are not shortened.
    #[must_use]
    pub fn jitter(mut self, percent: u8) -> Self {
        self.change().lifetimes.jitter(percent);
        self
    }

    /// Does not store values of more bytes than this; they are returned all the same.
    #[must_use]
    pub fn max_item_bytes(mut self, bytes: usize) -> Self {
        self.change().max_item_bytes = bytes;
        self
    }

    /// Sets how long a fetch may take for its value to be stored, 1 ms to a minute, the default.
    ///
    /// One that takes longer is left to those who wait for it: who asks by then begins another
    /// ([`Cache::stale_while_revalidate`] says what becomes of a refresh).
    #[must_use]
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.change().lease = timeout.clamp(Duration::from_millis(1), Self::MAX_LEASE);
        self
    }

    /// Keeps copies of what is read, tags included, in this process: a hit then asks no store.
    ///
    /// Never stale through this cache and its clones; behind what other processes change until their news arrive, and
    /// at most for [`Near::ttl`](crate::Near::ttl) (tags for a second, and all over a store that
    /// [reads elsewhere](kv_core::Capabilities::reads_elsewhere)). Where several caches share a store, wrap that
    /// once instead, by [`NearExt::near_cached`](crate::NearExt::near_cached).
    #[cfg(feature = "near")]
    #[must_use]
    pub fn near(mut self, near: &crate::Near) -> Self {
        self.store = AnyStore::new(crate::NearCache::new(self.store, near));
        self
    }

    /// The cached value, a stale one included; `None` where there is none, or it is being fetched, or the store fails.
    pub async fn get(&self, id: &str) -> Option<Hit<T>> {
        match self.see(id).await {
            Seen::Value(hit) => Some(self.hit(hit)),
            Seen::Stale(stale) => {
                self.shared.counters.stale.add();
                Some(stale.hit)
            }
            _ => {
                self.shared.counters.misses.add();
                None
            }
        }
    }

    /// The cached value, or a lease to fill: what [`Cache::get_or_fetch`] is made of, for those who decide after the
    /// fetch whether and for how long to cache.
    ///
    /// A stale value is a miss whose lease holds it: [`Lease::stale`]. So is a negative entry.
    pub async fn lookup(&self, id: &str) -> Lookup<T, C> {
        match self.look(id).await {
            Ok(hit) => Lookup::Hit(hit),
            Err(Miss(seen)) => self.take_lease(id, seen).await,
        }
    }

    /// The first half of [`Cache::lookup`], for those who share misses in a [`SingleFlight`] of their own and want no
    /// part of it for hits: the value if it is fresh, and nothing is written.
    ///
    /// # Errors
    /// A [`Miss`] for [`Cache::claim`], which is the second half. No failure: one of the store is a miss.
    pub async fn look(&self, id: &str) -> Result<Hit<T>, Miss<T>> {
        match self.see(id).await {
            Seen::Value(hit) => Ok(self.hit(hit)),
            seen => Err(Miss(seen)),
        }
    }

    /// The lease to fill the place of a miss, or the value if it came meanwhile.
    pub async fn claim(&self, id: &str, Miss(seen): Miss<T>) -> Lookup<T, C> {
        match self.again(id, seen).await {
            Seen::Value(hit) => Lookup::Hit(self.hit(hit)),
            seen => self.take_lease(id, seen).await,
        }
    }

    async fn take_lease(&self, id: &str, seen: Seen<T>) -> Lookup<T, C> {
        match self.lease(id, seen).await {
            Lookup::Hit(hit) => Lookup::Hit(self.hit(hit)),
            Lookup::Miss(lease) => {
                self.shared.counters.misses.add();
                Lookup::Miss(lease)
            }
        }
    }

    /// Removes the value, and keeps what is being fetched at this moment, anywhere, from being cached.
    ///
    /// Calls of `get_or_fetch` on this cache and its clones that begin after it returned fetch anew. In another
    /// process those that join a fetch which began before may still return, uncached, what it fetched.
    ///
    /// # Errors
    /// Those of the store: the old value may then still be there, so this does not fail soft.
    pub async fn invalidate(&self, id: &str) -> kv_core::Result<()> {
        let deleted = self.store.delete_many(&[self.key(id)]).await;
        self.shared.flights.forget(|flight| *flight.id == *id);
        self.invalidated(deleted)
    }

    /// What this cache and its clones have done.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.read()
    }

    pub(crate) fn change(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    pub(crate) fn invalidated(
        &self,
        deleted: kv_core::Result<Vec<kv_core::Result<()>>>,
    ) -> kv_core::Result<()> {
        match deleted.and_then(|answers| answers.into_iter().collect::<kv_core::Result<()>>()) {
            Ok(()) => {
                self.shared.counters.invalidations.add();
                Ok(())
            }
            Err(error) => {
                self.shared.counters.errors.add();
                Err(error.during("invalidate"))
            }
        }
    }

    pub(crate) fn hit(&self, hit: Hit<T>) -> Hit<T> {
        self.shared.counters.hits.add();
        hit
    }

    pub(crate) fn key<'a>(&'a self, id: &'a str) -> Key<'a> {
        Key::new(&self.settings.name, id)
    }

    pub(crate) fn failed(&self, error: &Error) {
        self.shared.counters.errors.add();
        self.shared.health.failed(&self.settings.name, error);
    }
}

impl<T, C: Clone> Clone for Cache<T, C> {
    fn clone(&self) -> Self {
        let Self { store, settings, encoding, shared, values } = self;
        Self {
            store: store.clone(),
            settings: Arc::clone(settings),
            encoding: encoding.clone(),
            shared: Arc::clone(shared),
            values: *values,
        }
    }
}

impl<T, C> fmt::Debug for Cache<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: Arc<str>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) lease: Duration,
    pub(crate) max_item_bytes: usize,
    pub(crate) tags: Tags,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) counters: Counters,
    pub(crate) health: Health,
    pub(crate) flights: SingleFlight<Flight, Output>,
}
