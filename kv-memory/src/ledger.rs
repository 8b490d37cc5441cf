//! What is kept beside the map: the names in order, the deadlines, and the room in use.

use std::sync::atomic::{AtomicU64, Ordering};

use kv_core::backend::Deadlines;
use moka::notification::RemovalCause;

use crate::index::Index;
use crate::name::Name;
use crate::slot::Slot;
use crate::{MemoryConfig, OnFull};

/// Kept in step with the map: its methods are called under the lock of the key they are about, but for
/// [`Ledger::left`].
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) index: Index,
    pub(crate) deadlines: Deadlines<Name>,
    entries: Count,
    bytes: Count,
    evicts: bool,
}

impl Ledger {
    pub(crate) fn new(config: &MemoryConfig, deadlines: Deadlines<Name>) -> Self {
        let evicts = config.on_full == OnFull::Evict; // then moka keeps the limit
        let limit = |limit: Option<u64>| Count::new(limit.filter(|_| !evicts).unwrap_or(u64::MAX));
        let (entries, bytes) = (limit(config.max_entries), limit(config.max_bytes));
        Self { index: Index::new(evicts), deadlines, entries, bytes, evicts }
    }

    /// Enters `new`, over `old` if there is one, expired or not. False, and nothing is changed, if there is no room.
    pub(crate) fn enter(&self, old: Option<&Slot>, new: &Slot) -> bool {
        if !self.make_room(old, new) {
            return false;
        }
        if old.is_none() || self.evicts {
            self.index.insert(&new.name, new.version);
        }
        self.deadlines.set(&new.name, old.and_then(Slot::deadline), new.deadline());
        true
    }

    /// Strikes out an entry that is about to be removed.
    pub(crate) fn strike(&self, old: &Slot) {
        self.index.remove(&old.name);
        self.deadlines.set(&old.name, old.deadline(), None);
        if !self.evicts {
            self.entries.give_back(1);
            self.bytes.give_back(old.bytes());
        }
    }

    /// Called by the map of a store that evicts, for each entry that left it, after the fact and without a lock.
    ///
    /// Whoever writes a name anew at this very moment may lose the sweep of the new entry, if both have the same
    /// deadline; it is absent in time all the same, and makes room when its turn comes.
    pub(crate) fn left(&self, old: &Slot, cause: RemovalCause) {
        self.entries.give_back(1);
        self.bytes.give_back(old.bytes());
        if cause.was_evicted() {
            self.index.evict(&old.name, old.version);
            self.deadlines.set(&old.name, old.deadline(), None);
        }
    }

    /// Entries and bytes in use, expired ones that were not freed yet included.
    pub(crate) fn held(&self) -> (u64, u64) {
        (self.entries.get(), self.bytes.get())
    }

    /// In a store that evicts the map tells of each entry that left, the replaced ones too: only what comes counts.
    fn make_room(&self, old: Option<&Slot>, new: &Slot) -> bool {
        let old = old.filter(|_| !self.evicts);
        if old.is_none() && !self.entries.take(1) {
            return false;
        }
        let (before, after) = (old.map_or(0, Slot::bytes), new.bytes());
        if after > before && !self.bytes.take(after - before) {
            if old.is_none() {
                self.entries.give_back(1);
            }
            return false;
        }
        self.bytes.give_back(before.saturating_sub(after));
        true
    }
}

/// A number with a limit.
#[derive(Debug)]
struct Count {
    used: AtomicU64,
    limit: u64,
}

impl Count {
    const fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit }
    }

    fn take(&self, more: u64) -> bool {
        let within = |used: u64| used.checked_add(more).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, within).is_ok()
    }

    fn give_back(&self, less: u64) {
        if less > 0 {
            self.used.fetch_sub(less, Ordering::AcqRel);
        }
    }

    fn get(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn a_count_never_passes_its_limit() {
        let count = Count::new(10);
        assert!(count.take(7));
        assert!(!count.take(4));
        assert_eq!(count.get(), 7);
        count.give_back(1);
        assert!(count.take(4));
        assert!(!count.take(u64::MAX));
    }
}
