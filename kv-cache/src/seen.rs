//! What stands in the store, and the right to replace it.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{Entry, Error, ErrorKind, Meta, NewEntry, PutMode, Store as _, Version};

use crate::lease::Lease;
use crate::lifetimes::Age;
use crate::marks::{ABSENT, LEASE};
use crate::{Cache, Encoding, Hit, Lookup};

/// What stood in the store.
pub(crate) enum Seen<T> {
    Value(Hit<T>),
    Stale(Stale<T>),
    /// It is known that there is nothing.
    Nothing(Version),
    Absent,
    Leased(Version),
    /// An entry that is no value of this cache, or no more: unreadable, or a tag of it was invalidated.
    Void(Version),
    /// Something that the store itself cannot read, so that its version is not known.
    Damaged,
    Failed,
}

/// A value past its ttl.
pub(crate) struct Stale<T> {
    pub(crate) hit: Hit<T>,
    /// How long it still stands.
    pub(crate) left: Duration,
    version: Version,
    /// Whether it is good as it is, while another is fetched; else only if none can be.
    pub(crate) at_once: bool,
}

impl<T, C: Encoding<T>> Cache<T, C> {
    pub(crate) async fn see(&self, id: &str) -> Seen<T> {
        match self.store.get(self.key(id)).await {
            Ok(None) => {
                self.shared.health.answered(&self.settings.name);
                Seen::Absent
            }
            Ok(Some(entry)) => self.read(entry).await,
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

    /// What stands there now, where a run that landed after `seen` may have filled the lease, or replaced the stale value.
    pub(crate) async fn again(&self, id: &str, seen: Seen<T>) -> Seen<T> {
        match seen {
            Seen::Leased(_) | Seen::Stale(_) => self.see(id).await,
            seen => seen,
        }
    }

    async fn read(&self, entry: Entry) -> Seen<T> {
        if !entry.meta.tags.is_empty() {
            match self.stand(&entry.meta.tags).await {
                Ok(true) => {}
                Ok(false) => return Seen::Void(entry.version),
                Err(error) => {
                    self.failed(&error);
                    return Seen::Failed;
                }
            }
        }
        self.shared.health.answered(&self.settings.name);
        match entry.meta.codec {
            LEASE => Seen::Leased(entry.version),
            ABSENT => Seen::Nothing(entry.version),
            _ => self.decode(entry),
        }
    }

    fn decode(&self, entry: Entry) -> Seen<T> {
        let value = match self.encoding.decode(entry.meta.codec, entry.value) {
            Ok(value) => value,
            Err(error) => {
                self.unreadable(&error);
                return Seen::Void(entry.version);
            }
        };
        match self.settings.lifetimes.age(entry.ttl) {
            Age::Fresh(left) => Seen::Value(Hit::new(value, left)),
            age => Seen::Stale(Stale {
                hit: Hit::new(value, Some(Duration::ZERO)),
                left: entry.ttl.unwrap_or(Duration::MAX),
                version: entry.version,
                at_once: age == Age::Stale,
            }),
        }
    }

    /// The right to fill the place where `seen` stood a moment ago, or the value if it came meanwhile.
    pub(crate) async fn lease(&self, id: &str, seen: Seen<T>) -> Lookup<T, C> {
        if let Seen::Damaged = seen
            && let Err(error) = self.store.delete_many(&[self.key(id)]).await
        {
            self.failed(&error);
        }
        let mut lease = match seen {
            Seen::Value(hit) => return Lookup::Hit(hit),
            Seen::Absent | Seen::Damaged => match self.create(id).await {
                Ok(lease) => lease,
                Err(hit) => return Lookup::Hit(hit),
            },
            seen => self.take_over(id, seen),
        };
        match self.standing().await {
            Ok(tags) => lease.tags = tags,
            Err(error) => {
                self.failed(&error);
                lease.forgo().await;
            }
        }
        Lookup::Miss(lease)
    }

    /// A version never comes back, so whoever replaces the one it saw before it fetched fills no old value: another's
    /// lease, one left behind, a stale value and an unreadable entry do as well as a lease of one's own.
    fn take_over(&self, id: &str, seen: Seen<T>) -> Lease<T, C> {
        match seen {
            Seen::Leased(version) | Seen::Void(version) | Seen::Nothing(version) => {
                Lease::new(self, id, Some(version), false)
            }
            Seen::Stale(stale) => {
                let mut lease = Lease::new(self, id, Some(stale.version), false);
                lease.stale = Some(stale.hit.value);
                lease
            }
            Seen::Value(_) | Seen::Absent | Seen::Damaged | Seen::Failed => Lease::new(self, id, None, false),
        }
    }

    /// A lease of its own; the value if it came meanwhile.
    async fn create(&self, id: &str) -> Result<Lease<T, C>, Hit<T>> {
        let lease = NewEntry::new(Bytes::new()).ttl(self.settings.lease).meta(Meta::codec(LEASE));
        match self.store.put(self.key(id), lease, PutMode::Create).await {
            Ok(version) => Ok(Lease::new(self, id, Some(version), true)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match self.see(id).await {
                Seen::Value(hit) => Err(hit),
                seen => Ok(self.take_over(id, seen)),
            },
            Err(error) => {
                self.failed(&error);
                Ok(Lease::new(self, id, None, false))
            }
        }
    }

    fn unreadable(&self, error: &Error) {
        self.shared.counters.unreadable.add();
        tracing::warn!(cache = &*self.settings.name, %error, "a cached entry is unreadable and will be replaced");
    }
}
