//! Values past their ttl: served while one refresh runs, or where none succeeds; what does not exist; jitter.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::poll_immediate;
use kv_cache::{ABSENT, Cache, Filled, Lookup};
use kv_core::testing::{Fault, Faults, Faulty, ReferenceStore};
use kv_core::{Clock, ErrorKind, Key, Store};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn cache(clock: &Clock) -> Cache<u64> {
    Cache::new(ReferenceStore::new(clock), "c").ttl(s(60))
}

async fn fetched(cache: &Cache<u64>, value: u64) -> u64 {
    cache.get_or_fetch("id", move || async move { Ok::<_, Infallible>(value) }).await.unwrap()
}

async fn failed(cache: &Cache<u64>) -> Result<u64, Arc<&'static str>> {
    cache.get_or_fetch("id", || async { Err::<u64, _>("down") }).await
}

/// Until the refresh that runs in a task of its own has landed.
async fn settled(cache: &Cache<u64>, fetches: u64) {
    while cache.statistics().fetches < fetches {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stale_value_is_answered_at_once_while_one_refresh_runs() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_while_revalidate(s(30));
    assert_eq!(fetched(&cache, 1).await, 1);
    clock.advance(s(61));
    let (runs, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    for _ in 0..10 {
        let (runs, gate) = (Arc::clone(&runs), Arc::clone(&gate));
        let refresh = move || async move {
            runs.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            Ok::<_, Infallible>(2)
        };
        assert_eq!(cache.get_or_fetch("id", refresh).await.unwrap(), 1);
        tokio::task::yield_now().await;
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    gate.notify_one();
    settled(&cache, 2).await;
    assert_eq!(fetched(&cache, 3).await, 2, "the refresh was cached");
    let seen = cache.statistics();
    assert_eq!((seen.stale, seen.misses, seen.fetches, seen.hits), (10, 1, 2, 1));
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_old_value_and_the_next_one_tries_again() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_while_revalidate(s(30));
    fetched(&cache, 1).await;
    clock.advance(s(61));
    assert_eq!(failed(&cache).await, Ok(1));
    settled(&cache, 2).await;
    assert_eq!(fetched(&cache, 2).await, 1);
    settled(&cache, 3).await;
    assert_eq!(fetched(&cache, 3).await, 2);
}

#[tokio::test]
async fn beyond_its_stale_time_a_value_is_gone() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_while_revalidate(s(30));
    fetched(&cache, 1).await;
    clock.advance(s(91));
    assert_eq!(cache.get("id").await, None);
    assert_eq!(*failed(&cache).await.unwrap_err(), "down");
}

#[tokio::test]
async fn a_stale_value_is_answered_where_the_fetch_fails() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_if_error(s(600));
    fetched(&cache, 1).await;
    clock.advance(s(61));
    assert_eq!(failed(&cache).await, Ok(1));
    assert_eq!(fetched(&cache, 2).await, 2, "the fetch goes first");
    assert_eq!(fetched(&cache, 3).await, 2);
    clock.advance(s(661));
    assert_eq!(*failed(&cache).await.unwrap_err(), "down", "it is older than that");
    let seen = cache.statistics();
    assert_eq!((seen.rescued, seen.stale, seen.hits), (1, 0, 1));
}

#[tokio::test]
async fn a_value_is_first_stale_then_a_spare_then_gone() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_while_revalidate(s(10)).stale_if_error(s(100));
    fetched(&cache, 1).await;
    for (later, left, is_stale) in [(59, s(1), false), (2, s(0), true), (14, s(0), true)] {
        clock.advance(s(later));
        let hit = cache.get("id").await.unwrap();
        assert_eq!((hit.value, hit.ttl, hit.is_stale()), (1, Some(left), is_stale));
    }
    assert_eq!(failed(&cache).await, Ok(1), "as a spare");
    assert_eq!(cache.statistics().fetches, 2, "which was waited for");
    clock.advance(s(100));
    assert_eq!(cache.get("id").await, None);
}

