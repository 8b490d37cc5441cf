//! The names in order, for scans: moka has none.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kv_core::Version;

use crate::slot::Name;

/// Every name in the map, with the version of the write that entered it. A put over an entry does not come here,
/// unless the store evicts.
///
/// A name enters before its entry and leaves before it, under the lock of its key; so an entry in the map that
/// nobody is just writing is always listed, and a name without entry is passed over.
#[derive(Debug, Default)]
pub(crate) struct Index(RwLock<BTreeMap<Name, Version>>);

impl Index {
    pub(crate) fn insert(&self, name: &Name, version: Version) {
        self.write().insert(Name::clone(name), version);
    }

    pub(crate) fn remove(&self, name: &[u8]) {
        self.write().remove(name);
    }

    /// Removes the name if this version entered it: an eviction is told late, and the name may be in use again.
    pub(crate) fn remove_version(&self, name: &[u8], version: Version) {
        let mut names = self.write();
        if names.get(name) == Some(&version) {
            names.remove(name);
        }
    }

    /// The next names, at most `count` of them.
    pub(crate) fn next(&self, begin: Bound<&[u8]>, end: Bound<&[u8]>, count: usize) -> Vec<Name> {
        let names = self.read();
        names.range::<[u8], _>((begin, end)).take(count).map(|(name, _)| Name::clone(name)).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Name, Version>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Name, Version>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use kv_core::Version;

    use super::Index;
    use crate::slot::Name;

    #[test]
    fn a_late_eviction_does_not_take_the_name_of_a_newer_entry() {
        let index = Index::default();
        let name = Name::from(&b"a"[..]);
        let (evicted, newer) = (Version::random(), Version::random());
        index.insert(&name, evicted);
        index.insert(&name, newer);
        index.remove_version(&name, evicted);
        assert_eq!(index.next(Bound::Unbounded, Bound::Unbounded, 9), [Name::clone(&name)]);
        index.remove_version(&name, newer);
        assert!(index.next(Bound::Unbounded, Bound::Unbounded, 9).is_empty());
    }
}
