//! Rotation brings a store to the active key while it is in use, and loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::common::{CIPHERS, KEY, bottom, put, raw, ring, sealed_by, tagged};
use crate::odd::Odd;
use bytes::Bytes;
use kv_core::testing::{Fault, Faults, Faulty, ReferenceStore};
use kv_core::{Clock, ErrorKind, Key, Meta, NewEntry, PutMode, Store};
use kv_encrypt::{Cipher, Encrypted, Mode};

async fn fill(store: &impl Store, collection: &str, count: usize) {
    for index in 0..count {
        let id = index.to_string();
        put(store, Key::new(collection, &id), id.clone(), tagged()).await;
    }
}

#[tokio::test]
async fn everything_is_brought_to_the_active_key_and_form() {
    for cipher in CIPHERS {
        let bottom = bottom();
        fill(&sealed_by(&bottom, &[1], Cipher::Aead), "old/aead", 1_200).await;
        fill(&sealed_by(&bottom, &[1], Cipher::Fernet), "old/fernet", 100).await;
        fill(&sealed_by(&bottom, &[2], cipher), "new", 10).await;
        let store = sealed_by(&bottom, &[2, 1], cipher);
        let mut reports = Vec::new();
        let done = store.rotate(|counts| reports.push(counts.clone())).await.unwrap();
        assert_eq!((done.rotated, done.already, done.unreadable, done.conflicts), (1_300, 10, 0, 0));
        assert!(done.is_complete() && reports.len() >= 2);
        assert_eq!(reports.last().map(|last| last.rotated), Some(done.rotated));

        let new_alone = sealed_by(&bottom, &[2], cipher);
        for (collection, count) in [("old/aead", 1_200_usize), ("old/fernet", 100), ("new", 10)] {
            for id in (0..count).map(|index| index.to_string()) {
                let entry = new_alone.get(Key::new(collection, &id)).await.unwrap().unwrap();
                assert_eq!((entry.value, entry.meta), (Bytes::from(id), tagged()));
            }
        }
        assert_eq!(
            store.rotate(|_| ()).await.unwrap().already,
            1_310,
            "a second time there is nothing to do"
        );
    }
}

#[tokio::test]
async fn the_keys_in_use_are_counted() {
    let bottom = bottom();
    let store = sealed_by(&bottom, &[2, 1], Cipher::Aead);
    fill(&sealed_by(&bottom, &[1], Cipher::Aead), "a", 3).await;
    fill(&sealed_by(&bottom, &[1], Cipher::Fernet), "b", 4).await;
    fill(&store, "c", 5).await;
    fill(&sealed_by(&bottom, &[7], Cipher::Aead), "d", 1).await;
    fill(&bottom, "e", 2).await;
    let (new, old) = (ring(&[2]).active(), ring(&[1]).active());
    let used = store.keys_in_use().await.unwrap();
    assert_eq!((used.entries[&old], used.entries[&new], used.plain, used.unreadable), (7, 5, 0, 3));
    let used = store.clone().mode(Mode::Migration).keys_in_use().await.unwrap();
    assert_eq!((used.plain, used.unreadable, used.unbound), (2, 1, 0));
    store.rotate(|_| ()).await.unwrap();
    assert!(!store.keys_in_use().await.unwrap().entries.contains_key(&old));
}

#[tokio::test]
async fn what_the_store_does_not_take_sealed_anew_is_counted_and_ends_nothing() {
    let (bottom, faults) = (bottom(), Faults::none());
    fill(&sealed_by(&bottom, &[1], Cipher::Aead), "c", 3).await;
    let store = Encrypted::new(Faulty::new(bottom.clone(), &faults), ring(&[2, 1]))
        .context("ctx")
        .cipher(Cipher::Fernet);
    faults.next("put", Fault::refused(ErrorKind::TooLarge));
    let done = store.rotate(|_| ()).await.unwrap();
    assert_eq!((done.rotated, done.refused, done.is_complete()), (2, 1, false));
    assert_eq!((done.left.len(), done.left[0].kind()), (1, ErrorKind::TooLarge));
    assert!(done.left[0].key().is_some_and(|key| key.starts_with("c/")), "{:?}", done.left);
    for id in ["0", "1", "2"] {
        assert_eq!(store.get(Key::new("c", id)).await.unwrap().unwrap().value, id);
    }
    let again = store.rotate(|_| ()).await.unwrap();
    assert_eq!((again.rotated, again.already, again.is_complete()), (1, 2, true));
}

