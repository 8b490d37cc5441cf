//! Whether every entry of one store is in another, alike.

use std::fmt;
use std::time::{Duration, Instant};

use kv_core::{AnyStore, Entry, Error, ErrorKind, Item, Key, Store as _};
use serde_json::{Value, json};

use super::fates::Fates;
use super::pace::Pace;
use crate::Failure;
use crate::kv::export::tell;
use crate::kv::failed_of;
use crate::kv::listing::{Listing, Step};
use crate::kv::progress::{Progress, Whom};

/// What two lifetimes may differ by: clocks, roundings, and the time between two reads.
const LIFETIME_TOLERANCE: Duration = Duration::from_secs(5);
/// So many of each kind are named.
const NAMED: u64 = 10;

/// What a comparison found, in entries of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// In both, alike.
    alike: u64,
    /// Not in the target.
    missing: u64,
    /// With another value, lifetime, codec or tags than it should have.
    different: u64,
    /// Damaged in the target, or sealed by another key.
    unreadable: u64,
    /// With another value, lifetime, codec or tags, which was to be kept: this run did not write it.
    kept: u64,
    /// Written, removed or expired in the source while it was compared: nothing can be said.
    changed: u64,
}

/// In what an entry of the target is not that of the source.
#[derive(Clone, Copy, Debug)]
enum Difference {
    Missing,
    Different,
    Unreadable,
    Kept,
}

impl Comparison {
    /// Whether the copy is as it should be. What was to be kept may well differ; what cannot be read is of use to nobody.
    pub(super) const fn is_as_copied(&self) -> bool {
        self.missing == 0 && self.different == 0 && self.unreadable == 0
    }

    pub(super) fn to_json(self) -> Value {
        let Self { alike, missing, different, unreadable, kept, changed } = self;
        json!({ "alike": alike, "missing": missing, "different": different, "unreadable": unreadable, "kept": kept,
            "changed": changed })
    }

    fn note(&mut self, item: &Item, difference: Difference) {
        let (count, how) = match difference {
            Difference::Missing => (&mut self.missing, "missing in DST"),
            Difference::Different => (&mut self.different, "different in DST"),
            Difference::Unreadable => (&mut self.unreadable, "unreadable in DST"),
            Difference::Kept => (&mut self.kept, "kept in DST, other than in SRC"),
        };
        *count += 1;
        if *count <= NAMED {
            tell(&format!("{how}: {:?} in {:?}", item.id, item.collection));
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alike, missing, different, unreadable, kept, changed } = self;
        write!(
            f,
            "{alike} alike, {missing} missing in DST, {different} different, {unreadable} unreadable in DST, {kept} kept \
             other than in SRC, {changed} changed meanwhile"
        )
    }
}

/// Reads all of `listing`, which is of `source`, in both stores, no faster than `throttle` allows. `fates` are those of the copy.
///
/// # Errors
/// Which store failed, and how.
pub(super) async fn compare(
    mut listing: Listing<'_>,
    source: &AnyStore,
    target: &AnyStore,
    fates: &Fates,
    mut throttle: Pace,
    whom: Whom,
) -> Result<Comparison, Failure> {
    let progress = Progress::new("compared", whom);
    let mut found = Comparison::default();
    while let Some(step) = listing.next().await? {
        let Step::Items(items) = step else {
            found = Comparison::default(); // everything comes once more
            progress.again();
            continue;
        };
        let read = Instant::now();
        let keys: Vec<_> = items.iter().map(|item| Key::new(&item.collection, &item.id)).collect();
        let copies = target.get_many(&keys).await.map_err(of_target)?;
        let since = read.elapsed();
        for ((item, key), copy) in items.iter().zip(&keys).zip(copies) {
            let Some(entry) = &item.entry else { continue };
            let copy = match copy {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    found.note(item, Difference::Unreadable);
                    continue;
                }
                copy => copy.map_err(of_target)?,
            };
            if copy.as_ref().is_some_and(|copy| are_alike(entry, copy, since)) {
                found.alike += 1;
            } else if has_changed(source, item, entry).await? {
                found.changed += 1;
            } else {
                found.note(
                    item,
                    match copy {
                        None => Difference::Missing,
                        Some(copy) if fates.spare(*key, copy.version) => Difference::Kept,
                        Some(_) => Difference::Different,
                    },
                );
            }
        }
        progress.add(items.len() as u64);
        throttle.after(items.len() as u64).await;
    }
    Ok(found)
}

