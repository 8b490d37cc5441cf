//! Which store a collection is in, and what the others show of it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use kv_core::testing::{Fault, Faults, Faulty, ReferenceStore};
use kv_core::{
    Change, Clock, ErrorKind, Item, Key, Listing, NewEntry, Outcome, PutMode, Route, Scan, Signal, Store,
    StoreExt,
};
use kv_memory::MemoryStore;

use super::{memory, put};

struct Three {
    store: Route<MemoryStore>,
    first: MemoryStore,
    codes: MemoryStore,
    cache: MemoryStore,
}

/// `codes` stands in one store, all below `cache/` in another, but for `cache/codes`, which is with the codes.
fn three() -> Three {
    let [first, codes, cache] = [(); 3].map(|()| memory());
    let routed = first.clone().routed().collection("codes", codes.clone());
    let store = routed.under("cache/", cache.clone()).collection("cache/codes", codes.clone());
    Three { store, first, codes, cache }
}

async fn names(store: &impl Store, scan: Scan<'_>) -> Vec<(String, String)> {
    let mut items = store.scan_all(scan);
    let mut names = Vec::new();
    while let Some(Item { collection, id, .. }) = items.next().await.unwrap() {
        names.push((collection.into(), id.into()));
    }
    names
}

const COLLECTIONS: [&str; 7] = ["a", "codes", "code", "codes2", "cache/", "cache/x", "cache/codes"];

#[tokio::test]
async fn each_collection_is_in_its_own_store_and_nowhere_else() {
    let Three { store, first, codes, cache } = three();
    for collection in COLLECTIONS {
        let key = Key::new(collection, "1");
        let version = put(&store, key, None).await;
        assert_eq!(store.get(key).await.unwrap().unwrap().version, version);
    }
    let held = async |store: &MemoryStore| -> BTreeSet<String> {
        names(store, Scan::under("")).await.into_iter().map(|(collection, _)| collection).collect()
    };
    assert_eq!(held(&first).await, ["a", "code", "codes2"].map(String::from).into());
    assert_eq!(held(&codes).await, ["cache/codes", "codes"].map(String::from).into());
    assert_eq!(held(&cache).await, ["cache/", "cache/x"].map(String::from).into());
    assert!(store.take(Key::new("codes", "1"), None).await.unwrap().is_some());
    assert!(!codes.exists(Key::new("codes", "1")).await.unwrap());
}

#[tokio::test]
async fn the_longest_route_wins_and_of_two_alike_the_earlier() {
    let [short, long, late] = [(); 3].map(|()| memory());
    let routed = memory().routed().under("a", short.clone()).under("abc", long.clone());
    let store = routed.under("a", late.clone());
    put(&store, Key::new("abcd", "1"), None).await;
    put(&store, Key::new("abx", "1"), None).await;
    assert!(long.exists(Key::new("abcd", "1")).await.unwrap());
    assert!(short.exists(Key::new("abx", "1")).await.unwrap());
    assert_eq!(late.held().entries, 0);
}

#[tokio::test]
async fn a_batch_over_all_stores_keeps_its_order() {
    let Three { store, .. } = three();
    let ids: Vec<String> = (0..70).map(|n| n.to_string()).collect();
    let keys: Vec<Key<'_>> =
        ids.iter().enumerate().map(|(n, id)| Key::new(COLLECTIONS[n % COLLECTIONS.len()], id)).collect();
    let entries = keys.iter().map(|key| (*key, NewEntry::new(key.id.to_owned()))).collect();
    assert!(store.put_many(entries).await.unwrap().iter().all(Result::is_ok));
    let found = store.get_many(&keys).await.unwrap();
    let found: Vec<Bytes> = found.into_iter().map(|answer| answer.unwrap().unwrap().value).collect();
    assert_eq!(found, ids);
    assert!(store.delete_many(&keys).await.unwrap().iter().all(Result::is_ok));
    assert!(store.get_many(&keys).await.unwrap().into_iter().all(|answer| answer.unwrap().is_none()));
}

#[tokio::test]
async fn a_store_of_which_nothing_was_sent_fails_its_own_keys() {
    let (faults, first) = (Faults::none(), memory());
    let store = first.clone().routed().collection("codes", Faulty::new(memory(), &faults));
    let keys = [Key::new("a", "1"), Key::new("codes", "1"), Key::new("a", "2")];
    let batch = || keys.map(|key| (key, NewEntry::new("x"))).into();
    faults.next("put_many", Fault::refused_whole(ErrorKind::Unavailable));
    let answers = store.put_many(batch()).await.unwrap();
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone));
    assert_eq!(error.key(), Some("codes/1"));
    assert!(answers[0].is_ok() && answers[2].is_ok());

    faults.next("put_many", Fault::refused_whole(ErrorKind::Unavailable));
    let error = store.put_many(vec![(keys[1], NewEntry::new("x"))]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "nothing was sent to anybody");
}

