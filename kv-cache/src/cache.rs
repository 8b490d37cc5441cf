//! Values of one type, kept on a store for a while.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_core::{AnyStore, Codec, Error, Key, Result, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fetch::{Flight, Output};
use crate::health::Health;
use crate::lease::Lease;
use crate::seen::Seen;
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
    pub(crate) flights: SingleFlight<Flight, Output>,
}
