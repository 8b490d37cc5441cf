//! What stands in the store, and what is made of it.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use kv_cache::{ByteCache, Cache, Filled, LEASE, Lookup};
use kv_core::testing::ReferenceStore;
use kv_core::{Clock, Codec, Key, Meta, NewEntry, PutMode, Store};
use kv_memory::MemoryStore;
use serde::{Deserialize, Serialize};

const KEY: Key<'static> = Key::new("c", "id");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    cents: u64,
}

async fn fetched(cache: &Cache<u64>, id: &str, value: u64) -> u64 {
    cache.get_or_fetch(id, move || async move { Ok::<_, Infallible>(value) }).await.unwrap()
}

#[tokio::test]
async fn a_value_is_fetched_once_and_then_read() {
    let cache: Cache<Price> = Cache::new(MemoryStore::new(), "c");
    for _ in 0..3 {
        let price = cache.get_or_fetch("id", || async { Ok::<_, Infallible>(Price { cents: 250 }) }).await;
        assert_eq!(price.unwrap(), Price { cents: 250 });
    }
    let seen = cache.statistics();
    assert_eq!((seen.hits, seen.misses, seen.fetches, seen.puts), (2, 1, 1, 1));
    assert_eq!((seen.errors, seen.overtaken, seen.oversized, seen.unreadable), (0, 0, 0, 0));
}

#[tokio::test]
async fn a_value_lives_for_its_ttl_and_a_hit_tells_what_is_left() {
    let clock = Clock::manual();
    let cache: Cache<u64> = Cache::new(ReferenceStore::new(&clock), "c").ttl(Duration::from_secs(60));
    fetched(&cache, "id", 1).await;
    clock.advance(Duration::from_secs(20));
    assert_eq!(cache.get("id").await.unwrap().ttl, Some(Duration::from_secs(40)));
    clock.advance(Duration::from_secs(41));
    assert_eq!(cache.get("id").await, None);
    assert_eq!(fetched(&cache, "id", 2).await, 2);
}

#[tokio::test]
async fn without_a_ttl_a_value_never_expires_and_with_zero_none_is_stored() {
    let store = MemoryStore::new();
    let cache: Cache<u64> = Cache::new(store.clone(), "c");
    fetched(&cache, "id", 1).await;
    assert_eq!(cache.get("id").await.unwrap().ttl, None);
    let off: Cache<u64> = Cache::new(store.clone(), "off").ttl(Duration::ZERO);
    assert_eq!(fetched(&off, "id", 1).await, 1);
    assert_eq!(fetched(&off, "id", 2).await, 2);
    assert_eq!(store.get(Key::new("off", "id")).await.unwrap(), None, "no lease stays behind either");
    assert_eq!(off.statistics().errors, 0);
}

#[tokio::test]
async fn a_lease_is_absent_to_readers_and_gone_after_a_minute() {
    let clock = Clock::manual();
    let store = ReferenceStore::new(&clock);
    let cache: Cache<u64> = Cache::new(store.clone(), "c").fetch_timeout(Duration::from_secs(600));
    let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("nothing is there") };
    let entry = store.get(KEY).await.unwrap().unwrap();
    assert_eq!((entry.meta, entry.value.len()), (Meta::codec(LEASE), 0));
    assert_eq!(entry.ttl, Some(Duration::from_secs(60)));
    assert_eq!(cache.get("id").await, None);
    clock.advance(Duration::from_secs(61));
    assert_eq!(store.get(KEY).await.unwrap(), None);
    assert_eq!(lease.fill(&1).await, Filled::Overtaken, "a fetch that took too long is not cached");
}

#[tokio::test]
async fn looks_write_nothing_and_the_second_claim_finds_what_the_first_filled() {
    let store = MemoryStore::new();
    let cache = ByteCache::bytes(store.clone(), "c");
    let looked = [cache.look("id").await, cache.look("id").await];
    assert_eq!(store.get(KEY).await.unwrap(), None);
    let [Err(first), Err(second)] = looked else { panic!("nothing is there") };
    let Lookup::Miss(lease) = cache.claim("id", first).await else { panic!("nothing is there") };
    let Err(third) = cache.look("id").await else { panic!("a lease is no value") };
    assert_eq!(lease.fill(&Bytes::from_static(b"1")).await, Filled::Stored);
    for miss in [second, third] {
        let Lookup::Hit(hit) = cache.claim("id", miss).await else { panic!("it came meanwhile") };
        assert_eq!(hit.value, "1");
    }
    assert!(cache.look("id").await.is_ok_and(|hit| hit.value == "1"));
    let seen = cache.statistics();
    assert_eq!((seen.misses, seen.puts), (1, 1));
}

#[tokio::test]
async fn an_abandoned_lease_leaves_nothing() {
    let store = MemoryStore::new();
    let cache = ByteCache::bytes(store.clone(), "c");
    let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("nothing is there") };
    lease.abandon().await;
    assert_eq!(store.get(KEY).await.unwrap(), None);
}

