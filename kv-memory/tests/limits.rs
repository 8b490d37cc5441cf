//! What a full store does: refuse, or evict on request.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use kv_core::{Clock, ErrorKind, Key, NewEntry, PutMode, Result, Scan, Store, Version};
use kv_memory::{MemoryConfig, MemoryStore, OnFull};

async fn put(store: &MemoryStore, id: &str, bytes: usize) -> Result<Version> {
    store.put(Key::new("c", id), NewEntry::new(vec![7; bytes]), PutMode::Replace).await
}

async fn lives(store: &MemoryStore, id: &str) -> bool {
    store.get(Key::new("c", id)).await.unwrap().is_some()
}

async fn listed(store: &MemoryStore) -> Vec<String> {
    let page = store.scan(Scan::one("c"), None).await.unwrap();
    page.items.into_iter().map(|item| item.id.into()).collect()
}

#[tokio::test]
async fn the_most_entries_are_kept_and_one_more_is_refused() {
    let store = MemoryStore::open(MemoryConfig::default().max_entries(2)).unwrap();
    put(&store, "a", 1).await.unwrap();
    put(&store, "b", 1).await.unwrap();
    assert_eq!(put(&store, "x", 1).await.unwrap_err().kind(), ErrorKind::Full);
    put(&store, "a", 100).await.unwrap();
    store.take(Key::new("c", "b"), None).await.unwrap();
    put(&store, "x", 1).await.unwrap();
    assert_eq!((listed(&store).await, store.held().entries), (vec!["a".to_owned(), "x".to_owned()], 2));
}

#[tokio::test]
async fn names_values_and_tags_count_and_all_is_given_back() {
    let store = MemoryStore::open(MemoryConfig::default().max_bytes(1_000)).unwrap();
    put(&store, "a", 900).await.unwrap();
    let used = store.held().bytes;
    assert!((901..920).contains(&used), "{used}");
    assert_eq!(put(&store, "b", 200).await.unwrap_err().kind(), ErrorKind::Full);
    put(&store, "a", 100).await.unwrap();
    assert_eq!(store.held().bytes, used - 800);
    put(&store, "b", 200).await.unwrap();
    store.delete_many(&[Key::new("c", "a"), Key::new("c", "b")]).await.unwrap();
    let held = store.held();
    assert_eq!((held.entries, held.bytes), (0, 0));
}

#[tokio::test]
async fn a_refused_put_leaves_value_and_room_as_they_were() {
    let store = MemoryStore::open(MemoryConfig::default().max_bytes(1_000)).unwrap();
    let version = put(&store, "a", 500).await.unwrap();
    let before = store.held();
    for refused in [998, 1_001] {
        let kind = put(&store, "a", refused).await.unwrap_err().kind();
        assert_eq!(kind, if refused > 1_000 { ErrorKind::TooLarge } else { ErrorKind::Full });
    }
    let stale = PutMode::Update(Version::random());
    let conflict = store.put(Key::new("c", "a"), NewEntry::new("x"), stale).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    assert_eq!(store.held(), before);
    assert_eq!(store.get(Key::new("c", "a")).await.unwrap().unwrap().version, version);
}

#[tokio::test]
async fn what_has_expired_gives_its_room_to_a_put_that_needs_it() {
    let clock = Clock::manual();
    let store = MemoryStore::open(MemoryConfig::default().max_entries(600).clock(clock.clone())).unwrap();
    for id in 0..600 {
        let entry = NewEntry::new("x").ttl(Duration::from_secs(1));
        store.put(Key::new("c", &id.to_string()), entry, PutMode::Create).await.unwrap();
    }
    assert_eq!(put(&store, "new", 1).await.unwrap_err().kind(), ErrorKind::Full);
    clock.advance(Duration::from_secs(2));
    put(&store, "new", 1).await.unwrap();
    assert!(lives(&store, "new").await);
}

#[tokio::test]
async fn a_put_gets_the_room_of_as_many_expired_entries_as_it_needs() {
    for _ in 0..20 {
        let clock = Clock::manual();
        let store =
            MemoryStore::open(MemoryConfig::default().max_bytes(100_000).clock(clock.clone())).unwrap();
        for id in 0..2_000 {
            let entry = NewEntry::new(vec![0; 40]).ttl(Duration::from_secs(1));
            store.put(Key::new("c", &id.to_string()), entry, PutMode::Create).await.unwrap();
        }
        clock.advance(Duration::from_secs(2));
        put(&store, "large", 90_000).await.unwrap();
        assert_eq!(put(&store, "more", 90_000).await.unwrap_err().kind(), ErrorKind::Full);
    }
}

#[tokio::test]
async fn on_request_the_longest_unused_make_room_and_leave_the_listing_and_the_account() {
    let store = MemoryStore::open(MemoryConfig::default().max_entries(100).on_full(OnFull::Evict)).unwrap();
    assert!(store.capabilities().evicts);
    for id in 0..1_000 {
        put(&store, &format!("{id:04}"), 10).await.unwrap();
    }
    let held = store.held();
    assert_eq!((held.entries, held.bytes), (100, 100 * (3 + 4 + 10)));
    let listed = listed(&store).await;
    assert_eq!(listed.len(), 100);
    assert!(lives(&store, "0999").await && !lives(&store, "0000").await);
    for id in listed {
        store.take(Key::new("c", &id), None).await.unwrap();
    }
    let held = store.held();
    assert_eq!((held.entries, held.bytes), (0, 0));
}

#[tokio::test]
async fn an_evicting_store_keeps_within_its_bytes() {
    let store = MemoryStore::open(MemoryConfig::default().max_bytes(10_000).on_full(OnFull::Evict)).unwrap();
    for id in 0..200 {
        put(&store, &id.to_string(), 500).await.unwrap();
    }
    let held = store.held();
    assert!(held.bytes <= 10_000 && held.entries >= 15, "{held:?}");
    assert!(lives(&store, "199").await, "the newest is not turned away");
}

#[test]
fn evictions_amid_racing_writes_leave_listing_and_account_in_step_with_the_map() {
    let store = MemoryStore::open(MemoryConfig::default().max_entries(100).on_full(OnFull::Evict)).unwrap();
    let run = |seed: usize, store: MemoryStore| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for step in 0..20_000 {
                let id = (step * 7 + seed * 13) % 300;
                match step % 5 {
                    0 => drop(store.take(Key::new("c", &format!("{id:03}")), None).await.unwrap()),
                    _ => drop(put(&store, &format!("{id:03}"), 10).await.unwrap()),
                }
            }
        });
    };
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let store = store.clone();
            scope.spawn(move || run(seed, store));
        }
    });
    let held = store.held();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let listed = runtime.block_on(listed(&store));
    assert!(held.entries <= 100, "{held:?}");
    assert_eq!(listed.len() as u64, held.entries);
    assert_eq!(held.bytes, held.entries * (3 + 3 + 10));
}