#[tokio::test]
async fn an_invalidated_value_is_no_spare() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_while_revalidate(s(30)).stale_if_error(s(600));
    fetched(&cache, 1).await;
    clock.advance(s(61));
    cache.invalidate("id").await.unwrap();
    assert_eq!(*failed(&cache).await.unwrap_err(), "down");
}

#[tokio::test]
async fn a_refresh_overtaken_by_an_invalidation_is_not_cached() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_while_revalidate(s(30));
    fetched(&cache, 1).await;
    clock.advance(s(61));
    let gate = Arc::new(Notify::new());
    let waits = Arc::clone(&gate);
    let refresh = move || async move {
        waits.notified().await;
        Ok::<_, Infallible>(2)
    };
    assert_eq!(cache.get_or_fetch("id", refresh).await.unwrap(), 1);
    settled(&cache, 2).await;
    cache.invalidate("id").await.unwrap();
    gate.notify_one();
    while cache.statistics().overtaken == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cache.get("id").await, None);
}

#[tokio::test]
async fn the_lease_over_a_stale_value_holds_it() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_if_error(s(600));
    fetched(&cache, 1).await;
    clock.advance(s(61));
    let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("it is stale") };
    assert_eq!(lease.stale(), Some(&1));
    lease.abandon().await;
    assert_eq!(cache.get("id").await.unwrap().value, 1, "it stays");
    let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("it is stale") };
    assert_eq!(lease.fill_for(&2, Some(s(5))).await, Filled::Stored);
    assert_eq!(cache.get("id").await.unwrap().ttl, Some(s(5)), "the stale time comes on top");
}

#[tokio::test]
async fn that_there_is_nothing_is_remembered_for_the_negative_ttl() {
    let clock = Clock::manual();
    let store = ReferenceStore::new(&clock);
    let cache: Cache<u64> = Cache::new(store.clone(), "c").ttl(s(60)).negative_ttl(s(5));
    let find = |found: Option<u64>| {
        let cache = cache.clone();
        async move { cache.find_or_fetch("id", move || async move { Ok::<_, Infallible>(found) }).await.unwrap() }
    };
    assert_eq!((find(None).await, find(Some(1)).await), (None, None));
    let entry = store.get(Key::new("c", "id")).await.unwrap().unwrap();
    assert_eq!((entry.meta.codec, entry.value.len(), entry.ttl), (ABSENT, 0, Some(s(5))));
    assert_eq!(cache.get("id").await, None);
    clock.advance(s(6));
    assert_eq!((find(Some(2)).await, find(None).await), (Some(2), Some(2)));
    let seen = cache.statistics();
    assert_eq!((seen.negative_hits, seen.fetches, seen.puts, seen.hits), (1, 2, 2, 1));
}

#[tokio::test]
async fn a_negative_entry_bars_nobody_who_wants_a_value_and_goes_with_an_invalidation() {
    let clock = Clock::manual();
    let cache = cache(&clock).negative_ttl(s(5));
    let none = || async { Ok::<_, Infallible>(None) };
    assert_eq!(cache.find_or_fetch("id", none).await.unwrap(), None);
    assert_eq!(fetched(&cache, 1).await, 1);
    assert_eq!(cache.find_or_fetch("id", none).await.unwrap(), Some(1), "it was replaced");
    cache.invalidate("id").await.unwrap();
    assert_eq!(cache.find_or_fetch("id", none).await.unwrap(), None);
    cache.invalidate("id").await.unwrap();
    let some = || async { Ok::<_, Infallible>(Some(2)) };
    assert_eq!(cache.find_or_fetch("id", some).await.unwrap(), Some(2));
}

#[tokio::test]
async fn without_a_negative_ttl_nothing_is_remembered_and_no_lease_stays() {
    let store = ReferenceStore::new(&Clock::manual());
    let cache: Cache<u64> = Cache::new(store.clone(), "c");
    let none = || async { Ok::<_, Infallible>(None) };
    assert_eq!(cache.find_or_fetch("id", none).await.unwrap(), None);
    assert_eq!(store.held().entries, 0);
}

