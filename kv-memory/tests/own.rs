//! What only a store in memory does: subscriptions in the process, closing, sweeping on its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use bytes::Bytes;
use kv_core::{Change, Clock, ErrorKind, Key, NewEntry, PutMode, Scan, Signal, Store};
use kv_memory::{MemoryConfig, MemoryStore};

async fn put(store: &MemoryStore, id: &str, ttl: Option<Duration>) {
    store.put(Key::new("c", id), NewEntry::new("v").ttl(ttl), PutMode::Replace).await.unwrap();
}

fn changed(id: &str) -> Change {
    Change::Key { collection: "c".to_owned(), id: id.to_owned() }
}

#[tokio::test]
async fn changes_begin_with_all_and_name_what_was_put_taken_and_swept() {
    let clock = Clock::manual();
    let store = MemoryStore::open(MemoryConfig::default().clock(clock.clone())).unwrap();
    put(&store, "before", None).await;
    let mut changes = store.changes().await.unwrap();
    assert_eq!(changes.next().await, Some(Change::All));
    put(&store, "a", Some(Duration::from_secs(1))).await;
    store.take(Key::new("c", "absent"), None).await.unwrap();
    store.delete_many(&[Key::new("c", "before")]).await.unwrap();
    assert_eq!(changes.next().await, Some(changed("a")));
    assert_eq!(changes.next().await, Some(changed("before")));
    clock.advance(Duration::from_secs(2));
    assert_eq!(changes.next().await, Some(changed("a")));
}

#[tokio::test]
async fn who_listens_too_slowly_is_told_that_something_is_missing() {
    let store = MemoryStore::new();
    let mut changes = store.changes().await.unwrap();
    let mut signals = store.signals("t").await.unwrap();
    assert_eq!(changes.next().await, Some(Change::All));
    for id in 0..1_000 {
        put(&store, &id.to_string(), None).await;
        store.signal("t", Bytes::from(id.to_string())).await.unwrap();
    }
    assert_eq!(changes.next().await, Some(Change::All));
    assert_eq!(signals.next().await, Some(Signal::Gap));
    assert!(matches!(signals.next().await, Some(Signal::Message(_))));
}

#[tokio::test]
async fn a_signal_reaches_its_topic_alone_and_has_a_limit() {
    let store = MemoryStore::new();
    let mut signals = store.signals("t").await.unwrap();
    store.signal("other", Bytes::from_static(b"no")).await.unwrap();
    store.clone().signal("t", Bytes::from_static(b"yes")).await.unwrap();
    assert_eq!(signals.next().await, Some(Signal::Message(Bytes::from_static(b"yes"))));
    let error = store.signal("t", Bytes::from(vec![0; Signal::MAX_BYTES + 1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn closing_ends_every_subscription_and_every_clone() {
    let store = MemoryStore::new();
    let (mut signals, mut changes) = (store.signals("t").await.unwrap(), store.changes().await.unwrap());
    assert_eq!(changes.next().await, Some(Change::All));
    let other = store.clone();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!((signals.next().await, changes.next().await), (None, None));
    assert_eq!(other.get(Key::new("c", "a")).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(other.signals("t").await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn dropping_the_last_handle_ends_every_subscription() {
    let store = MemoryStore::new();
    let (mut signals, mut changes) = (store.signals("t").await.unwrap(), store.changes().await.unwrap());
    drop(store.clone());
    store.signal("t", Bytes::from_static(b"m")).await.unwrap();
    drop(store);
    assert_eq!(signals.next().await, Some(Signal::Message(Bytes::from_static(b"m"))));
    let ended = tokio::time::timeout(Duration::from_secs(10), signals.next()).await;
    assert_eq!(ended.expect("it ends"), None);
    assert_eq!((changes.next().await, changes.next().await), (Some(Change::All), None));
}

#[tokio::test]
async fn a_batch_under_way_ends_before_the_store_does() {
    let store = MemoryStore::new();
    let ids: Vec<_> = (0..5_000).map(|id| id.to_string()).collect();
    let batch = ids.iter().map(|id| (Key::new("c", id), NewEntry::new("v"))).collect();
    let (written, closed) = tokio::join!(store.put_many(batch), store.close());
    closed.unwrap();
    assert!(written.unwrap().iter().all(Result::is_ok));
    assert_eq!(store.held().entries, 5_000);
}

#[tokio::test]
async fn an_idle_store_frees_what_has_expired() {
    let clock = Clock::manual();
    let store = MemoryStore::open(MemoryConfig::default().clock(clock.clone())).unwrap();
    for id in 0..1_000 {
        put(&store, &id.to_string(), Some(Duration::from_secs(1))).await;
    }
    put(&store, "stays", None).await;
    clock.advance(Duration::from_secs(2));
    let started = std::time::Instant::now();
    while store.held().entries > 1 {
        assert!(started.elapsed() < Duration::from_secs(10), "{store:?}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_prefix_of_ids_over_all_collections_is_found_without_reading_the_rest() {
    let store = MemoryStore::new();
    for collection in ["a", "a\0", "b", "c"] {
        for id in (0..500).map(|id| format!("x{id:03}")).chain(["k1".into(), "k2".into(), "z".into()]) {
            store.put(Key::new(collection, &id), NewEntry::new("v"), PutMode::Create).await.unwrap();
        }
    }
    let page = store.scan(Scan::under("").prefix("k"), None).await.unwrap();
    let found: Vec<_> = page.items.iter().map(|item| (&*item.collection, &*item.id)).collect();
    let expected = ["a", "a\0", "b", "c"].map(|collection| [(collection, "k1"), (collection, "k2")]).concat();
    assert_eq!(found, expected);
    assert_eq!(page.next, None);
}

#[test]
fn debug_shows_no_names_and_no_values() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = MemoryStore::new();
    runtime.block_on(put(&store, "secret", None));
    assert_eq!(format!("{store:?}"), "MemoryStore { entries: 1, bytes: 10, .. }");
}
