//! What is read from the second store, and what never is.

use std::time::Duration;

use bytes::Bytes;
use kv_core::testing::{Fault, Faults, Faulty};
use kv_core::{
    AnyStore, Consistency, Cursor, ErrorKind, Fallback, Item, Key, Listing, NewEntry, PutMode, Scan, Stats,
    Store, StoreExt, Version,
};
use kv_memory::MemoryStore;

use super::{A, HOUR, memory, put};

const B: Key<'static> = Key::new("c", "b");
const DOWN: ErrorKind = ErrorKind::Unavailable;

struct Pair {
    store: Fallback<Faulty<MemoryStore>, Faulty<MemoryStore>>,
    first: MemoryStore,
    second: MemoryStore,
    /// Of the first store, and of the second.
    faults: [Faults; 2],
}

fn pair() -> Pair {
    let (first, second, faults) = (memory(), memory(), [Faults::none(), Faults::none()]);
    let store = Faulty::new(first.clone(), &faults[0]).falling_back(Faulty::new(second.clone(), &faults[1]));
    Pair { store, first, second, faults }
}

async fn set(store: &impl Store, key: Key<'_>, value: &'static str) {
    store.put(key, NewEntry::new(value), PutMode::Replace).await.unwrap();
}

async fn value(store: &impl Store, key: Key<'_>) -> Option<Bytes> {
    store.get(key).await.unwrap().map(|entry| entry.value)
}

#[tokio::test]
async fn reads_come_from_the_second_store_only_while_the_first_is_away() {
    let Pair { store, first, second, faults: [down, _] } = pair();
    set(&first, A, "new").await;
    set(&second, A, "old").await;
    set(&second, B, "only here").await;
    assert_eq!(value(&store, A).await.unwrap(), "new");
    assert_eq!(value(&store, B).await, None, "absent is an answer");
    for kind in [DOWN, ErrorKind::Timeout, ErrorKind::Throttled] {
        down.next("get", Fault::vanished(kind));
        assert_eq!(value(&store, A).await.unwrap(), "old");
    }
    for kind in [ErrorKind::Corrupt, ErrorKind::Denied, ErrorKind::Closed, ErrorKind::Unexpected] {
        down.next("get", Fault::refused(kind));
        assert_eq!(store.get(A).await.unwrap_err().kind(), kind, "that does not pass: it is to be seen");
    }
    assert_eq!(value(&store, A).await.unwrap(), "new");
}

#[tokio::test]
async fn of_a_batch_the_second_store_answers_for_the_keys_that_failed() {
    let Pair { store, first, second, faults: [down, _] } = pair();
    set(&first, A, "a").await;
    set(&first, B, "b").await;
    set(&second, A, "old a").await;
    set(&second, B, "old b").await;
    let read = async || -> Vec<Bytes> {
        let answers = store.get_many(&[A, B, A]).await.unwrap();
        answers.into_iter().map(|answer| answer.unwrap().unwrap().value).collect()
    };
    down.next("get_many", Fault::vanished(DOWN).at_key(1));
    assert_eq!(read().await, ["a", "old b", "a"]);
    down.next("get_many", Fault::refused_whole(DOWN));
    assert_eq!(read().await, ["old a", "old b", "old a"]);
    down.next("get_many", Fault::vanished(DOWN));
    assert_eq!(read().await, ["old a", "old b", "old a"]);
}