#[tokio::test]
async fn what_was_fetched_last_and_is_not_stored_takes_the_place_of_the_old_value_all_the_same() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_if_error(s(3_600)).max_item_bytes(3);
    for round in 0..3 {
        fetched(&cache, 1).await;
        clock.advance(s(61));
        match round {
            0 => {
                let gone = cache.find_or_fetch("id", || async { Ok::<_, Infallible>(None) }).await;
                assert_eq!(gone, Ok(None));
            }
            1 => assert_eq!(fetched(&cache, 12_345).await, 12_345, "it is larger than the cache takes"),
            _ => {
                let Lookup::Miss(lease) = cache.lookup("id").await else { panic!("it is stale") };
                assert_eq!(lease.fill_for(&2, Some(Duration::ZERO)).await, Filled::Skipped);
            }
        }
        assert_eq!(failed(&cache).await, Err(Arc::new("down")), "{round}: what is gone is no rescue");
    }
}

#[tokio::test]
async fn what_is_stored_together_does_not_end_together() {
    let clock = Clock::manual();
    let cache = cache(&clock).jitter(50);
    let mut ttls = Vec::new();
    for n in 0..200 {
        let id = n.to_string();
        cache.get_or_fetch(&id, || async { Ok::<_, Infallible>(1) }).await.unwrap();
        ttls.push(cache.get(&id).await.unwrap().ttl.unwrap());
    }
    let (least, most) = (ttls.iter().min().unwrap(), ttls.iter().max().unwrap());
    assert!(*least >= s(30) && *most <= s(60), "{least:?} to {most:?}");
    assert!(*least < s(35) && *most > s(55), "they hardly differ: {least:?} to {most:?}");
}

/// A refresh of an old value under way, which fails when `gate` opens.
async fn refresh_that_fails(cache: &Cache<u64>, gate: &Arc<Notify>) {
    let waits = Arc::clone(gate);
    let refresh = move || async move {
        waits.notified().await;
        Err::<u64, _>("down")
    };
    assert_eq!(cache.get_or_fetch("id", refresh).await, Ok(1), "at once");
    settled(cache, 2).await;
}

/// A caller that joins what is under way.
async fn joins(cache: &Cache<u64>) -> JoinHandle<Result<u64, Arc<&'static str>>> {
    let (misses, fetches) = (cache.statistics().misses, cache.statistics().fetches);
    let joining = cache.clone();
    let joined = tokio::spawn(async move { failed(&joining).await });
    while cache.statistics().misses == misses {
        tokio::task::yield_now().await;
    }
    assert_eq!(cache.statistics().fetches, fetches, "it joined");
    joined
}

#[tokio::test]
async fn who_joins_a_refresh_once_the_stale_time_is_over_learns_that_it_failed() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_while_revalidate(s(30));
    let gate = Arc::new(Notify::new());
    fetched(&cache, 1).await;
    clock.advance(s(61));
    refresh_that_fails(&cache, &gate).await;
    clock.advance(s(34));
    assert_eq!(cache.get("id").await, None, "it is gone");
    let late = joins(&cache).await;
    clock.advance(s(6));
    gate.notify_one();
    assert_eq!(late.await.unwrap(), Err(Arc::new("down")));
    assert_eq!(cache.statistics().rescued, 0);
}

#[tokio::test]
async fn who_asks_after_another_process_invalidated_is_not_given_the_old_value_of_a_fetch_from_before() {
    for tagged in [false, true] {
        let clock = Clock::manual();
        let store = ReferenceStore::new(&clock);
        let [here, there] = [(); 2].map(|()| {
            let cache = Cache::new(store.clone(), "c").ttl(s(60));
            cache.stale_while_revalidate(s(30)).stale_if_error(s(600)).tagged(["t"])
        });
        let gate = Arc::new(Notify::new());
        fetched(&here, 1).await;
        clock.advance(s(61));
        refresh_that_fails(&here, &gate).await;
        let invalidated = if tagged { there.invalidate_tag("t").await } else { there.invalidate("id").await };
        invalidated.unwrap();
        let late = joins(&here).await;
        gate.notify_one();
        assert_eq!(late.await.unwrap(), Err(Arc::new("down")), "by tag: {tagged}");
    }
}

