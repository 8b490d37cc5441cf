//! A disk without room: `Full`, reads go on, and nothing that was acknowledged is lost.
//!
//! A limit on the size of files stands in for the full disk; it needs no rights.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_disk::{DiskConfig, DiskStore, Engine};
use tempfile::TempDir;

use crate::support::{ENGINES, child, config, id};

const DIR: &str = "LARDER_TEST_FULL";
const DIR_OF_FILES: &str = "LARDER_TEST_FILES";
const ENGINE: &str = "LARDER_TEST_ENGINE";
/// In blocks of 512 bytes: 12 MiB, or 24 where the shell counts in 1,024.
const LIMITED: &str = r#"trap "" XFSZ; ulimit -f 24576; exec "$0" "$@""#;

fn value(n: usize) -> Vec<u8> {
    format!("{n:07}-").into_bytes().repeat(2_000)
}

/// Only as a child of the test below: writes until there is no room.
#[tokio::test]
async fn a_child_fills_the_disk() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let redb = std::env::var(ENGINE).is_ok_and(|engine| engine == "redb");
    let engine = if redb { Engine::Redb } else { Engine::Sled };
    let store = DiskStore::open(config(engine, Path::new(&dir))).await.unwrap();
    let mut written = 0;
    let error = loop {
        let entry = NewEntry::new(value(written));
        match store.put(Key::new("c", &id(written)), entry, PutMode::Create).await {
            Ok(_) => written += 1,
            Err(e) => break e,
        }
        assert!(written < 5_000, "there is no limit");
    };
    assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
    let mut unread = 0;
    for n in 0..written {
        match store.get(Key::new("c", &id(n))).await {
            Ok(found) => assert_eq!(found.unwrap().value, value(n)),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Full, "{e:?}");
                unread += 1;
            }
        }
    }
    // sled cannot read the page that the failed write is on, if it has to read it from the disk.
    assert!(unread <= if redb { 0 } else { 40 }, "{unread} of {written} cannot be read");
    let again =
        store.put(Key::new("c", "again"), NewEntry::new(value(0)), PutMode::Replace).await.unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::Full | ErrorKind::Unavailable), "{again:?}");
    writeln!(std::io::stdout(), "\nwritten {written}").unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_is_full_and_loses_nothing() {
    for engine in ENGINES {
        let dir = TempDir::new().unwrap();
        let test = child("full::a_child_fills_the_disk", &[]);
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(LIMITED).arg(test.get_program()).args(test.get_args());
        limited.env(DIR, dir.path()).env(ENGINE, engine.as_str()).stdin(Stdio::null());
        let output = limited.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{engine}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
        let written = said.lines().find_map(|line| line.strip_prefix("written ")).unwrap();
        let written: usize = written.parse().unwrap();
        assert!(written > 10, "{engine}: {written}");

        let store = DiskStore::open(DiskConfig::new(dir.path())).await.unwrap();
        for n in 0..written {
            let found = store.get(Key::new("c", &id(n))).await.unwrap();
            assert_eq!(found.unwrap().value, value(n), "{engine}: {n} of {written}");
        }
        store.put(Key::new("c", "again"), NewEntry::new(value(0)), PutMode::Replace).await.unwrap();
    }
}

const DIR_OF_LIMIT: &str = "LARDER_TEST_LIMIT";

/// Sets how large a file of this process may become.
#[cfg(target_os = "linux")]
fn limit_files(limit: &str) {
    let pid = std::process::id().to_string();
    let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}")]).status();
    assert!(set.unwrap().success());
}

/// Only as a child of the test below: the disk is full for a while, when a namespace is used for the first time.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_meets_a_full_disk_at_first() {
    let Ok(dir) = std::env::var(DIR_OF_LIMIT) else { return };
    let mut config = config(Engine::Redb, Path::new(&dir));
    config.namespace = "new".to_owned();
    let store = DiskStore::open(config).await.unwrap();
    let key = Key::new("c", "i");
    let put = async || store.put(key, NewEntry::new("x"), PutMode::Replace).await;
    limit_files("512:unlimited");
    assert_eq!(put().await.unwrap_err().kind(), ErrorKind::Full);
    limit_files("unlimited:unlimited");
    assert!(store.get(key).await.unwrap().is_none());
    put().await.unwrap();
    assert_eq!(store.get(key).await.unwrap().unwrap().value, "x");
    store.close().await.unwrap();
    writeln!(std::io::stdout(), "\nended").unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn redb_goes_on_by_itself_once_there_is_room_also_before_anything_was_written() {
    let dir = TempDir::new().unwrap();
    drop(DiskStore::open(config(Engine::Redb, dir.path())).await.unwrap());
    let test = child("full::a_child_meets_a_full_disk_at_first", &[]);
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(r#"trap "" XFSZ; exec "$0" "$@""#).arg(test.get_program()).args(test.get_args());
    let output = limited.env(DIR_OF_LIMIT, dir.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().any(|line| line == "ended"), "{said}");
}

/// Only as a child of the test below: no file is left when a value needs one of its own.
#[tokio::test]
async fn a_child_runs_out_of_files() {
    let Ok(dir) = std::env::var(DIR_OF_FILES) else { return };
    let store = DiskStore::open(config(Engine::Sled, Path::new(&dir))).await.unwrap();
    let put = async |id: &'static str, bytes: usize| {
        store.put(Key::new("c", id), NewEntry::new(vec![7; bytes]), PutMode::Replace).await
    };
    put("before", 10).await.unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let failed = put("large", 400_000).await.unwrap_err();
    assert_eq!(failed.outcome(), Outcome::Unknown, "{failed:?}");
    drop(files);
    for bytes in [10, 400_000] {
        let again = put("after", bytes).await.unwrap_err();
        assert_eq!((again.kind(), again.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{again:?}");
    }
    assert_eq!(store.get(Key::new("c", "before")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    store.close().await.unwrap_err();
    writeln!(std::io::stdout(), "\nended").unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn an_engine_that_cannot_go_on_holds_up_nobody_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let test = child("full::a_child_runs_out_of_files", &[]);
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(r#"ulimit -n 64; exec "$0" "$@""#).arg(test.get_program()).args(test.get_args());
    let output = limited.env(DIR_OF_FILES, dir.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().any(|line| line == "ended"), "{said}");
    let store = DiskStore::open(DiskConfig::new(dir.path())).await.unwrap();
    for (id, there) in [("before", true), ("large", false), ("after", false)] {
        assert_eq!(store.get(Key::new("c", id)).await.unwrap().is_some(), there, "{id}");
    }
    store.put(Key::new("c", "after"), NewEntry::new(vec![7; 400_000]), PutMode::Create).await.unwrap();
}
