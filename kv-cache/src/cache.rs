//! Values of one type, kept on a store for a while.

use std::any::{Any, TypeId};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    AnyStore, Codec, Entry, Error, ErrorKind, Key, Meta, NewEntry, PutMode, Result, Store, Version,
};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::health::Health;
use crate::lease::{LEASE, Lease};
use crate::statistics::Counters;
use crate::{Encoding, Plain, SingleFlight, Statistics, Typed};

/// A cache of values of type `T` on a store, as JSON unless told otherwise. Cheap to clone; clones share all.
///
/// Its entries are the collection of its name: caches of different names on one store never meet, and caches of one
/// name, in any process, are one cache.
pub struct Cache<T, C = Typed> {
    pub(crate) store: AnyStore,
    pub(crate) settings: Settings,
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
    /// How long it will still be there; `None` never expires.
    pub ttl: Option<Duration>,
}

/// What [`Cache::lookup`] finds.
#[derive(Debug)]
pub enum Lookup<T, C = Typed> {
    /// The value.
    Hit(Hit<T>),
    /// None; fetch it, then fill the lease.
    Miss(Lease<T, C>),
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
        let settings =
            Settings { name: name.into(), ttl: None, lease: Self::MAX_LEASE, max_item_bytes: usize::MAX };
        let store = AnyStore::new(store);
        Self { store, settings, encoding, shared: Arc::default(), values: PhantomData }
    }

    /// Sets how long values stay; `None` never expires, zero stores nothing.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.settings.ttl = ttl.into();
        self
    }

    /// Does not store values of more bytes than this; they are returned all the same.
    #[must_use]
    pub fn max_item_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_item_bytes = bytes;
        self
    }

    /// Sets how long a fetch may take for its value to be stored, 1 ms to a minute.
    #[must_use]
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.settings.lease = timeout.clamp(Duration::from_millis(1), Self::MAX_LEASE);
        self
    }

    /// The cached value; `None` where there is none, or it is being fetched, or the store fails.
    pub async fn get(&self, id: &str) -> Option<Hit<T>> {
        match self.see(id).await {
            Seen::Value(hit) => Some(self.hit(hit)),
            Seen::Absent | Seen::Leased(_) | Seen::Unreadable(_) | Seen::Damaged | Seen::Failed => {
                self.shared.counters.misses.add();
                None
            }
        }
    }

    /// The cached value, or a lease to fill: what [`Cache::get_or_fetch`] is made of, for those who decide after the
    /// fetch whether and for how long to cache.
    pub async fn lookup(&self, id: &str) -> Lookup<T, C> {
        let seen = self.see(id).await;
        if let Seen::Value(hit) = seen {
            return Lookup::Hit(self.hit(hit));
        }
        self.shared.counters.misses.add();
        self.lease(id, seen).await
    }

    /// Removes the value, and keeps what is being fetched at this moment, anywhere, from being cached.
    ///
    /// Calls of `get_or_fetch` on this cache and its clones that begin after it returned fetch anew. In another
    /// process one that began waiting before may still return, uncached, what was fetched before.
    ///
    /// # Errors
    /// Those of the store: the old value may then still be there, so this does not fail soft.
    pub async fn invalidate(&self, id: &str) -> Result<()> {
        let deleted = self.store.delete_many(&[self.key(id)]).await;
        self.shared.flights.forget(|flight| *flight.id == *id);
        match deleted.and_then(|answers| answers.into_iter().collect::<Result<()>>()) {
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

    /// What this cache and its clones have done.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.read()
    }

    fn hit(&self, hit: Hit<T>) -> Hit<T> {
        self.shared.counters.hits.add();
        hit
    }

    async fn see(&self, id: &str) -> Seen<T> {
        match self.store.get(self.key(id)).await {
            Ok(found) => {
                self.shared.health.answered(&self.settings.name);
                found.map_or(Seen::Absent, |entry| self.read(entry))
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.unreadable(&error);
                Seen::Damaged
            }
            Err(error) => {
                self.failed(&error);
                Seen::Failed
            }
        }
    }

    fn read(&self, entry: Entry) -> Seen<T> {
        if entry.meta.codec == LEASE {
            return Seen::Leased(entry.version);
        }
        match self.encoding.decode(entry.meta.codec, entry.value) {
            Ok(value) => Seen::Value(Hit { value, ttl: entry.ttl }),
            Err(error) => {
                self.unreadable(&error);
                Seen::Unreadable(entry.version)
            }
        }
    }

    /// The right to fill the place where `seen` stood a moment ago, or the value if it came meanwhile.
    async fn lease(&self, id: &str, seen: Seen<T>) -> Lookup<T, C> {
        match seen {
            Seen::Value(hit) => Lookup::Hit(hit),
            // A version never comes back, so whoever replaces the one it saw before it fetched fills no old value:
            // another's lease, one left behind, and an unreadable entry do as well as a lease of one's own.
            Seen::Leased(version) | Seen::Unreadable(version) => {
                Lookup::Miss(Lease::new(self, id, Some(version), false))
            }
            Seen::Failed => Lookup::Miss(Lease::new(self, id, None, false)),
            Seen::Damaged => {
                if let Err(error) = self.store.delete_many(&[self.key(id)]).await {
                    self.failed(&error);
                }
                self.create(id).await
            }
            Seen::Absent => self.create(id).await,
        }
    }

    async fn create(&self, id: &str) -> Lookup<T, C> {
        let lease = NewEntry::new(Bytes::new()).ttl(self.settings.lease).meta(Meta::codec(LEASE));
        match self.store.put(self.key(id), lease, PutMode::Create).await {
            Ok(version) => Lookup::Miss(Lease::new(self, id, Some(version), true)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match self.see(id).await {
                Seen::Value(hit) => Lookup::Hit(hit),
                Seen::Leased(version) | Seen::Unreadable(version) => {
                    Lookup::Miss(Lease::new(self, id, Some(version), false))
                }
                Seen::Absent | Seen::Damaged | Seen::Failed => {
                    Lookup::Miss(Lease::new(self, id, None, false))
                }
            },
            Err(error) => {
                self.failed(&error);
                Lookup::Miss(Lease::new(self, id, None, false))
            }
        }
    }

    pub(crate) fn key<'a>(&'a self, id: &'a str) -> Key<'a> {
        Key::new(&self.settings.name, id)
    }

    pub(crate) fn failed(&self, error: &Error) {
        self.shared.counters.errors.add();
        self.shared.health.failed(&self.settings.name, error);
    }

    fn unreadable(&self, error: &Error) {
        self.shared.counters.unreadable.add();
        tracing::warn!(cache = &*self.settings.name, %error, "a cached entry is unreadable and will be replaced");
    }
}

impl<T: Clone + Send + Sync + 'static, C: Encoding<T>> Cache<T, C> {
    /// The cached value; else what `fetch` gives, which then is cached.
    ///
    /// Within this cache and its clones one `fetch` runs per id at a time; all who ask meanwhile wait for it and get
    /// a clone of its value, or its error. Dropping the call that began it hands it to the next one; when all have
    /// left it is dropped. Calls whose errors have different types do not share.
    ///
    /// # Errors
    /// Those of `fetch`, and no others; nothing is cached then.
    pub async fn get_or_fetch<F, R, E>(&self, id: &str, fetch: F) -> std::result::Result<T, Arc<E>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = std::result::Result<T, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let seen = self.see(id).await;
        if let Seen::Value(hit) = seen {
            return Ok(self.hit(hit).value);
        }
        self.shared.counters.misses.add();
        let flight = Flight { id: id.into(), error: TypeId::of::<E>() };
        let (cache, id) = (self.clone(), flight.id.clone());
        let landed = self.shared.flights.join(flight, move || async move {
            let fetched: std::result::Result<T, Arc<E>> =
                cache.fetch(&id, seen, fetch).await.map_err(Arc::new);
            Arc::new(fetched) as Output
        });
        match landed.await.downcast::<std::result::Result<T, Arc<E>>>() {
            Ok(fetched) => Arc::unwrap_or_clone(fetched),
            Err(_) => unreachable!("a flight is named by the type of its error"),
        }
    }

    async fn fetch<F, R, E>(&self, id: &str, seen: Seen<T>, fetch: F) -> std::result::Result<T, E>
    where
        F: FnOnce() -> R,
        R: Future<Output = std::result::Result<T, E>>,
    {
        // A run that landed between our look and this one may have filled the lease that we saw.
        let seen = if let Seen::Leased(_) = seen { self.see(id).await } else { seen };
        let lease = match self.lease(id, seen).await {
            Lookup::Hit(hit) => return Ok(hit.value),
            Lookup::Miss(lease) => lease,
        };
        self.shared.counters.fetches.add();
        match fetch().await {
            Ok(value) => {
                lease.fill(&value).await;
                Ok(value)
            }
            Err(error) => {
                lease.abandon().await;
                Err(error)
            }
        }
    }
}

impl<T, C: Clone> Clone for Cache<T, C> {
    fn clone(&self) -> Self {
        let Self { store, settings, encoding, shared, values } = self;
        Self {
            store: store.clone(),
            settings: settings.clone(),
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
    pub(crate) ttl: Option<Duration>,
    pub(crate) lease: Duration,
    pub(crate) max_item_bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) counters: Counters,
    pub(crate) health: Health,
    flights: SingleFlight<Flight, Output>,
}

/// A `Result<T, Arc<E>>` of the flight's own types.
type Output = Arc<dyn Any + Send + Sync>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Flight {
    id: Box<str>,
    error: TypeId,
}

/// What stood in the store.
enum Seen<T> {
    Value(Hit<T>),
    Absent,
    Leased(Version),
    /// An entry that is no value of this cache.
    Unreadable(Version),
    /// Something that the store itself cannot read, so that its version is not known.
    Damaged,
    Failed,
}
