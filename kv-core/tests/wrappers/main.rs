//! What each wrapper adds, beside the laws that all of them pass.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    Change, Clock, Cursor, ErrorKind, Item, Key, NewEntry, Outcome, PutMode, Scan, Signal, Store, StoreExt,
    TtlPolicy, Version,
};
use kv_memory::{MemoryConfig, MemoryStore};
use support::Recording;

mod fallback;
#[cfg(feature = "metrics")]
mod metered;
mod retry;
mod route;
mod size_limit;
mod stats;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "tracing")]
mod traced;

const A: Key<'static> = Key::new("c", "a");
const HOUR: Duration = Duration::from_secs(3600);

fn memory() -> MemoryStore {
    MemoryStore::open(MemoryConfig::default().clock(Clock::manual())).unwrap()
}

async fn put(store: &impl Store, key: Key<'_>, ttl: impl Into<Option<Duration>>) -> Version {
    store.put(key, NewEntry::new("value").ttl(ttl), PutMode::Replace).await.unwrap()
}

async fn all(store: &impl Store) -> Vec<(String, String)> {
    let mut items = store.scan_all(Scan::under(""));
    let mut names = Vec::new();
    while let Some(Item { collection, id, .. }) = items.next().await.unwrap() {
        names.push((collection.into(), id.into()));
    }
    names
}