#[tokio::test]
async fn of_two_who_hold_one_lease_the_first_fills() {
    let store = MemoryStore::new();
    let here = ByteCache::bytes(store.clone(), "c");
    let there = ByteCache::bytes(store, "c");
    let Lookup::Miss(first) = here.lookup("id").await else { panic!("nothing is there") };
    let Lookup::Miss(second) = there.lookup("id").await else { panic!("a lease is no value") };
    assert_eq!(
        second.fill_for(&Bytes::from_static(b"2"), Some(Duration::from_secs(5))).await,
        Filled::Stored
    );
    assert_eq!(first.fill(&Bytes::from_static(b"1")).await, Filled::Overtaken);
    let hit = here.get("id").await.unwrap();
    assert_eq!(hit.value, "2");
    assert!(hit.ttl.unwrap() <= Duration::from_secs(5));
    assert_eq!((here.statistics().overtaken, there.statistics().puts), (1, 1));
}

#[tokio::test]
async fn an_invalidated_value_is_gone_and_a_fill_that_raced_is_not_cached() {
    let cache = ByteCache::bytes(MemoryStore::new(), "c");
    let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("nothing is there") };
    cache.invalidate("id").await.unwrap();
    assert_eq!(lease.fill(&Bytes::from_static(b"old")).await, Filled::Overtaken);
    assert_eq!(cache.get("id").await, None);
    let seen = cache.statistics();
    assert_eq!((seen.invalidations, seen.overtaken, seen.puts), (1, 1, 0));
}

#[tokio::test]
async fn who_asks_after_an_invalidation_gets_no_value_fetched_before() {
    let cache: Cache<u64> = Cache::new(MemoryStore::new(), "c");
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let waits = std::sync::Arc::clone(&gate);
    let mut early = Box::pin(cache.get_or_fetch("id", move || async move {
        waits.notified().await;
        Ok::<_, Infallible>(1)
    }));
    assert!(futures_util::future::poll_immediate(&mut early).await.is_none());
    cache.invalidate("id").await.unwrap();
    // Were the early run joined, this would wait for ever.
    let late = tokio::time::timeout(Duration::from_secs(20), fetched(&cache, "id", 2)).await;
    assert_eq!(late, Ok(2));
    gate.notify_one();
    assert_eq!(early.await.unwrap(), 1, "who asked before may still get it");
    assert_eq!(cache.get("id").await.unwrap().value, 2);
}

#[tokio::test]
async fn a_value_too_large_is_returned_and_counted_and_not_stored() {
    let store = MemoryStore::new();
    let cache = ByteCache::bytes(store.clone(), "c").max_item_bytes(10);
    for (length, stored) in [(10, true), (11, false)] {
        let id = length.to_string();
        let got =
            cache.get_or_fetch(&id, move || async move { Ok::<_, Infallible>(vec![0; length].into()) }).await;
        assert_eq!(got.unwrap().len(), length);
        assert_eq!(store.get(Key::new("c", &id)).await.unwrap().is_some(), stored);
    }
    let seen = cache.statistics();
    assert_eq!((seen.puts, seen.oversized, seen.errors), (1, 1, 0));
}

#[tokio::test]
async fn a_value_too_large_for_the_store_counts_the_same() {
    let clock = Clock::system();
    let cache = ByteCache::bytes(ReferenceStore::new(&clock), "c");
    let large = || async { Ok::<_, Infallible>(Bytes::from(vec![0; ReferenceStore::MAX_VALUE + 1])) };
    cache.get_or_fetch("id", large).await.unwrap();
    let seen = cache.statistics();
    assert_eq!((seen.oversized, seen.errors), (1, 0));
}

#[tokio::test]
async fn an_unreadable_entry_is_a_miss_and_is_overwritten() {
    for (meta, value) in [(Meta::codec(1), "\"text\""), (Meta::codec(0), "raw"), (Meta::codec(77), "?")] {
        let store = MemoryStore::new();
        store.put(KEY, NewEntry::new(value).meta(meta), PutMode::Replace).await.unwrap();
        let cache: Cache<u64> = Cache::new(store, "c");
        assert_eq!(cache.get("id").await, None);
        assert_eq!(fetched(&cache, "id", 4).await, 4);
        assert_eq!(cache.get("id").await.unwrap().value, 4);
        let seen = cache.statistics();
        assert_eq!((seen.hits, seen.misses, seen.unreadable, seen.puts), (1, 2, 2, 1));
    }
}

#[tokio::test]
async fn two_caches_on_one_store_never_meet() {
    let store = MemoryStore::new();
    let (apples, pears): (Cache<u64>, Cache<u64>) =
        (Cache::new(store.clone(), "apples"), Cache::new(store, "pears"));
    assert_eq!(fetched(&apples, "id", 1).await, 1);
    assert_eq!(fetched(&pears, "id", 2).await, 2);
    apples.invalidate("id").await.unwrap();
    assert_eq!((apples.get("id").await, pears.get("id").await.unwrap().value), (None, 2));
    assert_eq!(apples.statistics().hits, 0);
}

#[tokio::test]
async fn a_change_of_codec_leaves_old_entries_readable() {
    let store = MemoryStore::new();
    let json: Cache<u64> = Cache::new(store.clone(), "c");
    fetched(&json, "id", 3).await;
    let cbor: Cache<u64> = Cache::new(store, "c").codec(Codec::Cbor);
    assert_eq!(cbor.get("id").await.unwrap().value, 3);
}
