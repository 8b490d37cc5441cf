//! The directory of a store: who may use it, what may lie in it, and that it may move.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_disk::{DiskConfig, DiskStore, Engine};
use tempfile::TempDir;

use crate::support::{ENGINES, child, config, entries, expected, fill, id, open};

const HOLD: &str = "LARDER_TEST_HOLD";

async fn refused(config: DiskConfig) -> kv_core::Error {
    DiskStore::open(config).await.unwrap_err()
}

fn impatient(engine: Engine, dir: &Path) -> DiskConfig {
    let mut config = config(engine, dir);
    config.lock_wait = Duration::ZERO;
    config
}

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening_again() {
    for engine in ENGINES {
        let dir = TempDir::new().unwrap();
        let store = open(engine, dir.path()).await;
        fill(&store, 0..1_200).await;
        store.close().await.unwrap();
        let again = DiskStore::open(DiskConfig::new(dir.path())).await.unwrap();
        assert_eq!(again.engine(), engine);
        assert_eq!(entries(&again).await.unwrap(), expected(0..1_200));
    }
}

#[tokio::test]
async fn closing_and_dropping_free_the_directory_at_once() {
    for engine in ENGINES {
        let dir = TempDir::new().unwrap();
        let store = open(engine, dir.path()).await;
        let clone = store.clone();
        drop(store);
        fill(&clone, 0..60).await;
        drop(clone);
        for _ in 0..5 {
            let store = DiskStore::open(impatient(engine, dir.path())).await.unwrap();
            assert_eq!(entries(&store).await.unwrap(), expected(0..60));
            store.close().await.unwrap();
            let late = store.get(Key::new("c", &id(1))).await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::Closed);
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_moved_directory_opens() {
    for engine in ENGINES {
        let dir = TempDir::new().unwrap();
        let store = open(engine, &dir.path().join("old")).await;
        fill(&store, 0..60).await;
        store.close().await.unwrap();
        fs::rename(dir.path().join("old"), dir.path().join("new home")).unwrap();
        let store = open(engine, &dir.path().join("new home")).await;
        assert_eq!(entries(&store).await.unwrap(), expected(0..60));
    }
}

#[tokio::test]
async fn a_second_opener_in_the_same_process_gets_the_number_of_the_owner() {
    let dir = TempDir::new().unwrap();
    let store = open(Engine::Sled, dir.path()).await;
    let error = refused(impatient(Engine::Sled, dir.path())).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone));
    assert!(error.message().contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.message().contains("share the handle") && !error.message().contains("stop"), "{error}");
    fill(&store, 0..3).await;
}

#[tokio::test]
async fn a_second_opener_waits_for_an_owner_that_lets_go() {
    let dir = TempDir::new().unwrap();
    let store = open(Engine::Sled, dir.path()).await;
    let second = tokio::spawn(DiskStore::open(config(Engine::Sled, dir.path())));
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_second_process_gets_the_number_of_the_owner_and_advice() {
    for engine in ENGINES {
        let dir = TempDir::new().unwrap();
        let path = dir.path().to_str().unwrap();
        let mut owner = child("directory::a_child_holds_the_directory", &[(HOLD, path)])
            .env("LARDER_TEST_ENGINE", engine.as_str())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "holding" {}
        let error = refused(impatient(engine, dir.path())).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let advice = format!("in use by process {}; stop that process", owner.id());
        assert!(error.message().contains(&advice), "{error}");
        drop(owner.stdin.take());
        owner.wait().unwrap();
        open(engine, dir.path()).await;
    }
}

/// Only as a child of the test above: holds a store until its input ends.
#[tokio::test]
async fn a_child_holds_the_directory() {
    let Ok(dir) = std::env::var(HOLD) else { return };
    let redb = std::env::var("LARDER_TEST_ENGINE").is_ok_and(|engine| engine == "redb");
    let store = open(if redb { Engine::Redb } else { Engine::Sled }, Path::new(&dir)).await;
    writeln!(std::io::stdout(), "\nholding").unwrap();
    std::io::stdin().lines().for_each(drop);
    drop(store);
}

#[tokio::test]
async fn foreign_files_are_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let error = refused(config(Engine::Sled, dir.path())).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.message().contains("thesis.tex") && error.message().contains("choose a directory"),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    fs::remove_file(dir.path().join("thesis.tex")).unwrap();
    open(Engine::Sled, dir.path()).await.close().await.unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    assert_eq!(refused(config(Engine::Sled, dir.path())).await.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn what_file_systems_leave_does_no_harm() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    fs::write(dir.path().join(".DS_Store"), "").unwrap();
    fs::write(dir.path().join("larder.sock"), "").unwrap();
    open(Engine::Sled, dir.path()).await;
}

#[tokio::test]
async fn a_creation_that_was_cut_short_starts_over() {
    for engine in ENGINES {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("LOCK"), "4711\n").unwrap();
        fs::create_dir(dir.path().join("new")).unwrap();
        fs::write(dir.path().join("new/store.redb.new"), "half").unwrap();
        fs::write(dir.path().join("new/db"), "half").unwrap();
        let store = open(engine, dir.path()).await;
        fill(&store, 0..3).await;
        assert!(!dir.path().join("new").exists());
    }
}