#[tokio::test]
async fn if_the_second_store_fails_too_the_first_ones_error_stands() {
    let Pair { store, first, faults: [one, two], .. } = pair();
    set(&first, A, "a").await;
    one.always("*", Fault::vanished(ErrorKind::Throttled));
    two.always("*", Fault::vanished(DOWN));
    assert_eq!(store.get(A).await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!(store.scan(Scan::one("c"), None).await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!(store.get_many(&[A]).await.unwrap()[0].as_ref().unwrap_err().kind(), ErrorKind::Throttled);
}

#[tokio::test]
async fn a_write_and_a_take_never_reach_the_second_store() {
    let Pair { store, second, faults: [down, calls], .. } = pair();
    set(&second, A, "a code").await;
    down.always("*", Fault::refused(DOWN));
    let entry = || NewEntry::new("x");
    for mode in [PutMode::Replace, PutMode::Create, PutMode::Update(Version::random())] {
        assert_eq!(store.put(A, entry(), mode).await.unwrap_err().kind(), DOWN);
    }
    assert_eq!(store.take(A, None).await.unwrap_err().kind(), DOWN);
    assert!(store.put_many(vec![(A, entry())]).await.unwrap()[0].is_err());
    assert!(store.delete_many(&[A]).await.unwrap()[0].is_err());
    assert!(store.signal("t", Bytes::new()).await.is_err());
    assert!(store.signals("t").await.is_err() && store.changes().await.is_err());
    assert_eq!(calls.calls(), [""; 0]);
    assert_eq!(value(&second, A).await.unwrap(), "a code");
}

#[tokio::test]
async fn a_listing_stays_on_the_store_where_it_began() {
    let Pair { store, first, second, faults: [down, _] } = pair();
    for n in 0..6 {
        put(&first, Key::new("c", &format!("first {n}")), None).await;
        put(&second, Key::new("c", &format!("second {n}")), None).await;
    }
    for (fault, here) in [(None, "first"), (Some(Fault::vanished(DOWN)), "second")] {
        if let Some(fault) = fault {
            down.next("scan", fault);
        }
        let mut pages = store.scan_all(Scan::one("c").limit(4));
        let mut ids = Vec::new();
        while let Some(Item { id, .. }) = pages.next().await.unwrap() {
            ids.push(id);
        }
        assert_eq!(ids.len(), 6);
        assert!(ids.iter().all(|id| id.starts_with(here)), "{ids:?}");
    }
    let page = store.scan(Scan::one("c").limit(4), None).await.unwrap();
    down.next("scan", Fault::vanished(DOWN));
    let error = store.scan(Scan::one("c").limit(4), page.next.as_ref()).await.unwrap_err();
    assert_eq!(error.kind(), DOWN, "a listing cannot change its store halfway");
    let odd = Cursor::from_bytes(vec![9, 9]);
    assert_eq!(store.scan(Scan::one("c"), Some(&odd)).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn it_promises_no_more_than_best_effort_and_closes_both() {
    let Pair { store, first, second, .. } = pair();
    assert_eq!(store.capabilities().consistency, Consistency::BestEffort);
    store.close().await.unwrap();
    assert_eq!(first.get(A).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(second.get(A).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(store.get(A).await.unwrap_err().kind(), ErrorKind::Closed, "closed is not away");
}

#[tokio::test]
async fn it_lists_in_order_only_if_both_stores_do() {
    let ordered = memory().falling_back(memory());
    assert_eq!(ordered.capabilities().scan, Listing::Ordered);
    let routed = || memory().routed().collection("elsewhere", memory());
    assert_eq!(memory().falling_back(routed()).capabilities().scan, Listing::Unordered);
    assert_eq!(routed().falling_back(memory()).capabilities().scan, Listing::Unordered);
}

#[test]
fn that_it_reads_elsewhere_is_told_through_every_wrapper_and_of_no_other_store() {
    let wrappers: Vec<fn(AnyStore) -> AnyStore> = vec![
        |store| store.clone(),
        |store| store.prefixed("p").erased(),
        |store| store.read_only().erased(),
        |store| store.default_ttl(HOUR).erased(),
        |store| store.timeout(HOUR).erased(),
        |store| store.retried().erased(),
        |store| store.limited(1_000).erased(),
        |store| memory().routed().collection("c", store).erased(),
        |store| store.routed().collection("c", memory()).erased(),
        |store| store.counted(&Stats::new()).erased(),
        |store| Faulty::new(store, &Faults::none()).erased(),
        #[cfg(feature = "compress")]
        |store| store.compressed().erased(),
        #[cfg(feature = "metrics")]
        |store| store.metered().erased(),
        #[cfg(feature = "tracing")]
        |store| store.traced().erased(),
    ];
    for (at, wrap) in wrappers.into_iter().enumerate() {
        let told = |store: AnyStore| wrap(store).capabilities().reads_elsewhere;
        assert!(told(memory().falling_back(memory()).erased()), "wrapper {at}");
        assert!(!told(memory().erased()), "wrapper {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_timeout_of_its_own_a_first_store_that_hangs_gives_way_and_without_it_does_not() {
    let second = memory();
    set(&second, A, "old").await;
    let hanging = || {
        let faults = Faults::none();
        faults.always("*", Fault::hanging());
        Faulty::new(memory(), &faults)
    };
    let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
    let right = hanging().timeout(one).falling_back(second.clone()).timeout(two);
    assert_eq!(value(&right, A).await.unwrap(), "old");
    let wrong = hanging().falling_back(second).timeout(two);
    assert_eq!(wrong.get(A).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn inside_the_retry_the_second_store_is_asked_before_anybody_waits_and_outside_after_all_tries() {
    let second = memory();
    set(&second, A, "old").await;
    let faults = Faults::none();
    faults.always("*", Fault::vanished(DOWN));
    let down = || Faulty::new(memory(), &faults);
    assert_eq!(value(&down().falling_back(second.clone()).retried(), A).await.unwrap(), "old");
    assert_eq!(faults.calls(), ["get"]);
    assert_eq!(value(&down().retried().falling_back(second), A).await.unwrap(), "old");
    assert_eq!(faults.calls(), ["get"; 3], "the wrong order: every read waits for three tries first");
}
