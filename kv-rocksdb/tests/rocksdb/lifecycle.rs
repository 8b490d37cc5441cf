//! What outlives a process, and what ends with the store.

use std::time::{Duration, Instant};

use kv_core::{Change, Clock, Diagnose, ErrorKind, Key, NewEntry, PutMode, Signal, Store, Verdict};
use kv_rocksdb::{RocksConfig, RocksStore};
use tempfile::TempDir;

use crate::support::{MODES, entries, expected, fill, id, open, put, value};

/// Looks until `wanted` entries are held, of all namespaces, expired ones included.
async fn holds(store: &RocksStore, wanted: u64) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let held = store.held().await.unwrap();
        if held.entries == wanted {
            return;
        }
        assert!(Instant::now() < until, "{held:?} instead of {wanted}");
        tokio::task::yield_now().await;
    }
}

fn with_clock(dir: &TempDir, clock: &Clock) -> RocksConfig {
    let mut config = RocksConfig::new(dir.path());
    config.clock = clock.clone();
    config
}

#[tokio::test]
async fn what_expired_while_nobody_had_the_store_open_is_absent_at_once_and_freed_by_compaction() {
    let (dir, clock) = (TempDir::new().unwrap(), Clock::manual());
    let store = RocksStore::open(with_clock(&dir, &clock)).await.unwrap();
    fill(&store, 0..10).await;
    let ids: Vec<String> = (10..3_000).map(id).collect();
    let ttl = |n: usize| Duration::from_secs(if n < 1_000 { 60 } else { 600 });
    let short = ids.iter().enumerate();
    let short = short.map(|(n, id)| (Key::new("c", id), NewEntry::new("short").ttl(ttl(n))));
    for written in store.put_many(short.collect()).await.unwrap() {
        written.unwrap();
    }
    store.close().await.unwrap();

    clock.advance(Duration::from_secs(120));
    let store = RocksStore::open(with_clock(&dir, &clock)).await.unwrap();
    assert!(store.get(Key::new("c", &ids[0])).await.unwrap().is_none());
    assert_eq!(entries(&store).await.unwrap().len(), 10 + 1_990);
    assert_eq!(store.held().await.unwrap().entries, 3_000, "nobody has looked at them yet");
    store.compact().await.unwrap();
    holds(&store, 10 + 1_990).await;
    clock.advance(Duration::from_secs(600));
    store.compact().await.unwrap();
    holds(&store, 10).await;
    assert_eq!(entries(&store).await.unwrap(), expected(0..10));
    store.close().await.unwrap();
    open(dir.path()).await; // the marker was kept
}

#[tokio::test]
async fn a_store_that_is_well_says_so() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    fill(&store, 0..300).await;
    store.compact().await.unwrap();
    let findings = store.diagnose().await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Good), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.found.contains("about 301 entries")), "{findings:?}");
    store.close().await.unwrap();
    let [closed] = store.diagnose().await.try_into().unwrap();
    assert_eq!(closed.verdict, Verdict::Bad);
}

#[tokio::test]
async fn a_compaction_frees_the_room_of_what_expired() {
    let (dir, clock) = (TempDir::new().unwrap(), Clock::manual());
    let store = RocksStore::open(with_clock(&dir, &clock)).await.unwrap();
    for n in 0..200 {
        let entry = NewEntry::new(vec![u8::try_from(n).unwrap(); 50_000]).ttl(Duration::from_secs(60));
        store.put(Key::new("c", &id(n)), entry, PutMode::Create).await.unwrap();
    }
    store.close().await.unwrap();
    assert!(bytes_below(dir.path()) > 10_000_000);
    clock.advance(Duration::from_secs(61));
    let store = RocksStore::open(with_clock(&dir, &clock)).await.unwrap();
    store.compact().await.unwrap();
    store.close().await.unwrap();
    assert!(bytes_below(dir.path()) < 1_000_000, "{} bytes are left", bytes_below(dir.path()));
}

fn bytes_below(dir: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { bytes_below(&path) } else { path.metadata().unwrap().len() }).sum()
}

#[tokio::test]
async fn the_ttl_goes_on_by_the_wall_clock_while_the_store_is_closed() {
    let (dir, clock) = (TempDir::new().unwrap(), Clock::manual());
    let store = RocksStore::open(with_clock(&dir, &clock)).await.unwrap();
    let entry = NewEntry::new("x").ttl(Duration::from_secs(100));
    let version = store.put(Key::new("c", "k"), entry, PutMode::Create).await.unwrap();
    store.close().await.unwrap();
    clock.advance(Duration::from_secs(30));
    let store = RocksStore::open(with_clock(&dir, &clock)).await.unwrap();
    let found = store.get(Key::new("c", "k")).await.unwrap().unwrap();
    assert_eq!((found.version, found.ttl), (version, Some(Duration::from_secs(70))));
    store.put(Key::new("c", "k"), NewEntry::new("y"), PutMode::Update(version)).await.unwrap();
}

#[tokio::test]
async fn a_write_that_was_replaced_before_its_deadline_is_not_swept() {
    let (dir, clock) = (TempDir::new().unwrap(), Clock::manual());
    let store = RocksStore::open(with_clock(&dir, &clock)).await.unwrap();
    let key = Key::new("c", "k");
    for ttl in [Some(10), Some(5), Some(1_000), None] {
        let entry = NewEntry::new("x").ttl(ttl.map(Duration::from_secs));
        store.put(key, entry, PutMode::Replace).await.unwrap();
    }
    put(&store, 0).await;
    let entry = NewEntry::new("swept").ttl(Duration::from_secs(10));
    store.put(Key::new("c", "short"), entry, PutMode::Create).await.unwrap();
    clock.advance(Duration::from_secs(2_000));
    holds(&store, 2).await;
    assert_eq!(store.get(key).await.unwrap().unwrap().value, "x");
}

