//! What outlives a process, and what ends with the store.

#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use super::kind::{Kind, Opening, opened};
use super::{entries, expected, fill, id, put, value};
use crate::{Change, Clock, ErrorKind, Key, NewEntry, PutMode, Signal, Store as _};

/// Looks until `wanted` entries are held, of all namespaces, expired ones included.
pub async fn holds<K: Kind>(store: &K::Store, wanted: u64) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let held = K::held(store).await;
        if held == wanted {
            return;
        }
        assert!(Instant::now() < until, "{held} entries instead of {wanted}");
        tokio::task::yield_now().await;
    }
}

/// The ttl goes on by the wall clock while the store is closed.
pub async fn time_goes_on_while_closed<K: Kind>(kind: K, dir: &Path) {
    let (clock, key) = (Clock::manual(), Key::new("c", "k"));
    let store = kind.open(dir, Opening::by(&clock)).await.expect("it opens");
    let entry = NewEntry::new("x").ttl(Duration::from_secs(100));
    let version = store.put(key, entry, PutMode::Create).await.expect("a put");
    store.close().await.expect("it closes");
    clock.advance(Duration::from_secs(30));
    let store = kind.open(dir, Opening::by(&clock)).await.expect("it opens");
    let found = store.get(key).await.expect("a get").expect("the entry");
    assert_eq!((found.version, found.ttl), (version, Some(Duration::from_secs(70))));
    store.put(key, NewEntry::new("y"), PutMode::Update(version)).await.expect("an update");
}

/// A write that was replaced before its deadline is not swept.
pub async fn only_the_last_deadline_counts<K: Kind>(kind: K, dir: &Path) {
    let (clock, key) = (Clock::manual(), Key::new("c", "k"));
    let store = kind.open(dir, Opening::by(&clock)).await.expect("it opens");
    for ttl in [Some(10), Some(5), Some(1_000), None] {
        let entry = NewEntry::new("x").ttl(ttl.map(Duration::from_secs));
        store.put(key, entry, PutMode::Replace).await.expect("a put");
    }
    put(&store, 0).await;
    let entry = NewEntry::new("swept").ttl(Duration::from_secs(10));
    store.put(Key::new("c", "short"), entry, PutMode::Create).await.expect("a put");
    clock.advance(Duration::from_secs(2_000));
    holds::<K>(&store, 2).await;
    assert_eq!(store.get(key).await.expect("a get").expect("the entry").value, "x");
}

/// Closing waits for what is in flight: what was acknowledged is there afterwards, and nothing else.
pub async fn closing_waits<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    let write = |n| {
        let store = store.clone();
        async move { store.put(Key::new("c", &id(n)), NewEntry::new(value(n)), PutMode::Create).await }
    };
    let writers: Vec<_> = (0..200).map(|n| tokio::spawn(write(n))).collect();
    tokio::task::yield_now().await;
    store.close().await.expect("it closes");
    let mut written = 0;
    for writer in writers {
        match writer.await.expect("no panic") {
            Ok(_) => written += 1,
            Err(e) => assert_eq!(e.kind(), ErrorKind::Closed, "{e:?}"),
        }
    }
    assert_eq!(entries(&opened(kind, dir).await).await.expect("a listing").len(), written);
}

/// A dropped batch never lands on a write that was acknowledged later.
pub async fn a_dropped_batch_lands_on_nothing_later<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    let put = async |id: &str, value: &'static str| {
        store.put(Key::new("c", id), NewEntry::new(value), PutMode::Replace).await.expect("a put");
    };
    for round in 0..20_usize {
        let ids: Vec<_> = (0..1_500).map(id).collect();
        let old = ids.iter().map(|id| (Key::new("c", id), NewEntry::new("old"))).collect();
        let mut batch = Box::pin(store.put_many(old));
        assert!(futures_util::poll!(&mut batch).is_pending());
        drop(batch);
        let last = id(1_499 - round);
        for behind in [last.as_str(), "behind"] {
            put(behind, "new").await;
            let found = store.get(Key::new("c", &last)).await.expect("a get").expect("the entry");
            assert_eq!(found.value, "new");
        }
    }
    store.close().await.expect("it closes");
}