#[tokio::test]
async fn a_store_opens_with_the_engine_that_made_it_and_no_other() {
    for (made, asked) in [(Engine::Sled, Engine::Redb), (Engine::Redb, Engine::Sled)] {
        let dir = TempDir::new().unwrap();
        open(made, dir.path()).await.close().await.unwrap();
        let error = refused(config(asked, dir.path())).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(made.as_str()), "{error}");
        assert_eq!(DiskStore::open(DiskConfig::new(dir.path())).await.unwrap().engine(), made);
    }
}

#[tokio::test]
async fn a_missing_store_is_not_created_unasked() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing");
    let mut config = DiskConfig::new(&missing);
    config.create = false;
    assert_eq!(refused(config.clone()).await.kind(), ErrorKind::Invalid);
    assert!(!missing.exists());
    open(Engine::Sled, &missing).await.close().await.unwrap();
    DiskStore::open(config).await.unwrap();
}

#[tokio::test]
async fn namespaces_in_one_directory_never_meet() {
    let dir = TempDir::new().unwrap();
    let mut other = DiskConfig::new(dir.path());
    other.namespace = "other".to_owned();
    for (config, value) in [(DiskConfig::new(dir.path()), "mine"), (other.clone(), "theirs")] {
        let store = DiskStore::open(config).await.unwrap();
        assert!(entries(&store).await.unwrap().is_empty());
        store.put(Key::new("c", "k"), NewEntry::new(value), PutMode::Create).await.unwrap();
        store.close().await.unwrap();
    }
    let store = DiskStore::open(other).await.unwrap();
    assert_eq!(store.get(Key::new("c", "k")).await.unwrap().unwrap().value, "theirs");
    assert_eq!(store.held().await.unwrap().entries, 2);
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
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use kv_core::{ErrorKind, Store};
    use kv_disk::DiskStore;
    use tempfile::TempDir;

    use crate::support::{ENGINES, config, fill, open};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn all_below(dir: &Path, check: &mut impl FnMut(&Path)) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            check(&path);
            if path.is_dir() {
                all_below(&path, check);
            }
        }
    }

    #[tokio::test]
    async fn directories_that_we_make_are_0700_and_files_0600() {
        for engine in ENGINES {
            let dir = TempDir::new().unwrap();
            let root = dir.path().join("a/b");
            let store = open(engine, &root).await;
            fill(&store, 0..100).await;
            assert!(store.warnings().is_empty());
            for made in [dir.path().join("a"), root.clone()] {
                assert_eq!(mode(&made), 0o700, "{}", made.display());
            }
            all_below(&root, &mut |path| {
                let wanted = if path.is_dir() { 0o700 } else { 0o600 };
                assert_eq!(mode(path), wanted, "{}", path.display());
            });
        }
    }

    #[tokio::test]
    async fn the_engines_files_are_closed_to_others_at_open() {
        for engine in ENGINES {
            let dir = TempDir::new().unwrap();
            open(engine, dir.path()).await.close().await.unwrap();
            all_below(dir.path(), &mut |path| {
                fs::set_permissions(path, Permissions::from_mode(if path.is_dir() { 0o755 } else { 0o644 }))
                    .unwrap();
            });
            open(engine, dir.path()).await.close().await.unwrap();
            all_below(&dir.path().join("data"), &mut |path| {
                assert_eq!(mode(path) & 0o077, 0, "{}", path.display());
            });
        }
    }

    #[tokio::test]
    async fn what_links_lead_to_is_neither_written_nor_given_other_rights() {
        let (dir, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let victim = outside.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        fs::set_permissions(&victim, Permissions::from_mode(0o644)).unwrap();
        symlink(&victim, dir.path().join("LOCK")).unwrap();
        let error = DiskStore::open(config(ENGINES[0], dir.path())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");

        fs::remove_file(dir.path().join("LOCK")).unwrap();
        open(ENGINES[0], dir.path()).await.close().await.unwrap();
        symlink(&victim, dir.path().join("data/file")).unwrap();
        symlink(outside.path(), dir.path().join("data/folder")).unwrap();
        open(ENGINES[0], dir.path()).await.close().await.unwrap();
        assert_eq!(mode(&victim), 0o644);
    }

    #[tokio::test]
    async fn a_directory_that_others_can_read_is_used_with_one_warning() {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let store = DiskStore::open(config(ENGINES[0], dir.path())).await.unwrap();
        let [warning] = store.warnings() else { panic!("{:?}", store.warnings()) };
        assert!(warning.contains("can be read by") && warning.contains("chmod 700"), "{warning}");
        assert_eq!(mode(dir.path()), 0o755, "it is not ours to change");
    }

    #[tokio::test]
    async fn the_warning_says_that_others_can_write() {
        for (mode, done) in [(0o777, "read and written to by"), (0o702, "can be written to by")] {
            let dir = TempDir::new().unwrap();
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            let store = DiskStore::open(config(ENGINES[0], dir.path())).await.unwrap();
            let [warning] = store.warnings() else { panic!("{:?}", store.warnings()) };
            assert!(warning.contains(done), "{mode:o}: {warning}");
        }
    }

    #[tokio::test]
    async fn a_link_to_nothing_is_refused_as_what_it_is() {
        let dir = TempDir::new().unwrap();
        let link = dir.path().join("link");
        symlink(dir.path().join("gone"), &link).unwrap();
        for root in [link.clone(), link.join("below")] {
            let error = DiskStore::open(config(ENGINES[0], &root)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.message().contains("link that leads to nothing"), "{error}");
        }
        fs::create_dir(dir.path().join("gone")).unwrap();
        open(ENGINES[0], &link).await.close().await.unwrap();
    }
}
