//! What the kernel is asked to do before a write is acknowledged, as `strace` sees it.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use kv_core::{Key, NewEntry, PutMode, Store};
use kv_disk::{DiskStore, Durability, Engine};
use tempfile::TempDir;

use crate::support::{MODES, child, config};

const DIR: &str = "LARDER_TEST_TRACED";
const MODE: &str = "LARDER_TEST_MODE";
const WRITES: usize = 24;
/// One value in eight is larger than sled keeps in its log: it gets a file of its own.
const LARGE: usize = 300_000;

/// What stands in the value of a write and nowhere else.
fn mark(number: usize) -> String {
    format!("mark-{number:06}-")
}

/// Only as a child of the tests below, under `strace`.
#[tokio::test]
async fn a_child_writes_while_it_is_traced() {
    let (Ok(dir), Ok(mode)) = (std::env::var(DIR), std::env::var(MODE)) else { return };
    let (engine, durability) = MODES[mode.parse::<usize>().unwrap()];
    let mut config = config(engine, Path::new(&dir));
    config.durability = durability;
    let store = DiskStore::open(config).await.unwrap();
    for number in 0..WRITES {
        let length = if number % 8 == 7 { LARGE } else { 200 };
        let value: Vec<u8> = mark(number).into_bytes().into_iter().cycle().take(length).collect();
        let id = number.to_string();
        store.put(Key::new("c", &id), NewEntry::new(value), PutMode::Create).await.unwrap();
        std::io::stdout().write_all(format!("ack {number} .\n").as_bytes()).unwrap();
    }
}

/// One system call: the lines of the trace where it began and ended, its name, the file it concerns, all its text.
#[derive(Debug)]
struct Call {
    began: usize,
    ended: usize,
    name: String,
    path: String,
    text: String,
}

/// The trace of a child, or `None` where there is no `strace`.
fn traced(mode: usize, dir: &Path) -> Option<Vec<Call>> {
    let out = dir.join("trace");
    let (store, mode) = (dir.join("store"), mode.to_string());
    let test = child("durability::a_child_writes_while_it_is_traced", &[]);
    let mut strace = Command::new("strace");
    strace
        .args([
            "-f",
            "-y",
            "-s",
            "600000",
            "-e",
            "trace=write,pwrite64,fsync,fdatasync,unlink,unlinkat",
            "-o",
        ])
        .arg(&out);
    strace.arg(test.get_program()).args(test.get_args());
    strace.env(DIR, &store).env(MODE, mode).env("RUST_TEST_THREADS", "1");
    match strace.output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            assert!(
                std::env::var_os("LARDER_REQUIRE_ALL").is_none(),
                "strace is missing and all is required"
            );
            eprintln!("SKIPPED: strace is missing, so nobody saw what is synced before an acknowledgement");
            return None;
        }
        Err(e) => panic!("strace: {e}"),
    }
    Some(calls(&std::fs::read_to_string(out).unwrap()))
}

fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished = HashMap::new();
    for (at, line) in trace.lines().enumerate() {
        let (pid, rest) = line.split_once(' ').unwrap_or_default();
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            if let Some(call) = unfinished.remove(pid).and_then(|index: usize| calls.get_mut(index)) {
                call.ended = at;
            }
            continue;
        }
        let Some((name, text)) = rest.split_once('(') else { continue };
        let path = text.split_once('<').and_then(|(_, path)| path.split_once('>')).unwrap_or_default().0;
        let ended = if rest.ends_with("<unfinished ...>") {
            unfinished.insert(pid, calls.len());
            usize::MAX
        } else {
            at
        };
        calls.push(Call { began: at, ended, name: name.into(), path: path.into(), text: text.into() });
    }
    calls
}

/// For each acknowledged write: every file that its bytes went to, and whether that was synced in between.
fn unsynced(calls: &[Call]) -> Vec<String> {
    let mut unsynced = Vec::new();
    for number in 0..WRITES {
        let ack = format!("\"ack {number} .");
        let ack = calls.iter().find(|call| call.text.contains(&ack)).expect("acknowledged").began;
        let mark = mark(number);
        let written: Vec<_> = calls
            .iter()
            .filter(|call| call.ended < ack && call.name.contains("write") && call.text.contains(&mark))
            .collect();
        assert!(!written.is_empty(), "write {number} was acknowledged before it was handed to the kernel");
        for write in written {
            let folder = write.path.rsplit_once('/').unwrap().0;
            let own_file = write.path.contains("/blobs/");
            let wanted = [Some(write.path.as_str()), own_file.then_some(folder)];
            for path in wanted.into_iter().flatten() {
                let synced = |call: &Call| {
                    call.name.ends_with("sync")
                        && call.path == path
                        && call.began > write.ended
                        && call.ended < ack
                };
                if !calls.iter().any(synced) {
                    unsynced.push(format!("write {number}: {path}"));
                }
            }
        }
    }
    unsynced
}

fn mode(engine: Engine, durability: Durability) -> usize {
    MODES.iter().position(|mode| *mode == (engine, durability)).unwrap()
}

#[test]
fn sled_that_syncs_does_so_before_it_acknowledges() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(mode(Engine::Sled, Durability::Always), dir.path()) else { return };
    assert_eq!(unsynced(&calls), [""; 0]);
    assert!(calls.iter().any(|call| call.path.contains("/blobs/")), "no value had a file of its own");
}

#[test]
fn a_store_that_was_closed_is_no_longer_called_so_on_the_disk_before_the_first_write() {
    let dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = DiskStore::open(config(Engine::Sled, &dir.path().join("store"))).await.unwrap();
        store.close().await.unwrap();
    });
    let Some(calls) = traced(mode(Engine::Sled, Durability::Os), dir.path()) else { return };
    let named = |name: &'static str, text: &str| {
        let text = text.to_owned();
        move |call: &&Call| call.name.starts_with(name) && call.text.contains(&text)
    };
    let removed = calls.iter().find(named("unlink", "/CLOSED\"")).expect("it was closed").ended;
    let written = calls.iter().find(named("pwrite", &mark(0))).expect("it was written to").began;
    let for_good = |call: &Call| call.name == "fsync" && call.path.ends_with("/data") && call.began > removed;
    assert!(calls.iter().any(|call| for_good(call) && call.ended < written));
}

#[test]
fn redb_syncs_before_it_acknowledges() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(mode(Engine::Redb, Durability::Always), dir.path()) else { return };
    assert_eq!(unsynced(&calls), [""; 0]);
}

#[test]
fn sled_that_does_not_sync_hands_its_writes_to_the_kernel_before_it_acknowledges() {
    let dir = TempDir::new().unwrap();
    let Some(calls) = traced(mode(Engine::Sled, Durability::Os), dir.path()) else { return };
    assert!(unsynced(&calls).len() > WRITES / 2, "then the test above shows nothing");
}