#[tokio::test]
async fn who_waits_for_a_fetch_that_fails_is_given_the_old_value_only_while_it_stands() {
    let clock = Clock::manual();
    let cache = cache(&clock).stale_if_error(s(600));
    for (later, answer) in [(s(500), Ok(1)), (s(601), Err(Arc::new("down")))] {
        cache.invalidate("id").await.unwrap();
        fetched(&cache, 1).await;
        clock.advance(s(61));
        let moved = clock.clone();
        let slow = move || async move {
            moved.advance(later);
            Err::<u64, _>("down")
        };
        assert_eq!(cache.get_or_fetch("id", slow).await, answer, "{later:?}");
    }
    assert_eq!(cache.statistics().rescued, 1);
}

#[tokio::test]
async fn where_a_fetch_fails_what_another_process_put_in_place_of_the_old_value_is_answered() {
    let clock = Clock::manual();
    let store = ReferenceStore::new(&clock);
    let [here, there] = [(); 2].map(|()| {
        let cache = Cache::<u64>::new(store.clone(), "c").ttl(s(60));
        cache.stale_if_error(s(600)).negative_ttl(s(5))
    });
    for filled in [Some(2), None] {
        here.invalidate("id").await.unwrap();
        fetched(&here, 1).await;
        clock.advance(s(61));
        let other = there.clone();
        let overtaken = move || async move {
            let filled = other.find_or_fetch("id", move || async move { Ok::<_, Infallible>(filled) }).await;
            Err::<Option<u64>, _>(filled.map_or("nothing", |_| "down"))
        };
        assert_eq!(here.find_or_fetch("id", overtaken).await, Ok(filled));
    }
    assert_eq!(here.statistics().rescued, 0, "neither was the old value");
}

/// A cache with an old value, which may rescue, on a store that fails where it is told to.
async fn over_a_faulty_store() -> (Cache<u64>, Faults) {
    let (clock, faults) = (Clock::manual(), Faults::none());
    let cache = Cache::<u64>::new(Faulty::new(ReferenceStore::new(&clock), &faults), "c").ttl(s(60));
    let cache = cache.stale_if_error(s(600));
    fetched(&cache, 1).await;
    clock.advance(s(61));
    (cache, faults)
}

#[tokio::test]
async fn a_store_that_does_not_say_whether_the_old_value_stands_makes_it_the_error() {
    let (cache, faults) = over_a_faulty_store().await;
    let away = faults.clone();
    let fetch = move || async move {
        away.next("get", Fault::refused(ErrorKind::Unavailable));
        Err::<u64, _>("down")
    };
    assert_eq!(cache.get_or_fetch("id", fetch).await, Err(Arc::new("down")));
    assert!(faults.all_met());
    assert_eq!(failed(&cache).await, Ok(1), "now the store says that it stands");
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_a_run_that_looks_whether_the_old_value_stands() {
    let (cache, faults) = over_a_faulty_store().await;
    let slow = faults.clone();
    let fetch = move || async move {
        slow.next("get", Fault::delayed(s(1)));
        Err::<u64, &str>("down")
    };
    let mut early = Box::pin(cache.get_or_fetch("id", fetch));
    assert!(poll_immediate(&mut early).await.is_none());
    assert!(faults.all_met(), "it looks");
    let late = cache.get_or_fetch("id", || async { Ok::<_, &str>(2) }).await;
    assert_eq!(late, Ok(2), "it fetched anew");
    assert_eq!(early.await, Ok(2));
}
