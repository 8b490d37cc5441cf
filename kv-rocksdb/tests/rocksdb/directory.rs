//! The directory of a store: who may use it, what may lie in it, and that it may move.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_rocksdb::{RocksConfig, RocksStore};
use rocksdb::{DB, IteratorMode, Options};
use tempfile::TempDir;

use crate::support::{child, entries, expected, fill, id, open};

const HOLD: &str = "LARDER_TEST_HOLD";

async fn refused(config: RocksConfig) -> kv_core::Error {
    RocksStore::open(config).await.unwrap_err()
}

fn impatient(dir: &Path) -> RocksConfig {
    let mut config = RocksConfig::new(dir);
    config.lock_wait = Duration::ZERO;
    config
}

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening_again() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    fill(&store, 0..1_200).await;
    store.close().await.unwrap();
    let again = RocksStore::open(RocksConfig::new(dir.path())).await.unwrap();
    assert_eq!(entries(&again).await.unwrap(), expected(0..1_200));
}

#[tokio::test]
async fn closing_and_dropping_free_the_directory_at_once() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let clone = store.clone();
    drop(store);
    fill(&clone, 0..60).await;
    drop(clone);
    for _ in 0..5 {
        let store = RocksStore::open(impatient(dir.path())).await.unwrap();
        assert_eq!(entries(&store).await.unwrap(), expected(0..60));
        store.close().await.unwrap();
        let late = store.get(Key::new("c", &id(1))).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Closed);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_moved_directory_opens() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("old")).await;
    fill(&store, 0..60).await;
    store.close().await.unwrap();
    fs::rename(dir.path().join("old"), dir.path().join("new home")).unwrap();
    let store = open(&dir.path().join("new home")).await;
    assert_eq!(entries(&store).await.unwrap(), expected(0..60));
}

#[tokio::test]
async fn a_second_opener_in_the_same_process_gets_the_number_of_the_owner() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let error = refused(impatient(dir.path())).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone));
    assert!(error.message().contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.message().contains("share the handle") && !error.message().contains("stop"), "{error}");
    fill(&store, 0..3).await;
}

#[tokio::test]
async fn a_second_opener_waits_for_an_owner_that_lets_go() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let second = tokio::spawn(RocksStore::open(RocksConfig::new(dir.path())));
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_second_process_gets_the_number_of_the_owner_and_advice() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    let mut owner = child("directory::a_child_holds_the_directory", &[(HOLD, path)])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    while lines.next().unwrap().unwrap() != "holding" {}
    let error = refused(impatient(dir.path())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let advice = format!("in use by process {}; stop that process", owner.id());
    assert!(error.message().contains(&advice), "{error}");
    drop(owner.stdin.take());
    owner.wait().unwrap();
    open(dir.path()).await;
}

/// Only as a child of the test above: holds a store until its input ends.
#[tokio::test]
async fn a_child_holds_the_directory() {
    let Ok(dir) = std::env::var(HOLD) else { return };
    let store = open(Path::new(&dir)).await;
    writeln!(std::io::stdout(), "\nholding").unwrap();
    std::io::stdin().lines().for_each(drop);
    drop(store);
}

#[tokio::test]
async fn foreign_files_are_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let error = refused(RocksConfig::new(dir.path())).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.message().contains("thesis.tex") && error.message().contains("choose a directory"),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    fs::remove_file(dir.path().join("thesis.tex")).unwrap();
    open(dir.path()).await.close().await.unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    assert_eq!(refused(RocksConfig::new(dir.path())).await.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn what_file_systems_leave_does_no_harm() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    fs::write(dir.path().join(".DS_Store"), "").unwrap();
    fs::write(dir.path().join("larder.sock"), "").unwrap();
    open(dir.path()).await;
}

#[tokio::test]
async fn a_creation_that_was_cut_short_starts_over() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("LOCK"), "4711\n").unwrap();
    fs::create_dir(dir.path().join("new")).unwrap();
    fs::write(dir.path().join("new/MANIFEST-000001"), "half").unwrap();
    fs::write(dir.path().join("new/CURRENT"), "half").unwrap();
    let store = open(dir.path()).await;
    fill(&store, 0..3).await;
    assert!(!dir.path().join("new").exists());
}

