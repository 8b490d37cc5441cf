//! A store that fails makes misses, never errors.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use kv_cache::Cache;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};

use crate::down::Failing;

async fn fetched(cache: &Cache<u64>, value: u64) -> u64 {
    cache.get_or_fetch("id", move || async move { Ok::<_, Infallible>(value) }).await.unwrap()
}

#[tokio::test]
async fn a_store_that_fails_costs_the_cache_and_not_the_answer() {
    for (reads, writes) in [(false, false), (true, false), (false, true)] {
        let store = Failing::new(ErrorKind::Unavailable);
        store.reads.store(reads, Ordering::SeqCst);
        store.writes.store(writes, Ordering::SeqCst);
        let cache: Cache<u64> = Cache::new(store.clone(), "c");
        assert_eq!((fetched(&cache, 1).await, fetched(&cache, 2).await), (1, 2));
        let seen = cache.statistics();
        assert_eq!((seen.hits, seen.misses, seen.puts), (0, 2, 0));
        assert!(seen.errors >= 2);
        store.reads.store(true, Ordering::SeqCst);
        store.writes.store(true, Ordering::SeqCst);
        assert_eq!((fetched(&cache, 3).await, fetched(&cache, 4).await), (3, 3), "and it is there again");
    }
}

#[tokio::test]
async fn what_the_store_cannot_read_is_a_miss_and_is_overwritten() {
    let store = Failing::new(ErrorKind::Corrupt);
    store.writes.store(true, Ordering::SeqCst);
    store.inner.put(Key::new("c", "id"), NewEntry::new("damaged"), PutMode::Replace).await.unwrap();
    let cache: Cache<u64> = Cache::new(store.clone(), "c");
    assert_eq!(fetched(&cache, 1).await, 1);
    store.reads.store(true, Ordering::SeqCst);
    assert_eq!(cache.get("id").await.unwrap().value, 1);
    let seen = cache.statistics();
    assert_eq!((seen.misses, seen.unreadable, seen.puts, seen.errors), (1, 1, 1, 0));
}

#[tokio::test]
async fn an_invalidation_that_failed_says_so() {
    let cache: Cache<u64> = Cache::new(Failing::new(ErrorKind::Unavailable), "c");
    let error = cache.invalidate("id").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(cache.statistics().invalidations, 0);
}
