//! The names in order, for scans: moka has none.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kv_core::Version;

use crate::name::Name;

/// Every name in the map.
///
/// A name enters before its entry and leaves before it, under the lock of its key; so an entry in the map that
/// nobody is just writing is always listed, and a name without entry is passed over.
#[derive(Debug)]
pub(crate) struct Index(RwLock<Names>);

#[derive(Debug)]
enum Names {
    /// Of a store that keeps what it has: a put over an entry does not come here.
    Kept(BTreeSet<Name>),
    /// Of one that evicts, with the version of the write that entered each.
    Versioned(BTreeMap<Name, Version>),
}

impl Index {
    /// An index of no names, of a store that `evicts` or not.
    pub(crate) fn new(evicts: bool) -> Self {
        let names = if evicts { Names::Versioned(BTreeMap::new()) } else { Names::Kept(BTreeSet::new()) };
        Self(RwLock::new(names))
    }

    pub(crate) fn insert(&self, name: &Name, version: Version) {
        match &mut *self.write() {
            Names::Kept(names) => drop(names.insert(Name::clone(name))),
            Names::Versioned(names) => drop(names.insert(Name::clone(name), version)),
        }
    }

    pub(crate) fn remove(&self, name: &[u8]) {
        match &mut *self.write() {
            Names::Kept(names) => drop(names.remove(name)),
            Names::Versioned(names) => drop(names.remove(name)),
        }
    }

    /// Removes the name if this version entered it: an eviction is told late, and the name may be in use again.
    pub(crate) fn evict(&self, name: &[u8], version: Version) {
        if let Names::Versioned(names) = &mut *self.write()
            && names.get(name) == Some(&version)
        {
            names.remove(name);
        }
    }

    /// The next names, at most `count` of them.
    pub(crate) fn next(&self, begin: Bound<&[u8]>, end: Bound<&[u8]>, count: usize) -> Vec<Name> {
        match &*self.read() {
            Names::Kept(names) => names.range::<[u8], _>((begin, end)).take(count).map(Name::clone).collect(),
            Names::Versioned(names) => {
                names.range::<[u8], _>((begin, end)).take(count).map(|(name, _)| Name::clone(name)).collect()
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Names> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Names> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use kv_core::Version;

    use super::Index;
    use crate::name::Name;

    #[test]
    fn a_late_eviction_does_not_take_the_name_of_a_newer_entry() {
        let index = Index::new(true);
        let name = Name::from(&b"a"[..]);
        let (evicted, newer) = (Version::random(), Version::random());
        index.insert(&name, evicted);
        index.insert(&name, newer);
        index.evict(&name, evicted);
        assert_eq!(index.next(Bound::Unbounded, Bound::Unbounded, 9), [Name::clone(&name)]);
        index.evict(&name, newer);
        assert!(index.next(Bound::Unbounded, Bound::Unbounded, 9).is_empty());
    }
}