#[tokio::test]
async fn a_store_of_another_engine_is_refused_by_its_name() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).await.close().await.unwrap();
    fs::write(dir.path().join("data/ENGINE"), "larder 1 sled\n").unwrap();
    let error = refused(RocksConfig::new(dir.path())).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("engine=sled"), "{error}");
}

#[tokio::test]
async fn a_missing_store_is_not_created_unasked() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing");
    let mut config = RocksConfig::new(&missing);
    config.create = false;
    assert_eq!(refused(config.clone()).await.kind(), ErrorKind::Invalid);
    assert!(!missing.exists());
    open(&missing).await.close().await.unwrap();
    RocksStore::open(config).await.unwrap();
}

#[tokio::test]
async fn an_empty_directory_stays_empty_when_no_store_is_to_be_made_in_it() {
    let dir = TempDir::new().unwrap();
    let mut config = RocksConfig::new(dir.path());
    config.create = false;
    assert!(!config.exists());
    for _ in 0..2 {
        let error = refused(config.clone()).await;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Invalid, Outcome::NotDone));
        assert!(error.message().contains("there is no store in"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    open(dir.path()).await.close().await.unwrap();
    assert!(config.exists());
    RocksStore::open(config).await.unwrap();
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

#[tokio::test]
async fn namespaces_in_one_directory_never_meet() {
    let dir = TempDir::new().unwrap();
    let mut other = RocksConfig::new(dir.path());
    other.namespace = "other".to_owned();
    for (config, value) in [(RocksConfig::new(dir.path()), "mine"), (other.clone(), "theirs")] {
        let store = RocksStore::open(config).await.unwrap();
        assert!(entries(&store).await.unwrap().is_empty());
        store.put(Key::new("c", "k"), NewEntry::new(value), PutMode::Create).await.unwrap();
        store.close().await.unwrap();
    }
    let store = RocksStore::open(other).await.unwrap();
    assert_eq!(store.get(Key::new("c", "k")).await.unwrap().unwrap().value, "theirs");
    assert_eq!(store.held().await.unwrap().entries, 2);
}

#[cfg(unix)]
mod permissions {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use kv_core::{ErrorKind, Store};
    use kv_rocksdb::{RocksConfig, RocksStore};
    use tempfile::TempDir;

    use crate::support::{fill, open};

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
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("a/b");
        let store = open(&root).await;
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

    #[tokio::test]
    async fn the_engines_files_are_closed_to_others_at_open() {
        let dir = TempDir::new().unwrap();
        open(dir.path()).await.close().await.unwrap();
        all_below(dir.path(), &mut |path| {
            fs::set_permissions(path, Permissions::from_mode(if path.is_dir() { 0o755 } else { 0o644 }))
                .unwrap();
        });
        open(dir.path()).await.close().await.unwrap();
        all_below(&dir.path().join("data"), &mut |path| {
            assert_eq!(mode(path) & 0o077, 0, "{}", path.display());
        });
    }

    #[tokio::test]
    async fn what_links_lead_to_is_neither_written_nor_given_other_rights() {
        let (dir, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let victim = outside.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        fs::set_permissions(&victim, Permissions::from_mode(0o644)).unwrap();
        symlink(&victim, dir.path().join("LOCK")).unwrap();
        let error = RocksStore::open(RocksConfig::new(dir.path())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");

        fs::remove_file(dir.path().join("LOCK")).unwrap();
        open(dir.path()).await.close().await.unwrap();
        symlink(&victim, dir.path().join("data/file")).unwrap();
        symlink(outside.path(), dir.path().join("data/folder")).unwrap();
        open(dir.path()).await.close().await.unwrap();
        assert_eq!(mode(&victim), 0o644);
    }

    #[tokio::test]
    async fn a_directory_that_others_can_read_is_used_with_one_warning() {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let store = RocksStore::open(RocksConfig::new(dir.path())).await.unwrap();
        let [warning] = store.warnings() else { panic!("{:?}", store.warnings()) };
        assert!(warning.contains("chmod 700"), "{warning}");
        assert_eq!(mode(dir.path()), 0o755, "it is not ours to change");
    }
}
