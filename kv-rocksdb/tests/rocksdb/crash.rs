//! Killed at any moment, a store has every acknowledged write, and none half: `kv_core::testing::embedded::crash`.

use kv_core::testing::embedded::crash::{
    asked, survives_kills, survives_kills_during_creation, write_until_killed,
};
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
async fn a_killed_store_has_what_it_acknowledged() {
    killed(0).await;
}

#[tokio::test]
async fn a_killed_store_that_syncs_has_what_it_acknowledged() {
    killed(1).await;
}

#[tokio::test]
async fn a_store_killed_while_it_is_created_opens_again() {
    killed_during_creation(0).await;
}