#[tokio::test]
async fn closing_waits_for_what_is_in_flight() {
    for durability in MODES {
        let dir = TempDir::new().unwrap();
        let mut config = RocksConfig::new(dir.path());
        config.durability = durability;
        let store = RocksStore::open(config).await.unwrap();
        let writers: Vec<_> = (0..200)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    store.put(Key::new("c", &id(n)), NewEntry::new(value(n)), PutMode::Create).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        store.close().await.unwrap();
        let mut written = 0;
        for writer in writers {
            match writer.await.unwrap() {
                Ok(_) => written += 1,
                Err(e) => assert_eq!(e.kind(), ErrorKind::Closed, "{e:?}"),
            }
        }
        let store = open(dir.path()).await;
        assert_eq!(entries(&store).await.unwrap().len(), written);
    }
}

#[tokio::test]
async fn a_dropped_batch_never_lands_on_a_later_acknowledged_write() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    for round in 0..20_usize {
        let ids: Vec<_> = (0..1_500).map(id).collect();
        let old = ids.iter().map(|id| (Key::new("c", id), NewEntry::new("old"))).collect();
        let mut batch = Box::pin(store.put_many(old));
        assert!(futures_util::poll!(&mut batch).is_pending());
        drop(batch);
        let last = id(1_499 - round);
        store.put(Key::new("c", &last), NewEntry::new("new"), PutMode::Replace).await.unwrap();
        assert_eq!(store.get(Key::new("c", &last)).await.unwrap().unwrap().value, "new");
        store.put(Key::new("c", "behind"), NewEntry::new("all"), PutMode::Replace).await.unwrap();
        assert_eq!(store.get(Key::new("c", &last)).await.unwrap().unwrap().value, "new");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn clones_hear_of_each_others_changes_and_of_what_expired() {
    let (dir, clock) = (TempDir::new().unwrap(), Clock::manual());
    let store = RocksStore::open(with_clock(&dir, &clock)).await.unwrap();
    let mut changes = store.clone().changes().await.unwrap();
    let mut signals = store.clone().signals("topic").await.unwrap();
    assert_eq!(changes.next().await, Some(Change::All));
    let entry = NewEntry::new("x").ttl(Duration::from_secs(1));
    store.put(Key::new("c\0", "k/1"), entry, PutMode::Create).await.unwrap();
    let key = Change::Key { collection: "c\0".into(), id: "k/1".into() };
    assert_eq!(changes.next().await, Some(key.clone()));
    clock.advance(Duration::from_secs(2));
    assert_eq!(changes.next().await, Some(key));
    store.signal("topic", "hello".into()).await.unwrap();
    assert_eq!(signals.next().await, Some(Signal::Message("hello".into())));
    store.close().await.unwrap();
    assert_eq!(signals.next().await, None);
    assert_eq!(changes.next().await, None);
}

#[tokio::test]
async fn who_listens_too_slowly_is_told_that_something_is_missing() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let (mut signals, mut changes) = (store.signals("t").await.unwrap(), store.changes().await.unwrap());
    assert_eq!(changes.next().await, Some(Change::All));
    for _ in 0..65 {
        store.signal("t", "m".into()).await.unwrap();
    }
    fill(&store, 0..1_025).await;
    assert_eq!(signals.next().await, Some(Signal::Gap));
    assert_eq!(signals.next().await, Some(Signal::Message("m".into())));
    assert_eq!(changes.next().await, Some(Change::All));
}

#[tokio::test]
async fn large_values_and_long_names_are_bounded_and_said_so() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    put(&store, 0).await;
    let first = id(0);
    let key = Key::new("c", &first);
    let error = store.put(key, NewEntry::new(vec![0; (100 << 20) + 1]), PutMode::Replace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(store.get(key).await.unwrap().unwrap().value, value(0));
    let long = "x".repeat(1_000_000);
    assert_eq!(store.get(Key::new("c", &long)).await.unwrap_err().kind(), ErrorKind::Invalid);
    let longest = &long[..999_900];
    store.put(Key::new("c", longest), NewEntry::new("y"), PutMode::Create).await.unwrap();
    assert_eq!(store.get(Key::new("c", longest)).await.unwrap().unwrap().value, "y");
    let large = vec![7; 20 << 20];
    store.put(key, NewEntry::new(large.clone()), PutMode::Replace).await.unwrap();
    store.close().await.unwrap();
    let store = open(dir.path()).await;
    assert_eq!(store.get(key).await.unwrap().unwrap().value, large);
}

#[tokio::test]
async fn a_name_that_is_too_long_fails_its_own_place_in_a_batch() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    put(&store, 0).await;
    let (first, long) = (id(0), "x".repeat(1_000_000));
    let keys = [Key::new("c", &long), Key::new("c", &first), Key::new("c", &long)];
    let [before, found, after] = store.get_many(&keys).await.unwrap().try_into().unwrap();
    assert_eq!(found.unwrap().unwrap().value, value(0));
    for error in [before.unwrap_err(), after.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.key().is_some_and(|key| key.starts_with("c/xxx")), "{error}");
    }
}

#[test]
fn a_store_outlives_the_runtime_that_opened_it() {
    let dir = TempDir::new().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime().block_on(open(dir.path()));
    runtime().block_on(fill(&store, 0..5));
    drop(store);
    let store = runtime().block_on(open(dir.path()));
    assert_eq!(runtime().block_on(entries(&store)).unwrap(), expected(0..5));
}
