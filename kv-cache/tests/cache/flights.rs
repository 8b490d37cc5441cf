//! One run for all who wait.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{join_all, poll_immediate};
use kv_cache::{Cache, SingleFlight};
use kv_core::Clock;
use kv_core::testing::ReferenceStore;
use kv_memory::MemoryStore;
use tokio::sync::Notify;

/// Counts how often it is begun, and how often it is dropped before its end.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn read(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct OnDrop(Count);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_miss_at_once_fetch_once() {
    for round in 0..50 {
        let cache: Cache<String> = Cache::new(MemoryStore::new(), "c");
        let runs = Count::default();
        let callers = (0..100).map(|_| {
            let (cache, runs) = (cache.clone(), runs.clone());
            tokio::spawn(async move {
                let fetch = move || async move {
                    tokio::task::yield_now().await;
                    Ok::<_, Infallible>(format!("run {}", runs.add()))
                };
                cache.get_or_fetch("id", fetch).await.unwrap()
            })
        });
        for answer in join_all(callers).await {
            assert_eq!(answer.unwrap(), "run 1", "round {round}");
        }
        assert_eq!(runs.read(), 1);
        let seen = cache.statistics();
        assert_eq!((seen.hits + seen.misses, seen.fetches, seen.puts), (100, 1, 1));
    }
}

#[tokio::test]
async fn different_ids_do_not_wait_for_each_other() {
    let cache: Cache<u8> = Cache::new(MemoryStore::new(), "c");
    let mut stuck = Box::pin(cache.get_or_fetch("stuck", pending::<Result<u8, Infallible>>));
    assert!(poll_immediate(&mut stuck).await.is_none());
    assert_eq!(cache.get_or_fetch("other", || async { Ok::<_, Infallible>(1) }).await.unwrap(), 1);
}

#[tokio::test]
async fn a_failure_is_seen_by_each_who_waits_and_by_nobody_later() {
    let cache: Cache<u8> = Cache::new(MemoryStore::new(), "c");
    let (runs, gate) = (Count::default(), Arc::new(Notify::new()));
    let fetch = |runs: Count| {
        let gate = Arc::clone(&gate);
        move || async move {
            gate.notified().await;
            Err::<u8, String>(format!("failure {}", runs.add()))
        }
    };
    let all = join_all((0..10).map(|_| cache.get_or_fetch("id", fetch(runs.clone()))));
    let (answers, ()) = tokio::join!(all, async { gate.notify_one() });
    assert!(answers.iter().all(|answer| **answer.as_ref().unwrap_err() == "failure 1"));
    assert_eq!(cache.get("id").await, None);
    gate.notify_one();
    let later = cache.get_or_fetch("id", fetch(runs.clone())).await;
    assert_eq!(*later.unwrap_err(), "failure 2");
    let fetched = cache.get_or_fetch("id", || async { Ok::<_, String>(7) }).await;
    assert_eq!(fetched.unwrap(), 7);
    assert_eq!(cache.get("id").await.unwrap().value, 7, "the failed fetches left no lease that bars it");
}

#[tokio::test]
async fn a_dropped_leader_hands_its_run_over() {
    let cache: Cache<u8> = Cache::new(MemoryStore::new(), "c");
    let (runs, dropped, gate) = (Count::default(), Count::default(), Arc::new(Notify::new()));
    let fetch = || {
        let (runs, guard, gate) = (runs.clone(), OnDrop(dropped.clone()), Arc::clone(&gate));
        move || async move {
            runs.add();
            gate.notified().await;
            std::mem::forget(guard);
            Ok::<_, Infallible>(5)
        }
    };
    let mut leader = Box::pin(cache.get_or_fetch("id", fetch()));
    assert!(poll_immediate(&mut leader).await.is_none());
    let mut waiter = Box::pin(cache.get_or_fetch("id", fetch()));
    assert!(poll_immediate(&mut waiter).await.is_none());
    dropped.0.store(0, Ordering::SeqCst); // the waiter's own fetch was never begun
    drop(leader);
    gate.notify_one();
    assert_eq!(waiter.await.unwrap(), 5);
    assert_eq!((runs.read(), dropped.read()), (1, 0));
    assert_eq!(cache.get("id").await.unwrap().value, 5);
}

#[tokio::test]
async fn the_last_to_leave_drops_the_run_and_the_next_fetch_is_cached() {
    let cache: Cache<u8> = Cache::new(MemoryStore::new(), "c");
    let dropped = Count::default();
    let mut waits: Vec<_> = (0..3)
        .map(|_| {
            let guard = OnDrop(dropped.clone());
            Box::pin(cache.get_or_fetch("id", move || async move {
                let _guard = guard;
                pending::<Result<u8, Infallible>>().await
            }))
        })
        .collect();
    for wait in &mut waits {
        assert!(poll_immediate(wait).await.is_none());
    }
    assert_eq!(dropped.read(), 2, "those that joined never began theirs");
    waits.truncate(1);
    assert_eq!(dropped.read(), 2);
    drop(waits);
    assert_eq!(dropped.read(), 3);
    let fetched = cache.get_or_fetch("id", || async { Ok::<_, Infallible>(6) }).await;
    assert_eq!(fetched.unwrap(), 6);
    assert_eq!(cache.get("id").await.unwrap().value, 6, "the lease left behind was taken up");
}

