//! The directory of a store: who may use it, what may lie in it, and that it may move.

#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::kind::{Kind, Opening, opened};
use super::{child, entries, expected, fill, id};
use crate::{Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Store as _};

const HOLD: &str = "LARDER_TEST_HOLD";
const NUMBER: &str = "LARDER_TEST_ENGINE";

async fn refused<K: Kind>(kind: K, dir: &Path, opening: Opening) -> Error {
    kind.open(dir, opening).await.expect_err("it is refused")
}

/// What was written is there after closing and opening again.
pub async fn keeps_what_was_written<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    fill(&store, 0..1_200).await;
    store.close().await.expect("it closes");
    let again = opened(kind, dir).await;
    assert_eq!(entries(&again).await.expect("a listing"), expected(0..1_200));
}

/// Closing it, and dropping its last handle, free the directory at once.
pub async fn is_free_at_once<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    let clone = store.clone();
    drop(store);
    fill(&clone, 0..60).await;
    drop(clone);
    for _ in 0..5 {
        let store = kind.open(dir, Opening::impatient()).await.expect("it is free");
        assert_eq!(entries(&store).await.expect("a listing"), expected(0..60));
        store.close().await.expect("it closes");
        let late = store.get(Key::new("c", &id(1))).await.expect_err("it is closed");
        assert_eq!(late.kind(), ErrorKind::Closed);
        store.close().await.expect("closing again");
    }
}

/// It opens where it was moved to.
pub async fn may_move<K: Kind>(kind: K, dir: &Path) {
    let (old, new) = (dir.join("old"), dir.join("new home"));
    let store = opened(kind, &old).await;
    fill(&store, 0..60).await;
    store.close().await.expect("it closes");
    fs::rename(old, &new).expect("it moves");
    assert_eq!(entries(&opened(kind, &new).await).await.expect("a listing"), expected(0..60));
}

/// Who opens it a second time in this process is told so.
pub async fn has_one_owner_in_a_process<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    let error = refused(kind, dir, Opening::impatient()).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone));
    assert!(error.message().contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.message().contains("share the handle") && !error.message().contains("stop"), "{error}");
    fill(&store, 0..3).await;
}

/// Who opens it while its owner lets go waits for that.
pub async fn waits_for_an_owner_that_lets_go<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    let path = dir.to_owned();
    let second = tokio::spawn(async move { kind.open(&path, Opening::default()).await });
    tokio::task::yield_now().await;
    store.close().await.expect("it closes");
    second.await.expect("no panic").expect("it opens");
}

/// Another process is told the number of the owner, and what to do.
pub async fn has_one_owner_among_processes<K: Kind>(kind: K, dir: &Path) {
    let number = kind.number().to_string();
    let path = dir.to_str().expect("a path in UTF-8");
    let mut holder = child(K::HOLDER, &[(HOLD, path), (NUMBER, &number)]);
    let mut owner = holder.stdin(Stdio::piped()).spawn().expect("a child");
    let mut lines = BufReader::new(owner.stdout.take().expect("its output")).lines();
    while lines.next().expect("a line").expect("a line") != "holding" {}
    let error = refused(kind, dir, Opening::impatient()).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let advice = format!("in use by process {}; stop that process", owner.id());
    assert!(error.message().contains(&advice), "{error}");
    drop(owner.stdin.take());
    owner.wait().expect("it ends");
    opened(kind, dir).await;
}

/// Which kind the parent of this process wants held, and where; `None` where it is no such child.
pub fn asked_to_hold() -> Option<(PathBuf, usize)> {
    let dir = std::env::var_os(HOLD)?.into();
    Some((dir, std::env::var(NUMBER).ok()?.parse().ok()?))
}

/// The child of [`has_one_owner_among_processes`]: holds a store until its input ends.
pub async fn hold<K: Kind>(kind: K, dir: &Path) {
    let store = opened(kind, dir).await;
    writeln!(std::io::stdout(), "\nholding").expect("the parent listens");
    std::io::stdin().lines().for_each(drop);
    drop(store);
}

/// What is no part of a store is refused and left alone, also beside one.
pub async fn leaves_foreign_files_alone<K: Kind>(kind: K, dir: &Path) {
    let thesis = dir.join("thesis.tex");
    fs::write(&thesis, "years of work").expect("a file");
    let error = refused(kind, dir, Opening::default()).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("thesis.tex"), "{error}");
    assert!(error.message().contains("choose a directory"), "{error}");
    assert_eq!(fs::read_dir(dir).expect("a listing").count(), 1);

    fs::remove_file(&thesis).expect("it goes");
    opened(kind, dir).await.close().await.expect("it closes");
    fs::write(&thesis, "years of work").expect("a file");
    assert_eq!(refused(kind, dir, Opening::default()).await.kind(), ErrorKind::Corrupt);
}

/// What file systems and desktops leave does no harm.
pub async fn bears_what_file_systems_leave<K: Kind>(kind: K, dir: &Path) {
    fs::create_dir(dir.join("lost+found")).expect("a directory");
    for name in [".DS_Store", "larder.sock"] {
        fs::write(dir.join(name), "").expect("a file");
    }
    opened(kind, dir).await;
}

/// A file in its place is no directory.
pub async fn refuses_a_file<K: Kind>(kind: K, dir: &Path) {
    let file = dir.join("file");
    fs::write(&file, "mine").expect("a file");
    for root in [file.clone(), file.join("below")] {
        assert_eq!(refused(kind, &root, Opening::default()).await.kind(), ErrorKind::Invalid);
    }
    assert_eq!(fs::read_to_string(&file).expect("the file"), "mine");
}

/// A creation that was cut short, and left these files, starts over.
pub async fn starts_over<K: Kind>(kind: K, dir: &Path, left: &[&str]) {
    fs::write(dir.join("LOCK"), "4711\n").expect("a file");
    fs::create_dir(dir.join("new")).expect("a directory");
    for name in left {
        fs::write(dir.join("new").join(name), "half").expect("a file");
    }
    let store = opened(kind, dir).await;
    fill(&store, 0..3).await;
    assert!(!dir.join("new").exists());
}

/// Nothing is made for who does not ask for it, in a missing directory and in an empty one.
pub async fn is_not_made_unasked<K: Kind>(kind: K, dir: &Path) {
    let (missing, empty) = (dir.join("missing"), dir.join("empty"));
    fs::create_dir(&empty).expect("a directory");
    for root in [&missing, &empty] {
        let error = refused(kind, root, Opening::existing()).await;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Invalid, Outcome::NotDone));
        assert!(error.message().contains("there is no store in"), "{error}");
    }
    assert!(!missing.exists());
    assert_eq!(fs::read_dir(&empty).expect("a listing").count(), 0);
    for root in [missing, empty] {
        opened(kind, &root).await.close().await.expect("it closes");
        kind.open(&root, Opening::existing()).await.expect("there is one");
    }
}

/// Namespaces in one directory never meet.
pub async fn keeps_namespaces_apart<K: Kind>(kind: K, dir: &Path) {
    let key = Key::new("c", "k");
    for (name, value) in [("larder", "mine"), ("other", "theirs")] {
        let store = kind.open(dir, Opening::named(name)).await.expect("it opens");
        assert!(entries(&store).await.expect("a listing").is_empty());
        store.put(key, NewEntry::new(value), PutMode::Create).await.expect("a put");
        store.close().await.expect("it closes");
    }
    let store = kind.open(dir, Opening::named("other")).await.expect("it opens");
    assert_eq!(store.get(key).await.expect("a get").expect("the entry").value, "theirs");
    assert_eq!(K::held(&store).await, 2);
}
