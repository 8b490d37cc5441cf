//! What the kernel is asked to do before a write is acknowledged, as `strace` sees it.

use std::path::Path;

use kv_core::testing::embedded::traced::{self, Call, WRITES, asked, unsynced, write};
use kv_rocksdb::{Durability, RocksConfig, RocksStore};
use tempfile::TempDir;

use crate::support::MODES;

/// Only as a child of the tests below, under `strace`.
#[tokio::test]
async fn a_child_writes_while_it_is_traced() {
    let Some((dir, mode)) = asked() else { return };
    let mut config = RocksConfig::new(&dir);
    config.durability = MODES[mode];
    write(&RocksStore::open(config).await.unwrap()).await;
}

fn traced(durability: Durability, dir: &Path) -> Option<Vec<Call>> {
    let mode = MODES.iter().position(|mode| *mode == durability).unwrap();
    traced::traced("durability::a_child_writes_while_it_is_traced", mode, dir)
}

#[test]
fn a_store_that_syncs_does_so_before_it_acknowledges() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(Durability::Always, dir.path()) else { return };
    assert_eq!(unsynced(&calls, ""), [""; 0]);
}

#[test]
fn a_store_that_does_not_sync_hands_its_writes_to_the_kernel_before_it_acknowledges() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(Durability::Os, dir.path()) else { return };
    assert!(unsynced(&calls, "").len() > WRITES / 2, "then the test above shows nothing");
}
