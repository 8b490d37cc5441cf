//! What outlives a process, and what ends with the store. What holds for every engine is in
//! `kv_core::testing::embedded::lifecycle`.

use std::path::Path;
use std::time::Duration;

use kv_core::testing::embedded::lifecycle;
use kv_core::{Clock, Key, NewEntry, Store};
use tempfile::TempDir;

use crate::support::{Kind, MODES, Mode, Opening, each, entries, expected, fill, id};

#[tokio::test]
async fn what_expires_while_nobody_has_the_store_open_is_absent_at_once_and_freed_soon() {
    each(async |mode, dir: &Path| {
        let clock = Clock::manual();
        let store = mode.open(dir, Opening::by(&clock)).await.unwrap();
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
        let store = mode.open(dir, Opening::by(&clock)).await.unwrap();
        assert!(store.get(Key::new("c", &ids[0])).await.unwrap().is_none());
        assert_eq!(entries(&store).await.unwrap().len(), 10 + 1_990);
        lifecycle::holds::<Mode>(&store, 10 + 1_990).await;
        clock.advance(Duration::from_secs(600));
        assert_eq!(entries(&store).await.unwrap(), expected(0..10));
        lifecycle::holds::<Mode>(&store, 10).await;
    })
    .await;
}

#[tokio::test]
async fn the_ttl_goes_on_by_the_wall_clock_while_the_store_is_closed() {
    each(lifecycle::time_goes_on_while_closed).await;
}

#[tokio::test]
async fn a_write_that_was_replaced_before_its_deadline_is_not_swept() {
    each(lifecycle::only_the_last_deadline_counts).await;
}

#[tokio::test]
async fn closing_waits_for_what_is_in_flight() {
    for mode in 0..MODES.len() {
        lifecycle::closing_waits(Mode(mode), TempDir::new().unwrap().path()).await;
    }
}

#[tokio::test]
async fn a_dropped_batch_never_lands_on_a_later_acknowledged_write() {
    each(lifecycle::a_dropped_batch_lands_on_nothing_later).await;
}

#[tokio::test]
async fn clones_hear_of_each_others_changes_and_of_what_expired() {
    each(lifecycle::clones_hear_of_each_other).await;
}

#[tokio::test]
async fn who_listens_too_slowly_is_told_that_something_is_missing() {
    each(lifecycle::slow_listeners_are_told).await;
}

#[tokio::test]
async fn large_values_and_long_names_are_bounded_and_said_so() {
    each(lifecycle::values_and_names_are_bounded).await;
}

#[tokio::test]
async fn a_name_that_is_too_long_fails_its_own_place_in_a_batch() {
    each(lifecycle::a_long_name_fails_its_own_place).await;
}

#[test]
fn a_store_outlives_the_runtime_that_opened_it() {
    for mode in [Mode::SLED, Mode::REDB] {
        lifecycle::outlives_its_runtime(mode, TempDir::new().unwrap().path());
    }
}
