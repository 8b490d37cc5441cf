//! A disk without room: `Full`, reads go on, and nothing that was acknowledged is lost.
//!
//! A limit on the size of files stands in for the full disk; it needs no rights.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_rocksdb::{RocksConfig, RocksStore};
use tempfile::TempDir;

use crate::support::{child, id, open};

const DIR: &str = "LARDER_TEST_FULL";
/// In blocks of 512 bytes: 12 MiB, or 24 where the shell counts in 1,024.
const LIMITED: &str = r#"trap "" XFSZ; ulimit -f 24576; exec "$0" "$@""#;

fn value(n: usize) -> Vec<u8> {
    format!("{n:07}-").into_bytes().repeat(2_000)
}

/// Only as a child of the test below: writes until there is no room.
#[tokio::test]
async fn a_child_fills_the_disk() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = open(Path::new(&dir)).await;
    let mut written = 0;
    let error = loop {
        let entry = NewEntry::new(value(written));
        match store.put(Key::new("c", &id(written)), entry, PutMode::Create).await {
            Ok(_) => written += 1,
            Err(e) => break e,
        }
        assert!(written < 5_000, "there is no limit");
    };
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Full, Outcome::Unknown), "{error:?}");
    for n in 0..written {
        assert_eq!(store.get(Key::new("c", &id(n))).await.unwrap().unwrap().value, value(n));
    }
    let again =
        store.put(Key::new("c", "again"), NewEntry::new(value(0)), PutMode::Replace).await.unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::Full | ErrorKind::Unavailable), "{again:?}");
    writeln!(std::io::stdout(), "\nwritten {written}").unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_is_full_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let test = child("full::a_child_fills_the_disk", &[]);
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(LIMITED).arg(test.get_program()).args(test.get_args());
    limited.env(DIR, dir.path()).stdin(Stdio::null());
    let output = limited.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let written = said.lines().find_map(|line| line.strip_prefix("written ")).unwrap();
    let written: usize = written.parse().unwrap();
    assert!(written > 10, "{written}");

    let store = RocksStore::open(RocksConfig::new(dir.path())).await.unwrap();
    for n in 0..written {
        let found = store.get(Key::new("c", &id(n))).await.unwrap();
        assert_eq!(found.unwrap().value, value(n), "{n} of {written}");
    }
    store.put(Key::new("c", "again"), NewEntry::new(value(0)), PutMode::Replace).await.unwrap();
}