#[tokio::test]
async fn a_listing_shows_each_collection_from_its_own_store_once() {
    let Three { store, first, codes, cache } = three();
    let mut expected = BTreeSet::new();
    for collection in COLLECTIONS {
        for n in 0..9 {
            put(&store, Key::new(collection, &n.to_string()), None).await;
            expected.insert((collection.to_owned(), n.to_string()));
        }
    }
    for (leftover, collection) in [(&first, "codes"), (&codes, "cache/x"), (&cache, "a")] {
        put(leftover, Key::new(collection, "left over from before the route"), None).await;
    }
    for limit in [1, 2, 5, 1_000] {
        for start in ["", "c", "cache/", "cache/c", "codes", "none"] {
            let found = names(&store, Scan::under(start).limit(limit)).await;
            let once: BTreeSet<_> = found.iter().cloned().collect();
            assert_eq!(once.len(), found.len(), "{start}");
            let here: BTreeSet<_> =
                expected.iter().filter(|(name, _)| name.starts_with(start)).cloned().collect();
            assert_eq!(once, here, "{start}, {limit} a page");
        }
    }
    assert_eq!(names(&store, Scan::one("codes").limit(4)).await.len(), 9);
    assert_eq!(names(&store, Scan::under("").prefix("3")).await.len(), COLLECTIONS.len());
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_scan_and_routes_only() {
    let Three { store, first, codes, cache } = three();
    for collection in COLLECTIONS {
        put(&store, Key::new(collection, "1"), None).await;
    }
    let page = store.scan(Scan::under("").limit(1), None).await.unwrap();
    let cursor = page.next.unwrap();
    for other in [Scan::under("c"), Scan::under("").prefix("1")] {
        assert_eq!(store.scan(other, Some(&cursor)).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let fewer = first.clone().routed().collection("codes", codes.clone());
    // As many as before, but each in another's place.
    let turned = first.routed().under("cache/", cache).collection("codes", codes.clone());
    let turned = turned.collection("cache/codes", codes);
    for other in [fewer, turned] {
        assert_eq!(other.scan(Scan::under(""), Some(&cursor)).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    store.scan(Scan::under("").limit(7), Some(&cursor)).await.unwrap();
}

#[tokio::test]
async fn topics_and_changes_come_from_the_store_of_their_name() {
    let Three { store, first, codes, .. } = three();
    let mut signals = codes.signals("codes").await.unwrap();
    store.signal("codes", Bytes::from_static(b"m")).await.unwrap();
    assert_eq!(signals.next().await, Some(Signal::Message(Bytes::from_static(b"m"))));

    let mut changes = store.changes().await.unwrap();
    put(&first, Key::new("codes", "not here"), None).await;
    put(&store, Key::new("codes", "here"), None).await;
    loop {
        match changes.next().await.unwrap() {
            Change::All => {}
            Change::Key { collection, id } => {
                assert_eq!((&*collection, &*id), ("codes", "here"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    store.close().await.unwrap();
    while let Some(change) = changes.next().await {
        assert_ne!(change, Change::Key { collection: "codes".to_owned(), id: "not here".to_owned() });
    }
}

#[tokio::test]
async fn the_changes_end_with_those_of_the_first_store_that_ends() {
    let Three { store, codes, .. } = three();
    let mut changes = store.changes().await.unwrap();
    codes.close().await.unwrap();
    let ends = async { while changes.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), ends).await.expect("the other store's changes go on");
}

#[tokio::test]
async fn of_what_the_stores_can_do_the_weakest_is_told() {
    let reference = ReferenceStore::new(&Clock::manual());
    let store = memory().routed();
    assert_eq!(store.capabilities(), memory().capabilities(), "without routes nothing changes");
    let routed = store.collection("a", reference.limited(10));
    assert_eq!(routed.capabilities().max_value, Some(10));
    assert_eq!(routed.capabilities().scan, Listing::Unordered);
    assert_eq!(routed.capabilities().backend, "memory");
    let read_only = memory().routed().collection("a", memory().read_only());
    assert!(!read_only.capabilities().writable);
    let large = NewEntry::new(vec![0; 11]);
    assert_eq!(
        routed.put(Key::new("a", "1"), large, PutMode::Replace).await.unwrap_err().kind(),
        ErrorKind::TooLarge
    );
}

#[tokio::test]
async fn outside_a_prefix_routes_name_what_the_caller_names_and_inside_they_do_not() {
    let (codes, below) = (memory(), memory());
    let key = Key::new("codes", "1");
    put(&below.clone().prefixed("app").routed().collection("codes", codes.clone()), key, None).await;
    assert!(codes.take(key, None).await.unwrap().is_some());
    put(&below.routed().collection("codes", codes.clone()).prefixed("app"), key, None).await;
    assert!(!codes.exists(key).await.unwrap(), "the wrong order: `app/codes` has no route");
}
