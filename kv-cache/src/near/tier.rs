//! What is held near, and how a copy that raced with a change is kept out.
//!
//! Who reads the store first leaves a mark near, and its copy replaces that very mark; what changes an entry removes
//! whatever stands there. So a copy of what was read before a change finds its mark gone. While an entry is written, and
//! as long as a write may still land whose end nobody knows, a mark is left but no copy made.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    Capabilities, Change, Clock, Entry, Key, NewEntry, PutMode, Store as _, StoreExt as _, Version,
};
use kv_memory::{Held, MemoryConfig, MemoryStore, OnFull};

use super::Near;
use super::copy::{self, Ends};
use super::follow::Followed;
use super::writes::{Write, Writes};
use crate::marks::{LEASE, TAG};

/// Stands where an entry is being read. It is left behind where none was found, or the read was dropped: the next
/// to read takes it up.
const READING: &[u8] = b"";

pub(super) struct Tier {
    near: MemoryStore,
    clock: Clock,
    ttl: Duration,
    max_item_bytes: usize,
    /// Copies of earlier epochs are none: raising it empties the tier.
    epoch: AtomicU64,
    writes: Writes,
    pub(super) followed: Followed,
}

/// What stands near.
pub(super) enum Look {
    Hit(Entry),
    /// Nothing to use; a copy may be filled in there if there is a place.
    Miss(Option<Place>),
}

/// Where a copy may be filled in, if nothing changes until then.
pub(super) struct Place {
    stands: Version,
    epoch: u64,
    since_ms: u64,
}

impl Tier {
    /// An empty tier before a store that can do this.
    pub(super) fn new(near: &Near, store: &Capabilities) -> Self {
        let config = MemoryConfig::default().max_bytes(near.max_bytes.max(1)).on_full(OnFull::Evict);
        Self {
            near: MemoryStore::open(config.clock(near.clock.clone())).unwrap_or_default(),
            clock: near.clock.clone(),
            ttl: near.longest_over(store),
            max_item_bytes: near.max_item_bytes,
            epoch: AtomicU64::new(0),
            writes: Writes::new(&near.clock, near.longest()),
            followed: Followed::new(store.changes),
        }
    }

    pub(super) async fn look(&self, key: Key<'_>) -> Look {
        let epoch = self.epoch.load(Ordering::Acquire);
        let place = match self.near.get(key).await {
            Err(_) => None,
            Ok(None) => self.mark(key, PutMode::Create, epoch).await,
            Ok(Some(found)) => {
                let stands = found.version;
                if found.value == READING {
                    Some(Place { stands, epoch, since_ms: self.clock.monotonic_ms() })
                } else if let Some(entry) = copy::decode(found, epoch, self.clock.monotonic_ms()) {
                    return Look::Hit(entry);
                } else {
                    self.mark(key, PutMode::Update(stands), epoch).await
                }
            }
        };
        // Asked once the mark stands: a write that begins later removes it.
        Look::Miss(place.filter(|_| !self.writes.are_unsettled(key)))
    }

    async fn mark(&self, key: Key<'_>, mode: PutMode, epoch: u64) -> Option<Place> {
        let since_ms = self.clock.monotonic_ms();
        let mark = NewEntry::new(Bytes::from_static(READING)).ttl(self.ttl);
        let stands = self.near.put(key, mark, mode).await.ok()?;
        Some(Place { stands, epoch, since_ms })
    }

    /// Keeps a copy of what was read since `place` was given, if nothing has changed there.
    pub(super) async fn fill(&self, key: Key<'_>, place: Option<Place>, entry: &Entry) {
        let Some(place) = place else { return };
        let longest = match entry.meta.codec {
            LEASE => return, // it is there to be replaced
            TAG => self.ttl.min(Near::MAX_TAG_TTL),
            _ => self.ttl,
        };
        let ends = Ends::of(entry.ttl, longest, place.since_ms);
        let Some(left) = ends.left(self.clock.monotonic_ms()) else { return };
        if entry.value.len() > self.max_item_bytes {
            return;
        }
        // This ttl frees the copy and judges nothing: it runs from whenever its turn to be put comes.
        let copy = NewEntry::new(copy::encode(entry, place.epoch, ends)).ttl(left).meta(entry.meta.clone());
        // A refusal says that it raced with a change, or that there is no room.
        drop(self.near.put(key, copy, PutMode::Update(place.stands)).await);
    }

    /// Before a write: from now on nothing is copied, and what was is not answered.
    pub(super) async fn writing(&self, key: Key<'_>) -> Write<'_> {
        let write = self.writes.begin(key);
        drop(self.near.delete(key).await);
        write
    }

    /// As [`Tier::writing`], for all of a batch.
    pub(super) async fn writing_all(&self, keys: &[Key<'_>]) -> Vec<Write<'_>> {
        let writes = keys.iter().map(|key| self.writes.begin(*key)).collect();
        drop(self.near.delete_many(keys).await);
        writes
    }

    /// Forgets what another changed.
    pub(super) async fn changed(&self, change: &Change) {
        match change {
            Change::Key { collection, id } => drop(self.near.delete(Key::new(collection, id)).await),
            _ => self.empty(),
        }
    }

    /// Forgets everything, and what is being read at this moment, too.
    pub(super) fn empty(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn held(&self) -> Held {
        self.near.held()
    }

    pub(super) async fn close(&self) {
        drop(self.near.close().await);
    }
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tier").field("near", &self.near).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
