//! What outlives a process, and what ends with the store. What holds for every engine is in
//! `kv_core::testing::embedded::lifecycle`.

use std::time::Duration;

use kv_core::testing::embedded::lifecycle;
use kv_core::{Clock, Diagnose, Key, NewEntry, PutMode, Store, Verdict};
use tempfile::TempDir;

use crate::support::{Kind, MODES, Mode, Opening, entries, expected, fill, id, in_a_directory, open};

#[tokio::test]
async fn what_expired_while_nobody_had_the_store_open_is_absent_at_once_and_freed_by_compaction() {
    let (dir, clock) = (TempDir::new().unwrap(), Clock::manual());
    let store = Mode(0).open(dir.path(), Opening::by(&clock)).await.unwrap();
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
    let store = Mode(0).open(dir.path(), Opening::by(&clock)).await.unwrap();
    assert!(store.get(Key::new("c", &ids[0])).await.unwrap().is_none());
    assert_eq!(entries(&store).await.unwrap().len(), 10 + 1_990);
    assert_eq!(store.held().await.unwrap().entries, 3_000, "nobody has looked at them yet");
    store.compact().await.unwrap();
    lifecycle::holds::<Mode>(&store, 10 + 1_990).await;
    clock.advance(Duration::from_secs(600));
    store.compact().await.unwrap();
    lifecycle::holds::<Mode>(&store, 10).await;
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
    let store = Mode(0).open(dir.path(), Opening::by(&clock)).await.unwrap();
    for n in 0..200 {
        let entry = NewEntry::new(vec![u8::try_from(n).unwrap(); 50_000]).ttl(Duration::from_secs(60));
        store.put(Key::new("c", &id(n)), entry, PutMode::Create).await.unwrap();
    }
    store.close().await.unwrap();
    assert!(bytes_below(dir.path()) > 10_000_000);
    clock.advance(Duration::from_secs(61));
    let store = Mode(0).open(dir.path(), Opening::by(&clock)).await.unwrap();
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
    in_a_directory(lifecycle::time_goes_on_while_closed).await;
}

#[tokio::test]
async fn a_write_that_was_replaced_before_its_deadline_is_not_swept() {
    in_a_directory(lifecycle::only_the_last_deadline_counts).await;
}

#[tokio::test]
async fn closing_waits_for_what_is_in_flight() {
    for mode in 0..MODES.len() {
        lifecycle::closing_waits(Mode(mode), TempDir::new().unwrap().path()).await;
    }
}

#[tokio::test]
async fn a_dropped_batch_never_lands_on_a_later_acknowledged_write() {
    in_a_directory(lifecycle::a_dropped_batch_lands_on_nothing_later).await;
}

#[tokio::test]
async fn clones_hear_of_each_others_changes_and_of_what_expired() {
    in_a_directory(lifecycle::clones_hear_of_each_other).await;
}

#[tokio::test]
async fn who_listens_too_slowly_is_told_that_something_is_missing() {
    in_a_directory(lifecycle::slow_listeners_are_told).await;
}

#[tokio::test]
async fn large_values_and_long_names_are_bounded_and_said_so() {
    in_a_directory(lifecycle::values_and_names_are_bounded).await;
}

#[tokio::test]
async fn a_name_that_is_too_long_fails_its_own_place_in_a_batch() {
    in_a_directory(lifecycle::a_long_name_fails_its_own_place).await;
}

#[test]
fn a_store_outlives_the_runtime_that_opened_it() {
    lifecycle::outlives_its_runtime(Mode(0), TempDir::new().unwrap().path());
}
