//! The directory of a store: who may use it, what may lie in it, and that it may move. What holds for every engine is
//! in `kv_core::testing::embedded::directory`.

use std::path::Path;

use kv_core::testing::embedded::directory;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};
use kv_disk::{DiskConfig, DiskStore, Engine};
use tempfile::TempDir;

use crate::support::{ENGINES, Mode, config, each, entries, open};

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening_again() {
    each(directory::keeps_what_was_written).await;
}

#[tokio::test]
async fn closing_and_dropping_free_the_directory_at_once() {
    each(directory::is_free_at_once).await;
}

#[tokio::test]
async fn a_moved_directory_opens() {
    each(directory::may_move).await;
}

#[tokio::test]
async fn a_second_opener_in_the_same_process_gets_the_number_of_the_owner() {
    each(directory::has_one_owner_in_a_process).await;
}

#[tokio::test]
async fn a_second_opener_waits_for_an_owner_that_lets_go() {
    each(directory::waits_for_an_owner_that_lets_go).await;
}

#[tokio::test]
async fn a_second_process_gets_the_number_of_the_owner_and_advice() {
    each(directory::has_one_owner_among_processes).await;
}

/// Only as a child of the test above.
#[tokio::test]
async fn a_child_holds_the_directory() {
    let Some((dir, mode)) = directory::asked_to_hold() else { return };
    directory::hold(Mode(mode), &dir).await;
}

#[tokio::test]
async fn foreign_files_are_refused_and_left_alone() {
    each(directory::leaves_foreign_files_alone).await;
}

#[tokio::test]
async fn what_file_systems_leave_does_no_harm() {
    each(directory::bears_what_file_systems_leave).await;
}

#[tokio::test]
async fn a_file_in_the_place_of_the_directory_is_no_directory() {
    each(directory::refuses_a_file).await;
}

#[tokio::test]
async fn a_creation_that_was_cut_short_starts_over() {
    each(async |mode, dir: &Path| directory::starts_over(mode, dir, &["store.redb.new", "db"]).await).await;
}

#[tokio::test]
async fn a_missing_store_is_not_created_unasked() {
    each(directory::is_not_made_unasked).await;
}

#[tokio::test]
async fn namespaces_in_one_directory_never_meet() {
    each(directory::keeps_namespaces_apart).await;
}

#[tokio::test]
async fn a_store_opens_with_the_engine_that_made_it_and_no_other() {
    for (made, asked) in [(Engine::Sled, Engine::Redb), (Engine::Redb, Engine::Sled)] {
        let dir = TempDir::new().unwrap();
        open(made, dir.path()).await.close().await.unwrap();
        let error = DiskStore::open(config(asked, dir.path())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(made.as_str()), "{error}");
        assert_eq!(DiskStore::open(DiskConfig::new(dir.path())).await.unwrap().engine(), made);
    }
}

#[tokio::test]
async fn a_namespace_that_nothing_was_written_to_leaves_nothing_behind() {
    for engine in ENGINES {
        let dir = TempDir::new().unwrap();
        let named = |name: usize| {
            let mut config = config(engine, dir.path());
            config.namespace = format!("n{name}");
            config
        };
        for name in 0..20 {
            let store = DiskStore::open(named(name)).await.unwrap();
            assert!(entries(&store).await.unwrap().is_empty());
            assert!(store.take(Key::new("c", "k"), None).await.unwrap().is_none());
            store.delete_many(&[Key::new("c", "k")]).await.unwrap();
            store.close().await.unwrap();
        }
        let store = DiskStore::open(named(20)).await.unwrap();
        store.put(Key::new("", ""), NewEntry::new(""), PutMode::Create).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(notes(engine, dir.path()), ["n20"]);
        let store = DiskStore::open(named(20)).await.unwrap();
        assert_eq!(store.get(Key::new("", "")).await.unwrap().unwrap().value, "");
        drop(store);
    }
}

/// The namespaces that have a number, read past the store.
fn notes(engine: Engine, dir: &Path) -> Vec<String> {
    let name =
        |key: &[u8]| key.strip_prefix(b"namespace/").map(|name| String::from_utf8(name.to_vec()).unwrap());
    if engine == Engine::Sled {
        let db = sled::open(dir.join("data")).unwrap();
        let notes = db.open_tree("larder").unwrap();
        return notes.iter().filter_map(|item| name(&item.unwrap().0)).collect();
    }
    let db = redb::Database::open(dir.join("data/store.redb")).unwrap();
    let table = redb::TableDefinition::<&[u8], &[u8]>::new("larder");
    let table = redb::ReadableDatabase::begin_read(&db).unwrap().open_table(table).unwrap();
    let notes = redb::ReadableTable::iter(&table).unwrap();
    notes.filter_map(|item| name(item.unwrap().0.value())).collect()
}

#[cfg(unix)]
mod permissions {
    use kv_core::testing::embedded::permissions;

    use crate::support::each;

    #[tokio::test]
    async fn directories_that_we_make_are_0700_and_files_0600() {
        each(permissions::are_for_the_owner_alone).await;
    }

    #[tokio::test]
    async fn the_engines_files_are_closed_to_others_at_open() {
        each(permissions::are_closed_at_open).await;
    }

    #[tokio::test]
    async fn what_links_lead_to_is_neither_written_nor_given_other_rights() {
        each(permissions::do_not_follow_links).await;
    }

    #[tokio::test]
    async fn a_directory_that_others_can_use_is_used_with_one_warning() {
        each(permissions::of_others_are_warned_of).await;
    }

    #[tokio::test]
    async fn a_link_to_nothing_is_refused_as_what_it_is() {
        each(permissions::refuse_a_link_to_nothing).await;
    }

    #[tokio::test]
    async fn a_directory_without_the_right_to_it_is_denied() {
        each(permissions::are_lacking).await;
    }
}