/// `since`: what passed between the two reads.
fn are_alike(entry: &Entry, copy: &Entry, since: Duration) -> bool {
    let lifetimes = match (entry.ttl, copy.ttl) {
        (None, None) => true,
        (Some(left), Some(right)) => left.abs_diff(right) <= LIFETIME_TOLERANCE + since,
        _ => false,
    };
    lifetimes && entry.value == copy.value && entry.meta == copy.meta
}

fn of_target(error: Error) -> Failure {
    failed_of("DST", error)
}

async fn has_changed(source: &AnyStore, item: &Item, seen: &Entry) -> Result<bool, Failure> {
    let now = source.get(Key::new(&item.collection, &item.id)).await;
    let now = now.map_err(|error| failed_of("SRC", error))?;
    Ok(now.is_none_or(|now| now.version != seen.version))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{AnyStore, ErrorKind, Key, NewEntry, PutMode, Scan, Store as _, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{Comparison, Pace, Whom, compare};
    use crate::kv::copy::fates::{Fates, Remembers};
    use crate::kv::listing::{Listing, OnDamage};

    async fn compared_after(fates: &Fates, source: &AnyStore, target: &AnyStore) -> Comparison {
        let listing = Listing::new(source, Scan::under("").values().limit(3), OnDamage::default());
        compare(listing, source, target, fates, Pace::new(None), Whom::Programs).await.unwrap()
    }

    async fn compared(source: &AnyStore, target: &AnyStore) -> Comparison {
        compared_after(&Fates::replacing(), source, target).await
    }

    #[tokio::test]
    async fn a_comparison_that_begins_anew_counts_nothing_twice() {
        let ids: Vec<_> = (0..9).map(|n| n.to_string()).collect();
        let entries: Vec<_> = ids.iter().map(|id| (id.as_str(), "1", None)).collect();
        let faults = Faults::none();
        let source = Faulty::new(store(&entries).await, &faults).erased();
        let target = store(&entries[..8]).await;
        let answered = || Fault::delayed(Duration::ZERO);
        faults
            .next("scan", answered())
            .next("scan", answered())
            .next("scan", Fault::refused(ErrorKind::Conflict));
        let found = compared(&source, &target).await;
        assert!(faults.all_met());
        assert_eq!(found, Comparison { alike: 8, missing: 1, ..Comparison::default() });
    }

    async fn store(entries: &[(&str, &str, Option<u64>)]) -> AnyStore {
        let store = MemoryStore::new().erased();
        for (id, value, ttl) in entries {
            let entry = NewEntry::new((*value).to_owned()).ttl(ttl.map(Duration::from_secs));
            store.put(Key::new("c", id), entry, PutMode::Create).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn every_difference_is_found() {
        let source =
            store(&[("a", "1", None), ("b", "1", Some(60)), ("c", "1", None), ("d", "1", None)]).await;
        let target =
            store(&[("a", "1", None), ("b", "1", Some(90)), ("c", "2", None), ("e", "1", None)]).await;
        let found = compared(&source, &target).await;
        assert_eq!(found, Comparison { alike: 1, missing: 1, different: 2, ..Comparison::default() });
        assert!(!found.is_as_copied());
    }

    #[tokio::test]
    async fn lifetimes_that_differ_by_a_moment_are_alike() {
        let source = store(&[("a", "1", Some(60))]).await;
        let target = store(&[("a", "1", Some(58))]).await;
        assert!(compared(&source, &target).await.is_as_copied());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_never_as_copied_and_what_was_to_be_kept_is() {
        let source = store(&[("a", "1", None), ("b", "1", None)]).await;
        let bare = MemoryStore::new().erased();
        let target = bare.clone().compressed().erased();
        target.put(Key::new("c", "a"), NewEntry::new("2"), PutMode::Create).await.unwrap();
        bare.put(Key::new("c", "b"), NewEntry::new("\u{7f} foreign"), PutMode::Create).await.unwrap();
        let keeping = Fates::keeping(Remembers::Written);
        let found = compared_after(&keeping, &source, &target).await;
        assert_eq!(found, Comparison { kept: 1, unreadable: 1, ..Comparison::default() });
        assert!(!found.is_as_copied());
        bare.take(Key::new("c", "b"), None).await.unwrap();
        target.put(Key::new("c", "b"), NewEntry::new("1"), PutMode::Create).await.unwrap();
        let found = compared_after(&keeping, &source, &target).await;
        assert_eq!(found, Comparison { alike: 1, kept: 1, ..Comparison::default() });
        assert!(found.is_as_copied());
    }
}