#[tokio::test]
async fn errors_of_different_types_are_each_their_own() {
    let cache: Cache<u8> = Cache::new(MemoryStore::new(), "c");
    let text = cache.get_or_fetch("id", || async {
        tokio::task::yield_now().await;
        Err::<u8, _>("text")
    });
    let number = cache.get_or_fetch("id", || async {
        tokio::task::yield_now().await;
        Err::<u8, _>(404)
    });
    let (text, number) = tokio::join!(text, number);
    assert_eq!((*text.unwrap_err(), *number.unwrap_err()), ("text", 404));
}

#[tokio::test]
async fn a_single_flight_shares_any_output_and_tells_who_began() {
    let flights: SingleFlight<&str, (u16, Bytes)> = SingleFlight::new();
    let render = || async {
        tokio::task::yield_now().await;
        (200, Bytes::from_static(b"rendered"))
    };
    let (first, second, other) =
        (flights.join("a", render), flights.join("a", render), flights.join("b", render));
    assert_eq!((first.began(), second.began(), other.began()), (true, false, true));
    assert_eq!(flights.in_flight(), 2);
    let (first, second) = tokio::join!(second, first);
    assert_eq!(first, second);
    assert_eq!(first.1.as_ptr(), second.1.as_ptr(), "the bytes are shared, not copied");
    drop(other);
    assert_eq!(flights.in_flight(), 0);
    assert!(flights.join("a", render).began(), "an output is not kept");
}

#[tokio::test]
async fn a_run_moves_to_another_task_with_whoever_waits() {
    let flights: SingleFlight<u8, u8> = SingleFlight::new();
    let gate = Arc::new(Notify::new());
    let waits = Arc::clone(&gate);
    let mut leader = flights.join(1, move || async move {
        waits.notified().await;
        9
    });
    assert!(poll_immediate(&mut leader).await.is_none());
    let waiter = tokio::spawn(flights.join(1, || async { 0 }));
    drop(leader);
    gate.notify_one();
    assert_eq!(waiter.await.unwrap(), 9);
}

#[tokio::test]
async fn who_asks_after_forget_begins_anew_while_the_old_run_goes_on() {
    let flights: SingleFlight<u8, &str> = SingleFlight::new();
    let slow = flights.join(1, || async {
        tokio::task::yield_now().await;
        "old"
    });
    flights.forget(|key| *key == 1);
    let new = flights.join(1, || async {
        tokio::task::yield_now().await;
        "new"
    });
    assert!(new.began());
    assert_eq!(slow.await, "old");
    assert_eq!(flights.in_flight(), 1, "the old run did not take the new one off the list");
    assert_eq!(new.await, "new");
}

#[tokio::test]
async fn a_panic_reaches_each_who_waits_and_nobody_hangs() {
    let flights: SingleFlight<u8, u8> = SingleFlight::new();
    let broken = || async {
        tokio::task::yield_now().await;
        if true { panic!("broken fetch") } else { 0 }
    };
    let waits: Vec<_> = (0..3).map(|_| tokio::spawn(flights.join(1, broken))).collect();
    for wait in waits {
        assert!(wait.await.unwrap_err().is_panic());
    }
    assert_eq!(flights.join(1, || async { 4 }).await, 4);
}

