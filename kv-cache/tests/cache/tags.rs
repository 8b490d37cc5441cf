//! Many values invalidated by one deletion.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kv_cache::{Cache, Filled, Lookup, TAG};
use kv_core::testing::{Fault, Faults, Faulty, ReferenceStore};
use kv_core::{Clock, ErrorKind, Key, Meta, NewEntry, PutMode, Store};
use kv_memory::MemoryStore;

use crate::down::Failing;

async fn fetched(cache: &Cache<u64>, id: &str, value: u64) -> u64 {
    cache.get_or_fetch(id, move || async move { Ok::<_, Infallible>(value) }).await.unwrap()
}

async fn value(cache: &Cache<u64>, id: &str) -> Option<u64> {
    cache.get(id).await.map(|hit| hit.value)
}

#[tokio::test]
async fn one_deletion_removes_all_values_of_a_tag_and_no_others() {
    let store = MemoryStore::new();
    let (here, there): (Cache<u64>, Cache<u64>) =
        (Cache::new(store.clone(), "c"), Cache::new(store.clone(), "c"));
    for n in 0..100 {
        fetched(&here.tagged(["all", if n % 2 == 0 { "even" } else { "odd" }]), &n.to_string(), n).await;
    }
    fetched(&here, "untagged", 7).await;
    let before = store.held().entries;
    there.invalidate_tag("even").await.unwrap();
    assert_eq!(store.held().entries, before - 1, "the tag alone was removed");
    for n in 0..100 {
        let there = value(&there, &n.to_string()).await;
        assert_eq!(there, value(&here, &n.to_string()).await);
        assert_eq!(there, (n % 2 == 1).then_some(n));
    }
    there.invalidate_tag("all").await.unwrap();
    assert_eq!((value(&here, "1").await, value(&here, "untagged").await), (None, Some(7)));
    assert_eq!(there.statistics().invalidations, 2);
}

#[tokio::test]
async fn a_tag_made_anew_brings_no_old_value_back() {
    let cache: Cache<u64> = Cache::new(MemoryStore::new(), "c");
    let tagged = cache.tagged(["t"]);
    fetched(&tagged, "old", 1).await;
    cache.invalidate_tag("t").await.unwrap();
    fetched(&tagged, "new", 2).await;
    assert_eq!((value(&cache, "old").await, value(&cache, "new").await), (None, Some(2)));
    assert_eq!(fetched(&tagged, "old", 3).await, 3, "its place is filled again");
    assert_eq!(value(&cache, "old").await, Some(3));
}

#[tokio::test]
async fn a_value_fetched_while_its_tag_was_invalidated_is_never_found() {
    let cache: Cache<u64> = Cache::new(MemoryStore::new(), "c");
    let Lookup::Miss(lease) = cache.tagged(["t"]).lookup("id").await else { panic!("nothing is there") };
    cache.invalidate_tag("t").await.unwrap();
    assert_eq!(lease.fill(&1).await, Filled::Stored, "in vain");
    assert_eq!(value(&cache, "id").await, None);
}

#[tokio::test]
async fn who_asks_after_a_tag_was_invalidated_waits_for_no_fetch_from_before() {
    let cache = Cache::<u64>::new(MemoryStore::new(), "c").tagged(["t"]);
    let mut early = Box::pin(cache.get_or_fetch("id", std::future::pending::<Result<u64, Infallible>>));
    assert!(futures_util::future::poll_immediate(&mut early).await.is_none());
    cache.invalidate_tag("t").await.unwrap();
    let late = tokio::time::timeout(Duration::from_secs(20), fetched(&cache, "id", 2)).await;
    assert_eq!(late, Ok(2));
}

#[tokio::test]
async fn a_tag_outlives_the_values_that_carry_it() {
    let clock = Clock::manual();
    let store = ReferenceStore::new(&clock);
    let minute = Duration::from_secs(60);
    let cache = Cache::<u64>::new(store.clone(), "c").ttl(minute).stale_if_error(minute).tagged(["t"]);
    let tag = Key::new("c/#tags", "t");
    fetched(&cache, "first", 1).await;
    let first = store.get(tag).await.unwrap().unwrap();
    assert_eq!((first.ttl, first.meta, first.value.len()), (Some(4 * minute), Meta::codec(TAG), 16));
    clock.advance(minute);
    fetched(&cache, "second", 2).await;
    assert_eq!(store.get(tag).await.unwrap().unwrap().version, first.version, "there is enough left");
    clock.advance(minute + minute / 2);
    fetched(&cache, "third", 3).await;
    let later = store.get(tag).await.unwrap().unwrap();
    assert_eq!(
        (later.ttl, &later.value),
        (Some(4 * minute), &first.value),
        "the same generation, for longer"
    );
    for (id, n) in [("second", 2), ("third", 3)] {
        assert_eq!(value(&cache, id).await, Some(n));
    }
}

#[tokio::test]
async fn tags_of_a_cache_without_ttl_never_expire() {
    let store = MemoryStore::new();
    fetched(&Cache::new(store.clone(), "c").tagged(["t"]), "id", 1).await;
    assert_eq!(store.get(Key::new("c/#tags", "t")).await.unwrap().unwrap().ttl, None);
}

#[tokio::test]
async fn what_stands_in_place_of_a_tag_and_is_none_is_replaced() {
    let store = MemoryStore::new();
    let tag = Key::new("c/#tags", "t");
    store.put(tag, NewEntry::new("0123456789abcdef"), PutMode::Replace).await.unwrap();
    let cache = Cache::<u64>::new(store, "c").tagged(["t"]);
    fetched(&cache, "id", 1).await;
    assert_eq!(value(&cache, "id").await, Some(1));
}

