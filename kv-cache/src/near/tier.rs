//! What is held near, and how a copy that raced with a change is kept out.
//!
//! Who reads the store first leaves a mark near, and its copy replaces that very mark; what changes an entry removes
//! whatever stands there. So a copy of what was read before a change finds its mark gone.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    Change, Clock, Entry, Key, NewEntry, Outcome, PutMode, Result, Store as _, StoreExt as _, Version,
};
use kv_memory::{Held, MemoryConfig, MemoryStore, OnFull};

use super::Near;
use super::copy::{self, Times};
use super::follow::Followed;
use crate::marks::{LEASE, TAG};

/// Stands where an entry is being read. It is left behind where none was found, or the read was dropped: the next
/// to read takes it up.
const READING: &[u8] = b"";
/// Stands where an entry is being written: nothing is copied then.
const WRITING: &[u8] = b"w";

pub(super) struct Tier {
    near: MemoryStore,
    clock: Clock,
    ttl: Duration,
    max_item_bytes: usize,
    /// Copies of earlier epochs are none: raising it empties the tier.
    epoch: AtomicU64,
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
    pub(super) fn new(near: &Near, followed: Followed) -> Self {
        let config = MemoryConfig::default().max_bytes(near.max_bytes.max(1)).on_full(OnFull::Evict);
        Self {
            near: MemoryStore::open(config.clock(near.clock.clone())).unwrap_or_default(),
            clock: near.clock.clone(),
            ttl: near.longest(),
            max_item_bytes: near.max_item_bytes,
            epoch: AtomicU64::new(0),
            followed,
        }
    }

    pub(super) async fn look(&self, key: Key<'_>) -> Look {
        let epoch = self.epoch.load(Ordering::Acquire);
        let Ok(found) = self.near.get(key).await else { return Look::Miss(None) };
        let Some(found) = found else { return self.mark(key, PutMode::Create, epoch).await };
        let (stands, is_reading, is_writing) =
            (found.version, found.value == READING, found.value == WRITING);
        if is_writing {
            return Look::Miss(None);
        }
        if is_reading {
            return Look::Miss(Some(Place { stands, epoch, since_ms: self.clock.monotonic_ms() }));
        }
        match copy::decode(found, epoch) {
            Some(entry) => Look::Hit(entry),
            None => self.mark(key, PutMode::Update(stands), epoch).await,
        }
    }

    async fn mark(&self, key: Key<'_>, mode: PutMode, epoch: u64) -> Look {
        let since_ms = self.clock.monotonic_ms();
        let stands = self.near.put(key, self.entry(READING), mode).await.ok();
        Look::Miss(stands.map(|stands| Place { stands, epoch, since_ms }))
    }

    /// Keeps a copy of what was read since `place` was given, if nothing has changed there.
    pub(super) async fn fill(&self, key: Key<'_>, place: Option<Place>, entry: &Entry) {
        let Some(place) = place else { return };
        let longest = match entry.meta.codec {
            LEASE => return, // it is there to be replaced
            TAG => self.ttl.min(Near::MAX_TAG_TTL),
            _ => self.ttl,
        };
        let elapsed = self.clock.monotonic_ms().saturating_sub(place.since_ms);
        let Some(times) = Times::of(entry.ttl, longest, elapsed) else { return };
        if entry.value.len() > self.max_item_bytes {
            return;
        }
        let copy = NewEntry::new(copy::encode(entry, place.epoch, times))
            .ttl(Duration::from_millis(times.kept))
            .meta(entry.meta.clone());
        // A refusal says that it raced with a change, or that there is no room.
        drop(self.near.put(key, copy, PutMode::Update(place.stands)).await);
    }

    /// Before a write: from now on nothing is answered or copied.
    pub(super) async fn writing(&self, key: Key<'_>) {
        if self.near.put(key, self.entry(WRITING), PutMode::Replace).await.is_err() {
            drop(self.near.delete(key).await);
        }
    }

    /// As [`Tier::writing`], for all of a batch.
    pub(super) async fn writing_all(&self, keys: &[Key<'_>]) {
        let marks = keys.iter().map(|key| (*key, self.entry(WRITING))).collect();
        drop(self.near.put_many(marks).await);
    }

    /// After a write: what is read from now on may be copied, unless the write may still land.
    pub(super) async fn written<T: Sync>(&self, key: Key<'_>, done: &Result<T>) {
        if may_still_land(done) {
            self.writing(key).await; // anew, so that it stands for the whole time from now on
        } else {
            drop(self.near.delete(key).await);
        }
    }

    /// As [`Tier::written`], for all of a batch.
    pub(super) async fn written_all<T: Sync>(&self, keys: &[Key<'_>], done: &Result<Vec<Result<T>>>) {
        let Ok(answers) = done else {
            drop(self.near.delete_many(keys).await); // nothing was sent
            return;
        };
        drop(self.near.delete_many(keys).await);
        for (key, done) in keys.iter().zip(answers) {
            if may_still_land(done) {
                self.writing(*key).await;
            }
        }
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

    fn entry(&self, mark: &'static [u8]) -> NewEntry {
        NewEntry::new(Bytes::from_static(mark)).ttl(self.ttl)
    }
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tier").field("near", &self.near).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

fn may_still_land<T>(done: &Result<T>) -> bool {
    done.as_ref().is_err_and(|error| error.outcome() == Outcome::Unknown)
}