#[tokio::test]
async fn nothing_runs_unless_somebody_polls() {
    let flights: SingleFlight<u8, u8> = SingleFlight::new();
    let runs = Count::default();
    let counted = runs.clone();
    let joined = flights.join(1, move || async move {
        counted.add();
        1
    });
    assert_eq!(runs.read(), 0);
    assert_eq!(joined.now_or_never(), Some(1));
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A cache whose refresh hangs until `gate` opens, begun a second after the ttl.
async fn hung_refresh(clock: &Clock, gate: &Arc<Notify>, dropped: &Count) -> Cache<u8> {
    let cache = Cache::new(ReferenceStore::new(clock), "c").ttl(s(60)).stale_while_revalidate(s(30));
    cache.get_or_fetch("id", || async { Ok::<_, Infallible>(1) }).await.unwrap();
    clock.advance(s(61));
    let (gate, guard) = (Arc::clone(gate), OnDrop(dropped.clone()));
    let hangs = move || async move {
        let _guard = guard;
        gate.notified().await;
        Ok::<_, Infallible>(7)
    };
    assert_eq!(cache.get_or_fetch("id", hangs).await, Ok(1));
    while cache.statistics().fetches < 2 {
        tokio::task::yield_now().await;
    }
    cache
}

/// Both clocks: the store's, and the one by which a run grows old.
async fn pass(clock: &Clock, time: Duration) {
    clock.advance(time);
    tokio::time::advance(time).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// What a caller gets who fetches `value` and waits no longer than ten seconds.
async fn patient(cache: &Cache<u8>, value: u8) -> Option<u8> {
    let asked = cache.get_or_fetch("id", move || async move { Ok::<_, Infallible>(value) });
    tokio::time::timeout(s(10), asked).await.ok().map(Result::unwrap)
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_hangs_ends_once_there_is_nothing_to_replace_and_the_next_who_asks_fetches_anew() {
    let (clock, gate, dropped) = (Clock::manual(), Arc::default(), Count::default());
    let cache = hung_refresh(&clock, &gate, &dropped).await;
    pass(&clock, s(49)).await;
    assert_eq!(patient(&cache, 2).await, None, "the value is gone, and the run is young enough to wait for");
    assert_eq!(dropped.read(), 0);
    pass(&clock, s(1)).await;
    assert_eq!(dropped.read(), 1, "the refresh ended");
    assert_eq!(patient(&cache, 3).await, Some(3));
    assert_eq!(cache.get("id").await.unwrap().value, 3);
}

#[tokio::test(start_paused = true)]
async fn while_a_value_is_stale_a_refresh_that_hangs_does_not_keep_others_from_trying() {
    let (clock, gate, dropped) = (Clock::manual(), Arc::default(), Count::default());
    let cache = hung_refresh(&clock, &gate, &dropped).await.fetch_timeout(s(5));
    pass(&clock, s(5)).await;
    assert_eq!(patient(&cache, 2).await, Some(1), "at once");
    pass(&clock, s(0)).await;
    assert_eq!(patient(&cache, 3).await, Some(2), "refreshed");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_slower_than_a_fetch_may_be_replaces_the_old_value_all_the_same() {
    let (clock, gate, dropped) = (Clock::manual(), Arc::new(Notify::new()), Count::default());
    let cache = hung_refresh(&clock, &gate, &dropped).await.fetch_timeout(s(5));
    pass(&clock, s(20)).await;
    gate.notify_one();
    pass(&clock, s(0)).await;
    assert_eq!(cache.get("id").await.unwrap().value, 7);
}

#[tokio::test(start_paused = true)]
async fn of_refreshes_that_hang_there_are_two_and_no_more() {
    let (clock, dropped) = (Clock::manual(), Count::default());
    let cache: Cache<u8> = Cache::new(ReferenceStore::new(&clock), "c").ttl(s(60)).fetch_timeout(s(5));
    let cache = cache.stale_while_revalidate(s(30));
    cache.get_or_fetch("id", || async { Ok::<_, &str>(1) }).await.unwrap();
    clock.advance(s(61));
    for fails in [false, true, false, false, false] {
        let guard = OnDrop(dropped.clone());
        let refresh = move || async move {
            let _guard = guard;
            if fails { Err("down") } else { pending::<Result<u8, &str>>().await }
        };
        assert_eq!(cache.get_or_fetch("id", refresh).await, Ok(1), "at once");
        pass(&clock, s(5)).await;
    }
    assert_eq!(
        cache.statistics().fetches,
        4,
        "the first value, two that hang, and one that failed beside the first of them"
    );
    pass(&clock, s(60)).await;
    assert_eq!(dropped.read(), 5, "and they end");
    assert_eq!(cache.get_or_fetch("id", || async { Ok::<_, &str>(3) }).await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_a_run_that_grew_old_gets_what_it_fetches() {
    let (clock, gate, dropped) = (Clock::manual(), Arc::new(Notify::new()), Count::default());
    let cache = hung_refresh(&clock, &gate, &dropped).await;
    pass(&clock, s(40)).await;
    let waits = cache.clone();
    let waits =
        tokio::spawn(async move { waits.get_or_fetch("id", || async { Ok::<_, Infallible>(8) }).await });
    pass(&clock, s(0)).await;
    assert_eq!((cache.statistics().misses, cache.statistics().fetches), (2, 2), "it joined");
    pass(&clock, s(30)).await;
    assert_eq!(patient(&cache, 2).await, Some(2), "who asks by now begins anew");
    assert_eq!(dropped.read(), 0, "the old run goes on");
    gate.notify_one();
    assert_eq!(waits.await.unwrap(), Ok(7));
    assert_eq!(cache.get("id").await.unwrap().value, 2, "and fills nothing");
}

#[tokio::test(start_paused = true)]
async fn callers_who_leave_one_after_the_other_do_not_keep_a_run_that_hangs() {
    let clock = Clock::manual();
    let cache: Cache<u8> = Cache::new(ReferenceStore::new(&clock), "c").fetch_timeout(s(30));
    let hangs = || Box::pin(cache.get_or_fetch("id", pending::<Result<u8, Infallible>>));
    let mut waits = hangs();
    for _ in 0..3 {
        assert!(poll_immediate(&mut waits).await.is_none());
        pass(&clock, s(10)).await;
        let mut next = hangs();
        assert!(poll_immediate(&mut next).await.is_none());
        waits = next;
    }
    assert_eq!(cache.statistics().fetches, 2);
    drop(waits);
    assert_eq!(patient(&cache, 2).await, Some(2));
}