#[tokio::test]
async fn what_cannot_be_opened_is_counted_and_left_as_it_is() {
    let bottom = bottom();
    put(&bottom, Key::new("c", "plain"), "planted", Meta::default()).await;
    put(&sealed_by(&bottom, &[8], Cipher::Fernet), Key::new("c", "foreign"), "x", Meta::default()).await;
    let foreign = raw(&bottom, Key::new("c", "foreign")).await;
    let done = sealed_by(&bottom, &[2, 1], Cipher::Aead).rotate(|_| ()).await.unwrap();
    assert_eq!((done.unreadable, done.rotated), (2, 0));
    assert!(!done.is_complete());
    let mut left: Vec<_> = done.left.iter().filter_map(kv_core::Error::key).collect();
    left.sort_unstable();
    assert_eq!(left, ["c/foreign", "c/plain"]);
    let after = raw(&bottom, Key::new("c", "foreign")).await;
    assert_eq!((after.value, after.version), (foreign.value, foreign.version));
}

#[tokio::test]
async fn a_migration_binds_plaintext_and_unbound_tokens() {
    let bottom = bottom();
    let key = kv_encrypt::SecretKey::from_bytes([1; 32]);
    let token = fernet::Fernet::new(&key.to_text()).unwrap().encrypt(b"unbound");
    put(&bottom, Key::new("c", "token"), token, Meta::default()).await;
    put(&bottom, Key::new("c", "plain"), "plain", Meta::default()).await;
    for cipher in CIPHERS {
        let strict = sealed_by(&bottom, &[1], cipher);
        let done = strict.clone().mode(Mode::Migration).rotate(|_| ()).await.unwrap();
        assert_eq!(done.rotated, 2);
        for (id, value) in [("token", "unbound"), ("plain", "plain")] {
            assert_eq!(strict.get(Key::new("c", id)).await.unwrap().unwrap().value, value);
        }
    }
}

#[tokio::test]
async fn the_lifetime_stays_and_what_has_expired_does_not_come_back() {
    let clock = Clock::manual();
    let bottom = ReferenceStore::new(&clock);
    let old = Encrypted::new(bottom.clone(), ring(&[1]));
    let ttls = [("never", None), ("long", Some(3_600)), ("short", Some(10))];
    for (id, seconds) in ttls {
        let entry = NewEntry::new(id).ttl(seconds.map(Duration::from_secs));
        old.put(Key::new("c", id), entry, PutMode::Replace).await.unwrap();
    }
    clock.advance(Duration::from_secs(600));
    let store = Encrypted::new(bottom.clone(), ring(&[2, 1]));
    assert_eq!(store.rotate(|_| ()).await.unwrap().rotated, 2);
    assert_eq!(store.get(Key::new("c", "never")).await.unwrap().unwrap().ttl, None);
    let left = store.get(Key::new("c", "long")).await.unwrap().unwrap().ttl.unwrap();
    // The time the page waited for its turn is taken off; nothing is ever added.
    assert!(left <= Duration::from_secs(3_000) && left > Duration::from_secs(2_940), "{left:?}");
    assert_eq!(store.get(Key::new("c", "short")).await.unwrap(), None);
}

#[tokio::test]
async fn a_page_that_was_long_on_its_way_prolongs_nothing_and_costs_a_read_for_each_ttl() {
    let (clock, faults) = (Clock::manual(), Faults::none());
    let bottom = ReferenceStore::new(&clock);
    let old = sealed_by(&bottom, &[1], Cipher::Aead);
    let ttls = [("a", Some(3_600)), ("b", None), ("c", Some(1_800)), ("d", None), ("short", Some(10))];
    for (id, seconds) in ttls {
        let entry = NewEntry::new(id).ttl(seconds.map(Duration::from_secs));
        old.put(Key::new("c", id), entry, PutMode::Replace).await.unwrap();
    }
    let late = Some((clock.clone(), Duration::from_secs(600)));
    let slow = Odd { inner: bottom.clone(), scans: true, yields: 0, late };
    let store = Encrypted::new(Faulty::new(slow, &faults), ring(&[2, 1])).context("ctx");
    let done = store.rotate(|_| ()).await.unwrap();
    let mut calls = faults.calls();
    for (id, seconds) in [("a", Some(3_000)), ("b", None), ("c", Some(1_200)), ("d", None)] {
        let ttl = raw(&bottom, Key::new("c", id)).await.ttl;
        let most = seconds.map(Duration::from_secs);
        let least = most.map(|most| most.mul_f64(0.9)); // this machine takes time, too
        assert!(ttl <= most && ttl >= least, "{id}: {ttl:?}");
    }
    assert_eq!((done.rotated, done.gone, done.conflicts), (4, 1, 0));
    calls.sort_unstable();
    assert_eq!(calls, ["get", "get", "get", "put", "put", "put", "put", "scan"]);
    store.rotate(|_| ()).await.unwrap();
    assert_eq!(faults.calls(), ["scan"], "what needs nothing is not read");
}