#[tokio::test]
async fn tags_that_cannot_be_read_make_misses_and_nothing_is_cached_without_them() {
    let store = Failing::new(ErrorKind::Unavailable);
    let set = |reads, writes| {
        store.reads.store(reads, Ordering::SeqCst);
        store.writes.store(writes, Ordering::SeqCst);
    };
    let cache = Cache::<u64>::new(store.clone(), "c");
    let tagged = cache.tagged(["t"]);
    set(true, true);
    fetched(&tagged, "id", 1).await;
    set(false, true);
    assert_eq!(fetched(&tagged, "id", 2).await, 2);
    assert_eq!(fetched(&tagged, "other", 3).await, 3);
    set(true, true);
    assert_eq!((value(&cache, "id").await, value(&cache, "other").await), (Some(1), None));
    set(true, false);
    cache.invalidate_tag("t").await.unwrap_err();
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Fills `id` with `value`, fresh for `ttl`.
async fn filled(cache: &Cache<u64>, id: &str, value: u64, ttl: Option<Duration>) -> Filled {
    let Lookup::Miss(lease) = cache.lookup(id).await else { panic!("nothing is there") };
    lease.fill_for(&value, ttl).await
}

#[tokio::test]
async fn a_tagged_cache_without_a_ttl_of_its_own_stores_what_is_filled_for_a_time() {
    let clock = Clock::manual();
    let cache = Cache::<u64>::new(ReferenceStore::new(&clock), "c").ttl(Duration::ZERO).tagged(["t"]);
    assert_eq!(filled(&cache, "id", 1, Some(s(60))).await, Filled::Stored);
    clock.advance(s(59));
    assert_eq!(value(&cache, "id").await, Some(1));
    assert_eq!(filled(&cache, "other", 2, Some(s(60))).await, Filled::Stored);
    clock.advance(s(59));
    assert_eq!((value(&cache, "id").await, value(&cache, "other").await), (None, Some(2)));
    cache.invalidate_tag("t").await.unwrap();
    assert_eq!(value(&cache, "other").await, None);
    assert_eq!(cache.statistics().errors, 0);
}

#[tokio::test]
async fn a_value_filled_for_longer_than_the_caches_ttl_does_not_end_with_its_tag() {
    let year = s(365 * 86_400);
    for (ttl, later) in [(Some(s(3_600)), s(3_599)), (None, year), (Some(60 * year), 24 * year)] {
        for own in [Duration::ZERO, s(60)] {
            let clock = Clock::manual();
            let cache = Cache::<u64>::new(ReferenceStore::new(&clock), "c").ttl(own).tagged(["t", "u"]);
            fetched(&cache, "first", 1).await;
            assert_eq!(filled(&cache, "id", 2, ttl).await, Filled::Stored);
            clock.advance(later);
            assert_eq!(value(&cache, "id").await, Some(2), "{ttl:?} in a cache of {own:?}");
            cache.invalidate_tag("u").await.unwrap();
            assert_eq!(filled(&cache, "third", 3, Some(s(60))).await, Filled::Stored);
            assert_eq!((value(&cache, "id").await, value(&cache, "third").await), (None, Some(3)));
        }
    }
}

#[tokio::test]
async fn that_there_is_nothing_may_be_known_for_longer_than_the_caches_ttl() {
    let clock = Clock::manual();
    let cache = Cache::<u64>::new(ReferenceStore::new(&clock), "c").ttl(s(1)).negative_ttl(s(3_600));
    let cache = cache.tagged(["t"]);
    let find = async |found: Option<u64>| {
        cache.find_or_fetch("id", move || async move { Ok::<_, Infallible>(found) }).await.unwrap()
    };
    assert_eq!(find(None).await, None);
    clock.advance(s(3_599));
    assert_eq!(find(Some(1)).await, None);
    cache.invalidate_tag("t").await.unwrap();
    assert_eq!(find(Some(1)).await, Some(1));
}

#[tokio::test]
async fn a_fetch_that_takes_longer_than_the_ttl_does_not_outlive_its_tag() {
    let clock = Clock::manual();
    let cache = Cache::<u64>::new(ReferenceStore::new(&clock), "c").ttl(s(1)).tagged(["t"]);
    let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("nothing is there") };
    clock.advance(s(50));
    assert_eq!(lease.fill(&1).await, Filled::Stored);
    assert_eq!(value(&cache, "id").await, Some(1));
}

#[tokio::test]
async fn a_tag_invalidated_while_a_value_was_fetched_is_not_prolonged_for_it() {
    let clock = Clock::manual();
    let store = ReferenceStore::new(&clock);
    let cache = Cache::<u64>::new(store.clone(), "c").ttl(s(60)).tagged(["t"]);
    let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("nothing is there") };
    cache.invalidate_tag("t").await.unwrap();
    assert_eq!(lease.fill_for(&1, Some(s(3_600))).await, Filled::Overtaken);
    assert!(store.get(Key::new("c", "id")).await.unwrap().is_none(), "nor does its lease stay");
    fetched(&cache, "id", 2).await;
    assert_eq!(value(&cache, "id").await, Some(2));
}

#[tokio::test]
async fn where_its_tags_cannot_be_prolonged_a_value_is_not_stored() {
    let faults = Faults::none();
    let store = Faulty::new(ReferenceStore::new(&Clock::manual()), &faults);
    let cache = Cache::<u64>::new(store.clone(), "c").ttl(s(60)).tagged(["t"]);
    let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("nothing is there") };
    faults.next("put", Fault::refused(ErrorKind::Unavailable));
    assert_eq!(lease.fill_for(&1, Some(s(3_600))).await, Filled::Skipped);
    assert!(faults.all_met());
    assert_eq!(store.get(Key::new("c", "id")).await.unwrap(), None, "nor does its lease stay");
}
