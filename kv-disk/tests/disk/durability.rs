//! What the kernel is asked to do before a write is acknowledged, as `strace` sees it.

use std::path::Path;

use kv_core::testing::embedded::traced::{self, Call, WRITES, asked, mark, unsynced, write};
use kv_core::{Key, NewEntry, Outcome, PutMode, Store as _};
use kv_disk::{DiskStore, Durability, Engine};
use tempfile::TempDir;

use crate::support::{MODES, config};

/// Where sled puts a value that is too large for its log: into a file of its own.
const BLOBS: &str = "/blobs/";

/// Only as a child of the tests below, under `strace`.
#[tokio::test]
async fn a_child_writes_while_it_is_traced() {
    let Some((dir, mode)) = asked() else { return };
    let (engine, durability) = MODES[mode];
    let mut config = config(engine, &dir);
    config.durability = durability;
    write(&DiskStore::open(config).await.unwrap()).await;
}

fn traced(mode: usize, dir: &Path) -> Option<Vec<Call>> {
    traced::traced("durability::a_child_writes_while_it_is_traced", mode, dir)
}

fn mode(engine: Engine, durability: Durability) -> usize {
    MODES.iter().position(|mode| *mode == (engine, durability)).unwrap()
}

#[test]
fn sled_that_syncs_does_so_before_it_acknowledges() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(mode(Engine::Sled, Durability::Always), dir.path()) else { return };
    assert_eq!(unsynced(&calls, BLOBS), [""; 0]);
    assert!(calls.iter().any(|call| call.path.contains(BLOBS)), "no value had a file of its own");
}

#[test]
fn a_store_that_was_closed_is_no_longer_called_so_on_the_disk_before_the_first_write() {
    let dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = DiskStore::open(config(Engine::Sled, &dir.path().join("store"))).await.unwrap();
        store.close().await.unwrap();
    });
    let Some(calls) = traced(mode(Engine::Sled, Durability::Os), dir.path()) else { return };
    let named = |name: &'static str, text: &str| {
        let text = text.to_owned();
        move |call: &&Call| call.name.starts_with(name) && call.text.contains(&text)
    };
    let removed = calls.iter().find(named("unlink", "/CLOSED\"")).expect("it was closed").ended;
    let written = calls.iter().find(named("pwrite", &mark(0))).expect("it was written to").began;
    let for_good = |call: &Call| call.name == "fsync" && call.path.ends_with("/data") && call.began > removed;
    assert!(calls.iter().any(|call| for_good(call) && call.ended < written));
}

#[test]
fn the_name_of_a_directory_that_was_made_is_on_the_disk_before_the_first_write() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(mode(Engine::Sled, Durability::Os), dir.path()) else { return };
    let above = dir.path().canonicalize().unwrap();
    let written = calls.iter().find(|call| call.text.contains(&mark(0))).expect("it was written to").began;
    let synced = |call: &Call| call.name == "fsync" && Path::new(&call.path) == above && call.ended < written;
    assert!(calls.iter().any(synced));
}

#[test]
fn redb_syncs_before_it_acknowledges() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(mode(Engine::Redb, Durability::Always), dir.path()) else { return };
    assert_eq!(unsynced(&calls, BLOBS), [""; 0]);
}

#[test]
fn sled_that_does_not_sync_hands_its_writes_to_the_kernel_before_it_acknowledges() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(mode(Engine::Sled, Durability::Os), dir.path()) else { return };
    assert!(unsynced(&calls, BLOBS).len() > WRITES / 2, "then the test above shows nothing");
}

#[tokio::test]
async fn what_could_not_be_synced_may_be_there() {
    let dir = TempDir::new().unwrap();
    let mut config = config(Engine::Sled, dir.path());
    config.durability = Durability::Always;
    let store = DiskStore::open(config).await.unwrap();
    let key = Key::new("c", "i");
    store.put(key, NewEntry::new("old"), PutMode::Replace).await.unwrap();
    let blobs = dir.path().join("data/blobs");
    std::fs::rename(&blobs, dir.path().join("data/elsewhere")).unwrap();
    std::fs::write(&blobs, "no directory").unwrap();
    let one = store.put(key, NewEntry::new("new"), PutMode::Replace).await.unwrap_err();
    assert_eq!(one.outcome(), Outcome::Unknown, "{one:?}");
    assert_eq!(store.get(key).await.unwrap().unwrap().value, "new");
    let many = vec![(key, NewEntry::new(vec![7; 100_000]))]; // too large to be done at once
    let many = store.put_many(many).await.unwrap().remove(0).unwrap_err();
    assert_eq!(many.outcome(), Outcome::Unknown, "{many:?}");
}
