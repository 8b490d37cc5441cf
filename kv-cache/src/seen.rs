//! What stands in the store, and the right to replace it.

use bytes::Bytes;
use kv_core::{Entry, Error, ErrorKind, Meta, NewEntry, PutMode, Store as _, Version};

use crate::lease::{LEASE, Lease};
use crate::{Cache, Encoding, Hit, Lookup};

/// What stood in the store.
pub(crate) enum Seen<T> {
    Value(Hit<T>),
    Absent,
    Leased(Version),
    /// An entry that is no value of this cache.
    Unreadable(Version),
    /// Something that the store itself cannot read, so that its version is not known.
    Damaged,
    Failed,
}

impl<T, C: Encoding<T>> Cache<T, C> {
    pub(crate) async fn see(&self, id: &str) -> Seen<T> {
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
    pub(crate) async fn lease(&self, id: &str, seen: Seen<T>) -> Lookup<T, C> {
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

    fn unreadable(&self, error: &Error) {
        self.shared.counters.unreadable.add();
        tracing::warn!(cache = &*self.settings.name, %error, "a cached entry is unreadable and will be replaced");
    }
}