#[tokio::test]
async fn rotation_under_concurrent_writers_loses_nothing() {
    let conflicts = rotate_among_writers().await;
    assert!(conflicts > 0, "no writer ever came in between: this run showed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotation_under_writers_on_other_threads_loses_nothing() {
    rotate_among_writers().await;
}

const BUSY: usize = 40;
const IDLE: usize = 500;

/// Rotates 20 times among four writers, one of which still seals by the old key, and answers how often they met.
async fn rotate_among_writers() -> u64 {
    let bottom = bottom();
    fill(&sealed_by(&bottom, &[1], Cipher::Fernet), "idle", IDLE).await;
    let behind = sealed_by(&bottom, &[1, 2], Cipher::Aead);
    for id in (0..BUSY).map(|index| index.to_string()) {
        put(&behind, Key::new("busy", &id), "0", Meta::default()).await;
    }
    let store = sealed_by(&bottom, &[2, 1], Cipher::Aead);
    let (stop, raised) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = if writer == 0 { behind.clone() } else { store.clone() };
            tokio::spawn(keep_raising(store, writer, Arc::clone(&stop), Arc::clone(&raised)))
        })
        .collect();
    let slow = Odd { inner: bottom.clone(), scans: true, yields: 20, late: None };
    let slow = Encrypted::new(slow, ring(&[2, 1])).context("ctx");
    let rotating = tokio::spawn(async move {
        let mut conflicts = 0;
        for _ in 0..20 {
            conflicts += slow.rotate(|_| ()).await.unwrap().conflicts;
        }
        conflicts
    });
    let conflicts = rotating.await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(store.rotate(|_| ()).await.unwrap().is_complete());
    let alone = sealed_by(&bottom, &[2], Cipher::Aead);
    let mut sum = 0;
    for id in (0..BUSY).map(|index| index.to_string()) {
        sum += number(&alone.get(Key::new("busy", &id)).await.unwrap().unwrap().value);
    }
    assert_eq!(sum, raised.load(Ordering::Relaxed), "a lost update would show as a lower sum");
    for id in (0..IDLE).map(|index| index.to_string()) {
        assert_eq!(alone.get(Key::new("idle", &id)).await.unwrap().unwrap().value, id);
    }
    conflicts
}

/// Raises one counter after the other by compare-and-set, and counts its successes.
async fn keep_raising(
    store: Encrypted<ReferenceStore>,
    start: usize,
    stop: Arc<AtomicBool>,
    raised: Arc<AtomicU64>,
) {
    let mut at = start;
    while !stop.load(Ordering::Relaxed) {
        at = (at + 7) % BUSY;
        if raise(&store, Key::new("busy", &at.to_string())).await {
            raised.fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }
}

async fn raise(store: &impl Store, key: Key<'_>) -> bool {
    let entry = store.get(key).await.unwrap().unwrap();
    let next = NewEntry::new((number(&entry.value) + 1).to_string());
    match store.put(key, next, PutMode::Update(entry.version)).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Conflict);
            false
        }
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_store_that_cannot_list_says_so() {
    let store = Encrypted::new(Odd { inner: bottom(), scans: false, yields: 0, late: None }, ring(&[1]));
    assert_eq!(store.rotate(|_| ()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.keys_in_use().await.unwrap_err().kind(), ErrorKind::Unsupported);
    put(&store, KEY, "x", Meta::default()).await;
}
