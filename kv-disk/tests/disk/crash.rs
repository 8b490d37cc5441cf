//! Killed at any moment, a store has every acknowledged write, and none half: `kv_core::testing::embedded::crash`.

use kv_core::testing::embedded::crash::{
    asked, survives_kills, survives_kills_during_creation, write_until_killed,
};
use kv_core::{Key, NewEntry, PutMode, Store as _};
use tempfile::TempDir;

use crate::support::{Mode, opened};

/// Only as a child of the tests below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_writes_until_it_is_killed() {
    let Some((dir, mode)) = asked() else { return };
    write_until_killed(opened(Mode(mode), &dir).await).await;
}

async fn killed(mode: usize) {
    survives_kills(Mode(mode), TempDir::new().unwrap().path()).await;
}

async fn killed_during_creation(mode: usize) {
    survives_kills_during_creation(Mode(mode), TempDir::new().unwrap().path()).await;
}

#[tokio::test]
async fn sled_keeps_what_it_acknowledged_when_killed() {
    killed(0).await;
}

#[tokio::test]
async fn sled_that_syncs_keeps_what_it_acknowledged_when_killed() {
    killed(1).await;
}

/// As a process leaves it that is killed while sled writes down where everything is.
#[tokio::test]
async fn the_beginning_of_a_snapshot_of_sled_is_no_damage() {
    let dir = TempDir::new().unwrap();
    let store = opened(Mode::SLED, dir.path()).await;
    store.put(Key::new("c", "a"), NewEntry::new("x"), PutMode::Create).await.unwrap();
    store.close().await.unwrap();
    let beginning = dir.path().join("data/snap.FFFFFFFFFFFFFFF0.generating");
    std::fs::write(&beginning, [0; 7]).unwrap();
    let store = opened(Mode::SLED, dir.path()).await;
    assert_eq!(store.get(Key::new("c", "a")).await.unwrap().unwrap().value, "x");
    assert!(!beginning.exists());
    store.close().await.unwrap();
}

#[tokio::test]
async fn redb_keeps_what_it_acknowledged_when_killed() {
    killed(2).await;
}

#[tokio::test]
async fn sled_killed_while_it_is_created_opens_again() {
    killed_during_creation(0).await;
}

#[tokio::test]
async fn sled_that_syncs_killed_while_it_is_created_opens_again() {
    killed_during_creation(1).await;
}

#[tokio::test]
async fn redb_killed_while_it_is_created_opens_again() {
    killed_during_creation(2).await;
}
