//! Killed at any moment, a store has every acknowledged write, and none half: `kv_core::testing::embedded::crash`.

use std::path::Path;

use kv_core::testing::embedded::crash::{
    Killed, asked, survives_kills, survives_kills_during_creation, write_until_killed,
};
use kv_core::{Key, NewEntry, PutMode, Store as _};
use kv_disk::{DiskStore, Durability, Engine};
use tempfile::TempDir;

use crate::support::{MODES, config};

#[derive(Clone, Copy)]
struct Mode(usize);

impl Mode {
    fn parts(self) -> (Engine, Durability) {
        MODES[self.0]
    }
}

impl Killed for Mode {
    type Store = DiskStore;
    const WRITER: &'static str = "crash::a_child_writes_until_it_is_killed";

    fn number(self) -> usize {
        self.0
    }

    fn name(self) -> String {
        let (engine, durability) = self.parts();
        format!("{engine}, {durability:?}")
    }

    async fn open(self, dir: &Path) -> DiskStore {
        let (engine, durability) = self.parts();
        let mut config = config(engine, dir);
        config.durability = durability;
        DiskStore::open(config).await.unwrap()
    }
}

/// Only as a child of the tests below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_writes_until_it_is_killed() {
    let Some((dir, mode)) = asked() else { return };
    write_until_killed(Mode(mode).open(&dir).await).await;
}

async fn killed(mode: usize) {
    survives_kills(Mode(mode), TempDir::new().unwrap().path()).await;
}

async fn killed_during_creation(mode: usize) {
    let is_made = |dir: &Path| dir.join("data").exists();
    survives_kills_during_creation(Mode(mode), TempDir::new().unwrap().path(), is_made).await;
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
    let store = Mode(0).open(dir.path()).await;
    store.put(Key::new("c", "a"), NewEntry::new("x"), PutMode::Create).await.unwrap();
    store.close().await.unwrap();
    let beginning = dir.path().join("data/snap.FFFFFFFFFFFFFFF0.generating");
    std::fs::write(&beginning, [0; 7]).unwrap();
    let store = Mode(0).open(dir.path()).await;
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