/// Clones hear of each other's signals and changes, and of what expired, until the store is closed.
pub async fn clones_hear_of_each_other<K: Kind>(kind: K, dir: &Path) {
    let clock = Clock::manual();
    let store = kind.open(dir, Opening::by(&clock)).await.expect("it opens");
    let mut changes = store.clone().changes().await.expect("changes");
    let mut signals = store.clone().signals("topic").await.expect("signals");
    assert_eq!(changes.next().await, Some(Change::All));
    let entry = NewEntry::new("x").ttl(Duration::from_secs(1));
    store.put(Key::new("c\0", "k/1"), entry, PutMode::Create).await.expect("a put");
    let key = Change::Key { collection: "c\0".into(), id: "k/1".into() };
    assert_eq!(changes.next().await, Some(key.clone()));
    clock.advance(Duration::from_secs(2));
    assert_eq!(changes.next().await, Some(key));
    store.signal("topic", "hello".into()).await.expect("a signal");
    assert_eq!(signals.next().await, Some(Signal::Message("hello".into())));
    store.close().await.expect("it closes");
    assert_eq!(signals.next().await, None);
    assert_eq!(changes.next().await, None);
}

/// Who listens too slowly is told that something is missing.
pub async fn slow_listeners_are_told<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    let mut signals = store.signals("t").await.expect("signals");
    let mut changes = store.changes().await.expect("changes");
    assert_eq!(changes.next().await, Some(Change::All));
    for _ in 0..65 {
        store.signal("t", "m".into()).await.expect("a signal");
    }
    fill(&store, 0..1_025).await;
    assert_eq!(signals.next().await, Some(Signal::Gap));
    assert_eq!(signals.next().await, Some(Signal::Message("m".into())));
    assert_eq!(changes.next().await, Some(Change::All));
}

/// Large values and long names are bounded, and said so.
pub async fn values_and_names_are_bounded<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    put(&store, 0).await;
    let first = id(0);
    let key = Key::new("c", &first);
    let too_large = NewEntry::new(vec![0; (100 << 20) + 1]);
    let error = store.put(key, too_large, PutMode::Replace).await.expect_err("it is too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(store.get(key).await.expect("a get").expect("the old one").value, value(0));
    let (long, longest) = ("x".repeat(1_000_000), "x".repeat(999_900));
    let error = store.get(Key::new("c", &long)).await.expect_err("it is too long");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let longest = Key::new("c", &longest);
    store.put(longest, NewEntry::new("y"), PutMode::Create).await.expect("a put");
    assert_eq!(store.get(longest).await.expect("a get").expect("the entry").value, "y");
    let large = vec![7; 20 << 20];
    store.put(key, NewEntry::new(large.clone()), PutMode::Replace).await.expect("a put");
    store.close().await.expect("it closes");
    let store = opened(kind, dir).await;
    assert_eq!(store.get(key).await.expect("a get").expect("the entry").value, large);
}

/// A name that is too long fails its own place in a batch.
pub async fn a_long_name_fails_its_own_place<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    put(&store, 0).await;
    let (first, long) = (id(0), "x".repeat(1_000_000));
    let keys = [Key::new("c", &long), Key::new("c", &first), Key::new("c", &long)];
    let found = store.get_many(&keys).await.expect("a batch");
    let [before, found, after] = found.try_into().expect("three answers");
    assert_eq!(found.expect("a get").expect("the entry").value, value(0));
    for answer in [before, after] {
        let error = answer.expect_err("it is too long");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.key().is_some_and(|key| key.starts_with("c/xxx")), "{error}");
    }
}

/// A store outlives the runtime that opened it.
pub fn outlives_its_runtime<K: Kind>(kind: K, dir: &Path) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let store = runtime().block_on(opened(kind, dir));
    runtime().block_on(fill(&store, 0..5));
    drop(store);
    let store = runtime().block_on(opened(kind, dir));
    assert_eq!(runtime().block_on(entries(&store)).expect("a listing"), expected(0..5));
}