/// Calls each operation once through `wrapped` and looks at what arrived.
async fn forwards_everything_once<W: Store>(wrap: impl Fn(Recording<MemoryStore>) -> W) {
    let below = Recording::new(memory());
    let wrapped = wrap(below.clone());
    let keys = [A, Key::new("c", "b")];
    let entries = vec![(A, NewEntry::new("1")), (keys[1], NewEntry::new("2"))];
    assert!(wrapped.put_many(entries).await.unwrap().iter().all(Result::is_ok));
    let values = wrapped.get_many(&keys).await.unwrap();
    assert_eq!(values.into_iter().map(|v| v.unwrap().unwrap().value).collect::<Vec<_>>(), ["1", "2"]);
    let version = wrapped.put(A, NewEntry::new("3"), PutMode::Replace).await.unwrap();
    let read = wrapped.get(A).await.unwrap().unwrap();
    assert_eq!((read.version, &read.value[..]), (version, &b"3"[..]));
    assert_eq!(wrapped.scan(Scan::one("c").values(), None).await.unwrap().items.len(), 2);
    assert_eq!(wrapped.take(A, Some(version)).await.unwrap().unwrap().value, "3");
    wrapped.delete_many(&keys).await.unwrap();
    let mut signals = wrapped.signals("t").await.unwrap();
    wrapped.signal("t", Bytes::from_static(b"m")).await.unwrap();
    assert_eq!(signals.next().await, Some(Signal::Message(Bytes::from_static(b"m"))));
    assert_eq!(wrapped.changes().await.unwrap().next().await, Some(Change::All));
    assert_eq!(wrapped.capabilities().backend, below.capabilities().backend);
    wrapped.close().await.unwrap();
    assert_eq!(
        below.calls(),
        [
            "put_many",
            "get_many",
            "put",
            "get",
            "scan",
            "take",
            "delete_many",
            "signals",
            "signal",
            "changes",
            "close"
        ]
    );
    assert_eq!(wrapped.get(A).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn each_wrapper_forwards_each_operation_once_and_batches_as_batches() {
    forwards_everything_once(|store| store.prefixed("p")).await;
    forwards_everything_once(|store| store.default_ttl(HOUR)).await;
    forwards_everything_once(StoreExt::retried).await;
    forwards_everything_once(|store| store.limited(1)).await;
    forwards_everything_once(|store| store.falling_back(memory())).await;
    forwards_everything_once(StoreExt::routed).await;
    forwards_everything_once(|store| store.routed().under("elsewhere", memory())).await;
    forwards_everything_once(|store| memory().routed().under("", store)).await;
    forwards_everything_once(|store| store.counted(&kv_core::Stats::new())).await;
    #[cfg(feature = "metrics")]
    forwards_everything_once(StoreExt::metered).await;
    #[cfg(feature = "tracing")]
    forwards_everything_once(StoreExt::traced).await;
    forwards_everything_once(|store| store.timeout(HOUR)).await;
    forwards_everything_once(StoreExt::erased).await;
    #[cfg(feature = "compress")]
    forwards_everything_once(StoreExt::compressed).await;
}

#[tokio::test]
async fn prefixes_of_any_characters_never_share_a_key() {
    let bare = memory();
    let prefixes = ["", "a", "a/", "a/b", "a%2F", "%", "%25", "/", "a%", "ä"];
    for prefix in prefixes {
        for collection in ["", "b", "/b", "b/", "2F"] {
            put(&bare.clone().prefixed(prefix), Key::new(collection, prefix), None).await;
        }
    }
    assert_eq!(all(&bare).await.len(), prefixes.len() * 5);
    for prefix in prefixes {
        let names = all(&bare.clone().prefixed(prefix)).await;
        assert_eq!(names.len(), 5, "{prefix}: {names:?}");
        assert!(names.iter().all(|(_, id)| id == prefix), "{prefix}: {names:?}");
    }
}

#[tokio::test]
async fn a_prefix_on_a_prefix_lies_inside_it_and_the_bare_store_sees_both() {
    let bare = memory();
    let outer = bare.clone().prefixed("a/b");
    put(&outer.clone().prefixed("c"), Key::new("d", "id"), None).await;
    assert_eq!(all(&outer).await, [("c/d".to_owned(), "id".to_owned())]);
    assert_eq!(all(&bare).await, [("a%2Fb/c/d".to_owned(), "id".to_owned())]);
}

#[tokio::test]
async fn under_a_prefix_lists_byte_prefixes_of_the_callers_names_page_by_page() {
    let store = memory().prefixed("p");
    for collection in ["ab", "abc", "b"] {
        for id in ["1", "2"] {
            put(&store, Key::new(collection, id), None).await;
        }
    }
    let (mut names, mut from) = (Vec::new(), None);
    loop {
        let page = store.scan(Scan::under("a").limit(1), from.as_ref()).await.unwrap();
        names.extend(page.items.into_iter().map(|item| [&*item.collection, &*item.id].concat()));
        let Some(next) = page.next else { break };
        from = Some(Cursor::from_bytes(next.as_bytes().clone()));
    }
    assert_eq!(names, ["ab1", "ab2", "abc1", "abc2"]);
}

#[tokio::test]
async fn under_a_prefix_topics_and_changes_are_its_own() {
    let bare = memory();
    let (p, q) = (bare.clone().prefixed("p"), bare.clone().prefixed("q"));
    let (mut signals, mut changes) = (p.signals("t").await.unwrap(), p.changes().await.unwrap());
    q.signal("t", Bytes::from_static(b"q")).await.unwrap();
    bare.signal("p/t", Bytes::from_static(b"bare")).await.unwrap();
    assert_eq!(signals.next().await, Some(Signal::Message(Bytes::from_static(b"bare"))));
    assert_eq!(changes.next().await, Some(Change::All));
    put(&q, A, None).await;
    put(&p, A, None).await;
    let own = Change::Key { collection: "c".to_owned(), id: "a".to_owned() };
    assert_eq!(changes.next().await, Some(own));
    bare.close().await.unwrap();
    assert_eq!(signals.next().await, None);
    assert_eq!(changes.next().await, None);
}

#[tokio::test]
async fn errors_under_a_prefix_show_the_callers_names() {
    let store = memory().prefixed("secret-tenant");
    put(&store, A, None).await;
    let error = store.put(A, NewEntry::new("x"), PutMode::Create).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::AlreadyExists, Some("c/a")));
    let entries = vec![(A, NewEntry::new("x")), (Key::new("c", "b"), NewEntry::new("x").ttl(Duration::ZERO))];
    let answers = store.put_many(entries).await.unwrap();
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!(error.key(), Some("c/b"));
    assert!(!format!("{error} {error:?}").contains("secret-tenant"));
}

