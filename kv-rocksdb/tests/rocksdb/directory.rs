//! The directory of a store: who may use it, what may lie in it, and that it may move. What holds for every engine is
//! in `kv_core::testing::embedded::directory`.

use std::fs;
use std::path::Path;

use kv_core::testing::embedded::directory;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};
use kv_rocksdb::{RocksConfig, RocksStore};
use rocksdb::{DB, IteratorMode, Options};
use tempfile::TempDir;

use crate::support::{Mode, entries, in_a_directory, open};

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening_again() {
    in_a_directory(directory::keeps_what_was_written).await;
}

#[tokio::test]
async fn closing_and_dropping_free_the_directory_at_once() {
    in_a_directory(directory::is_free_at_once).await;
}

#[tokio::test]
async fn a_moved_directory_opens() {
    in_a_directory(directory::may_move).await;
}

#[tokio::test]
async fn a_second_opener_in_the_same_process_gets_the_number_of_the_owner() {
    in_a_directory(directory::has_one_owner_in_a_process).await;
}

#[tokio::test]
async fn a_second_opener_waits_for_an_owner_that_lets_go() {
    in_a_directory(directory::waits_for_an_owner_that_lets_go).await;
}

#[tokio::test]
async fn a_second_process_gets_the_number_of_the_owner_and_advice() {
    in_a_directory(directory::has_one_owner_among_processes).await;
}

/// Only as a child of the test above.
#[tokio::test]
async fn a_child_holds_the_directory() {
    let Some((dir, mode)) = directory::asked_to_hold() else { return };
    directory::hold(Mode(mode), &dir).await;
}

#[tokio::test]
async fn foreign_files_are_refused_and_left_alone() {
    in_a_directory(directory::leaves_foreign_files_alone).await;
}

#[tokio::test]
async fn what_file_systems_leave_does_no_harm() {
    in_a_directory(directory::bears_what_file_systems_leave).await;
}

#[tokio::test]
async fn a_file_in_the_place_of_the_directory_is_no_directory() {
    in_a_directory(directory::refuses_a_file).await;
}

#[tokio::test]
async fn a_creation_that_was_cut_short_starts_over() {
    let left = ["MANIFEST-000001", "CURRENT"];
    in_a_directory(async |mode, dir: &Path| directory::starts_over(mode, dir, &left).await).await;
}

#[tokio::test]
async fn a_missing_store_is_not_created_unasked() {
    in_a_directory(directory::is_not_made_unasked).await;
}

#[tokio::test]
async fn namespaces_in_one_directory_never_meet() {
    in_a_directory(directory::keeps_namespaces_apart).await;
}

#[tokio::test]
async fn a_store_of_another_engine_is_refused_by_its_name() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).await.close().await.unwrap();
    fs::write(dir.path().join("data/ENGINE"), "larder 1 sled\n").unwrap();
    let error = RocksStore::open(RocksConfig::new(dir.path())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("engine=sled"), "{error}");
}

#[tokio::test]
async fn reading_makes_nothing_in_a_namespace_that_nothing_was_written_to() {
    let dir = TempDir::new().unwrap();
    let named = |name: &str| {
        let mut config = RocksConfig::new(dir.path());
        config.namespace = name.to_owned();
        config
    };
    for name in ["a", "b", "c"] {
        let store = RocksStore::open(named(name)).await.unwrap();
        assert!(entries(&store).await.unwrap().is_empty());
        assert!(store.get(Key::new("c", "k")).await.unwrap().is_none());
        assert!(store.take(Key::new("c", "k"), None).await.unwrap().is_none());
        store.delete_many(&[Key::new("c", "k")]).await.unwrap();
        store.close().await.unwrap();
    }
    let store = RocksStore::open(named("d")).await.unwrap();
    store.put(Key::new("", ""), NewEntry::new(""), PutMode::Create).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(names(dir.path()), [kv_core::backend::encode(&["d", ""], ""), b"\xFFlarder".to_vec()]);
}

/// All keys of the engine's files, in order.
fn names(dir: &Path) -> Vec<Vec<u8>> {
    let db = DB::open_for_read_only(&Options::default(), dir.join("data"), false).unwrap();
    db.iterator(IteratorMode::Start).map(|item| item.unwrap().0.into_vec()).collect()
}

#[cfg(unix)]
mod permissions {
    use kv_core::testing::embedded::permissions;

    use crate::support::in_a_directory;

    #[tokio::test]
    async fn directories_that_we_make_are_0700_and_files_0600() {
        in_a_directory(permissions::are_for_the_owner_alone).await;
    }

    #[tokio::test]
    async fn the_engines_files_are_closed_to_others_at_open() {
        in_a_directory(permissions::are_closed_at_open).await;
    }

    #[tokio::test]
    async fn what_links_lead_to_is_neither_written_nor_given_other_rights() {
        in_a_directory(permissions::do_not_follow_links).await;
    }

    #[tokio::test]
    async fn a_directory_that_others_can_use_is_used_with_one_warning() {
        in_a_directory(permissions::of_others_are_warned_of).await;
    }

    #[tokio::test]
    async fn a_link_to_nothing_is_refused_as_what_it_is() {
        in_a_directory(permissions::refuse_a_link_to_nothing).await;
    }

    #[tokio::test]
    async fn a_directory_without_the_right_to_it_is_denied() {
        in_a_directory(permissions::are_lacking).await;
    }
}
