//! What is counted, and when.

use std::time::Duration;

use bytes::Bytes;
use kv_core::testing::{Fault, Faults, Faulty};
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Stats, Store, StoreExt};

use super::{A, memory, put};

const B: Key<'static> = Key::new("c", "b");

#[tokio::test]
async fn calls_keys_hits_bytes_and_errors_are_counted() {
    let (stats, faults) = (Stats::new(), Faults::none());
    let store = Faulty::new(memory(), &faults).counted(&stats);
    assert!(stats.snapshot().operations.is_empty());
    assert_eq!(stats.snapshot().hit_rate(), None);
    put(&store, A, None).await; // 5 bytes
    store.get(A).await.unwrap();
    store.get(B).await.unwrap();
    store.get_many(&[A, A, B, A]).await.unwrap();
    let taken = store.put(A, NewEntry::new("x"), PutMode::Create).await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AlreadyExists);
    faults.next("delete_many", Fault::refused(ErrorKind::Throttled).at_key(1));
    store.delete_many(&[A, B]).await.unwrap();

    let now = stats.snapshot();
    let get = now.operation("get").unwrap();
    assert_eq!((get.ok, get.keys, get.hits, get.misses, get.bytes_out), (2, 2, 1, 1, 5));
    assert_eq!(get.hit_rate(), Some(0.5));
    let many = now.operation("get_many").unwrap();
    assert_eq!((many.ok, many.keys, many.hits, many.misses, many.bytes_out), (1, 4, 3, 1, 15));
    let put = now.operation("put").unwrap();
    assert_eq!((put.ok, put.failed(), put.bytes_in, put.bytes_out), (1, 1, 6, 0));
    assert_eq!(put.errors, [(ErrorKind::AlreadyExists, 1)]);
    let delete = now.operation("delete_many").unwrap();
    assert_eq!((delete.ok, delete.keys, delete.failed_keys, delete.hit_rate()), (1, 2, 1, None));
    assert_eq!(now.hit_rate(), Some(4.0 / 6.0));
    assert!(now.operation("take").is_none(), "never called");
}

#[tokio::test(start_paused = true)]
async fn latencies_are_counted_to_a_quarter_and_the_slowest_exactly() {
    let (stats, faults) = (Stats::new(), Faults::none());
    let store = Faulty::new(memory(), &faults).counted(&stats);
    let ms = Duration::from_millis;
    for n in 1..=100 {
        faults.next("get", Fault::delayed(ms(n)));
        store.get(A).await.unwrap();
    }
    let latency = stats.snapshot().operation("get").unwrap().latency;
    for (found, exact) in [(latency.p50, ms(50)), (latency.p90, ms(90)), (latency.p99, ms(99))] {
        assert!(found >= exact && found <= exact.mul_f64(1.3), "{found:?} for {exact:?}");
    }
    assert!(latency.max >= ms(100) && latency.max < ms(102), "{latency:?}");
    assert!(latency.mean >= ms(50) && latency.mean < ms(53), "{latency:?}");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_is_counted_as_dropped_and_who_waits_as_in_flight() {
    let (stats, faults) = (Stats::new(), Faults::none());
    let store = Faulty::new(memory(), &faults).counted(&stats);
    faults.always("take", Fault::hanging());
    let mut waiting = Box::pin(store.take(A, None));
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut waiting).await.is_err());
    let take = stats.snapshot().operation("take").unwrap().clone();
    assert_eq!((take.in_flight, take.dropped, take.ok), (1, 0, 0));
    drop(waiting);
    let take = stats.snapshot().operation("take").unwrap().clone();
    assert_eq!((take.in_flight, take.dropped, take.ok), (0, 1, 0));
    assert_eq!(take.latency, kv_core::Latency::default(), "nobody knows how long it would have taken");
}

#[tokio::test]
async fn clones_and_several_stores_count_together() {
    let stats = Stats::new();
    let (one, two) = (memory().counted(&stats), memory().counted(&stats));
    for store in [one.clone(), one, two] {
        store.signal("t", Bytes::new()).await.unwrap();
    }
    assert_eq!(stats.snapshot().operation("signal").unwrap().ok, 3);
}

#[tokio::test(start_paused = true)]
async fn outside_the_retry_it_counts_calls_and_inside_tries() {
    let (outside, inside, faults) = (Stats::new(), Stats::new(), Faults::none());
    faults.next("get", Fault::refused(ErrorKind::Unavailable));
    let store = Faulty::new(memory(), &faults).counted(&inside).retried().counted(&outside);
    store.get(A).await.unwrap();
    let counts = |stats: &Stats| stats.snapshot().operation("get").map(|get| (get.ok, get.failed()));
    assert_eq!((counts(&outside), counts(&inside)), (Some((1, 0)), Some((1, 1))));
}