#[cfg(feature = "compress")]
#[tokio::test]
async fn an_error_of_a_scan_under_a_prefix_shows_the_callers_name() {
    let bare = memory();
    put(&bare.clone().prefixed("secret-tenant"), A, None).await; // "value" was not written by the wrapper below
    let store = bare.compressed().prefixed("secret-tenant");
    let error = store.scan(Scan::one("c").values(), None).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("c/a")));
    assert!(!format!("{error} {error:?}").contains("secret-tenant"));
}

#[cfg(feature = "compress")]
#[tokio::test]
async fn a_scan_passes_over_damaged_entries_through_wrappers_and_tells_them_by_the_callers_names() {
    let (bare, other) = (memory(), memory());
    let packed = |bare: &MemoryStore| bare.clone().compressed().prefixed("p");
    for (bare, collection) in [(&bare, "c"), (&other, "d")] {
        for id in ["a", "b", "c"] {
            put(&packed(bare), Key::new(collection, id), None).await;
        }
        put(&bare.clone().prefixed("p"), Key::new(collection, "b"), None).await; // by nobody who compresses
    }
    let store = packed(&bare).erased().routed().collection("d", packed(&other).erased()).retried();
    for limit in [1, 2, 1_000] {
        let (mut names, mut damaged, mut from) = (Vec::new(), Vec::new(), None);
        loop {
            let scan = Scan::under("").values().limit(limit).skip_damaged();
            let page = store.scan(scan, from.as_ref()).await.unwrap();
            assert!(page.items.len() + page.damaged.len() <= limit);
            names.extend(page.items.into_iter().map(|item| [&*item.collection, &*item.id].concat()));
            for one in page.damaged {
                assert_eq!((one.error.kind(), one.error.operation()), (ErrorKind::Corrupt, Some("scan")));
                assert_eq!(one.error.key(), one.name.as_ref().map(|(c, id)| format!("{c}/{id}")).as_deref());
                damaged.push(one.name.unwrap());
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        names.sort_unstable();
        damaged.sort_unstable();
        assert_eq!(names, ["ca", "cc", "da", "dc"], "{limit}");
        assert_eq!(damaged, [("c".to_owned(), "b".to_owned()), ("d".to_owned(), "b".to_owned())]);
    }
    assert_eq!(store.scan(Scan::one("c").values(), None).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_read_only_store_reads_and_refuses_every_write_before_anything_is_sent() {
    let below = Recording::new(memory());
    put(&below, A, None).await;
    below.calls();
    let store = below.clone().read_only();
    assert!(!store.capabilities().writable);
    let errors = [
        store.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap_err(),
        store.take(A, None).await.unwrap_err(),
        store.put_many(vec![(A, NewEntry::new("x"))]).await.unwrap_err(),
        store.delete_many(&[A]).await.unwrap_err(),
        store.delete(A).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unsupported, Outcome::NotDone));
    }
    assert_eq!(below.calls(), [""; 0]);
    assert_eq!(store.get(A).await.unwrap().unwrap().value, "value");
    assert_eq!(store.get_many(&[A]).await.unwrap().len(), 1);
    assert_eq!(all(&store).await.len(), 1);
    let mut signals = store.signals("t").await.unwrap();
    store.signal("t", Bytes::new()).await.unwrap();
    assert!(signals.next().await.is_some());
    assert_eq!(store.changes().await.unwrap().next().await, Some(Change::All));
}

#[cfg(feature = "compress")]
#[tokio::test]
async fn a_page_of_compressed_values_is_bounded_by_what_they_grow_to() {
    let store = memory().compressed();
    for n in 0..30 {
        let large = NewEntry::new(vec![n; 1 << 20]);
        store.put(Key::new("c", &format!("{n:02}")), large, PutMode::Replace).await.unwrap();
    }
    let mut pages = store.scan_all(Scan::one("c").values());
    let mut lengths = Vec::new();
    while let Some(items) = pages.page().await.unwrap() {
        lengths.push(items.len());
    }
    assert_eq!(lengths, [8, 8, 8, 6]);
    assert_eq!(store.scan(Scan::one("c"), None).await.unwrap().items.len(), 30, "ids alone take no room");
}

/// How often a future yields before it is done.
#[cfg(feature = "compress")]
fn yields(future: impl Future) -> usize {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::iter::repeat_with(|| future.as_mut().poll(&mut context))
        .take_while(std::task::Poll::is_pending)
        .count()
}

#[cfg(feature = "compress")]
#[test]
fn a_batch_of_compressed_values_yields_more_often_than_the_store_below() {
    let (below, above) = (memory(), memory().compressed());
    let ids: Vec<_> = (0..640).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let batch = || keys.iter().map(|key| (*key, NewEntry::new(vec![7; 200]))).collect();
    assert!(yields(above.put_many(batch())) >= yields(below.put_many(batch())) + 9);
    assert!(yields(above.get_many(&keys)) >= yields(below.get_many(&keys)) + 9);
    let scan = || Scan::one("c").values();
    assert!(yields(above.scan(scan(), None)) >= yields(below.scan(scan(), None)) + 9);
}

#[cfg(feature = "compress")]
#[tokio::test]
async fn compressed_values_are_small_below_and_whole_above() {
    let bare = memory();
    let store = bare.clone().compressed().level(19);
    let value = Bytes::from(vec![b'x'; 10_000]);
    store.put(A, NewEntry::new(value.clone()), PutMode::Replace).await.unwrap();
    assert_eq!(store.get(A).await.unwrap().unwrap().value, value);
    assert!(bare.get(A).await.unwrap().unwrap().value.len() < 100);
}

#[cfg(feature = "compress")]
#[tokio::test]
async fn a_take_of_what_cannot_be_unpacked_says_that_it_is_gone() {
    let bare = memory();
    put(&bare, A, None).await; // "value" begins with neither marker
    let store = bare.compressed();
    assert_eq!(store.get(A).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let error = store.take(A, None).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Corrupt, Outcome::Unknown));
    assert!(error.message().contains("removed"), "{error}");
    assert!(!store.exists(A).await.unwrap());
}

async fn left(store: &impl Store, ttl: impl Into<Option<Duration>>) -> Option<Duration> {
    put(store, A, ttl).await;
    let single = store.get(A).await.unwrap().unwrap().ttl;
    let entries = vec![(A, NewEntry::new("").ttl(single))];
    store.put_many(entries).await.unwrap();
    assert_eq!(store.get(A).await.unwrap().unwrap().ttl, single, "a batch gives the same");
    single
}

#[tokio::test]
async fn a_ttl_policy_gives_defaults_and_bounds() {
    let secs = Duration::from_secs;
    let nothing = TtlPolicy::new(memory());
    assert_eq!(left(&nothing, None).await, None);
    assert_eq!(left(&nothing, secs(5)).await, Some(secs(5)));
    let default = memory().default_ttl(secs(60));
    assert_eq!(left(&default, None).await, Some(secs(60)));
    assert_eq!(left(&default, secs(5)).await, Some(secs(5)));
    let clamped = memory().clamp_ttl(secs(10), secs(100));
    assert_eq!(left(&clamped, None).await, Some(secs(100)));
    assert_eq!(left(&clamped, secs(5)).await, Some(secs(10)));
    assert_eq!(left(&clamped, secs(50)).await, Some(secs(50)));
    assert_eq!(left(&clamped, HOUR).await, Some(secs(100)));
}

#[tokio::test]
async fn a_ttl_policy_repairs_no_ttl_that_is_invalid() {
    let store = memory().clamp_ttl(Duration::from_secs(10), HOUR);
    for ttl in [Duration::ZERO, Duration::MAX] {
        let error = store.put(A, NewEntry::new("x").ttl(ttl), PutMode::Replace).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let answers = store.put_many(vec![(A, NewEntry::new("x").ttl(ttl))]).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn jitter_shortens_within_its_bound_and_differs() {
    let store = memory().default_ttl(HOUR).jitter(20);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        put(&store, A, None).await;
        let ttl = store.get(A).await.unwrap().unwrap().ttl.unwrap();
        assert!(ttl <= HOUR && ttl >= HOUR.mul_f64(0.8), "{ttl:?}");
        seen.insert(ttl);
    }
    assert!(seen.len() > 10, "{seen:?}");
    let floor = memory().default_ttl(HOUR).jitter(100).at_least(HOUR);
    assert_eq!(left(&floor, None).await, Some(HOUR));
    put(&memory().default_ttl(Duration::from_millis(1)).jitter(100), A, None).await; // never zero
}

#[tokio::test(start_paused = true)]
async fn jitter_is_taken_off_once_however_often_an_entry_is_updated() {
    let store = memory().default_ttl(HOUR).jitter(10);
    let counters = store.collection::<u64>("counters");
    let key = Key::new("counters", "n");
    let mut ttls = std::collections::BTreeSet::new();
    for _ in 0..100 {
        counters.update_with("n", |n| Some(n.unwrap_or_default() + 1)).await.unwrap();
        store.update_with(key, |value| value).await.unwrap();
        ttls.insert(store.get(key).await.unwrap().unwrap().ttl);
    }
    assert_eq!((counters.get("n").await.unwrap(), ttls.len()), (Some(100), 1), "{ttls:?}");
}

#[tokio::test]
async fn jitter_is_taken_off_what_the_upper_bound_leaves() {
    let store = memory().clamp_ttl(Duration::ZERO, HOUR).jitter(20);
    for asked in [Some(10 * HOUR), None] {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let ttl = left_of_one(&store, asked).await;
            assert!(ttl <= HOUR && ttl >= HOUR.mul_f64(0.8), "{ttl:?}");
            seen.insert(ttl);
        }
        assert!(seen.len() > 10, "{seen:?}");
    }
    let narrow = memory().clamp_ttl(2 * HOUR, HOUR).jitter(50);
    assert_eq!(
        left_of_one(&narrow, None).await,
        HOUR,
        "the upper bound wins, and no jitter goes below the lower"
    );
}

async fn left_of_one(store: &impl Store, asked: Option<Duration>) -> Duration {
    put(store, A, asked).await;
    store.get(A).await.unwrap().unwrap().ttl.unwrap()
}

#[tokio::test]
async fn destroy_removes_one_collection_and_says_how_much() {
    let store = memory();
    for n in 0..2_500 {
        put(&store, Key::new("many", &n.to_string()), None).await;
    }
    put(&store, Key::new("many2", "stays"), None).await;
    assert_eq!(store.destroy("many").await.unwrap(), 2_500);
    assert_eq!(store.destroy("many").await.unwrap(), 0);
    assert_eq!(all(&store).await, [("many2".to_owned(), "stays".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn shorthands_do_what_they_say() {
    let store = memory();
    assert!(!store.exists(A).await.unwrap());
    store.delete(A).await.unwrap();
    put(&store, A, HOUR).await;
    assert!(store.exists(A).await.unwrap());
    let longer = |old: Option<Bytes>| old.map(|old| Bytes::from([&old[..], b"!"].concat()));
    assert_eq!(store.update_with(A, longer).await.unwrap().unwrap(), "value!");
    assert_eq!(store.get(A).await.unwrap().unwrap().ttl, Some(HOUR), "what was left stays");
    assert_eq!(store.update_with(A, |_| None).await.unwrap(), None);
    assert!(!store.exists(A).await.unwrap());
    assert_eq!(store.update_with(A, longer).await.unwrap(), None);
    assert!(!store.exists(A).await.unwrap());
}
