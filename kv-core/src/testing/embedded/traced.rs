//! What the kernel is asked to do before a write is acknowledged, as `strace` sees it.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::child;
use crate::testing::skip;
use crate::{Key, NewEntry, PutMode, Store};

/// What the child writes.
pub const WRITES: usize = 24;
/// One value in eight is larger than an engine may keep in its log.
const LARGE: usize = 300_000;

const DIR: &str = "LARDER_TEST_TRACED";
const MODE: &str = "LARDER_TEST_MODE";
const WATCHED: &str = "trace=write,writev,pwrite64,pwritev,fsync,fdatasync,sync_file_range,unlink,unlinkat";

/// One system call: the lines of the trace where it began and ended, its name, the file it concerns, all its text.
#[derive(Debug)]
pub struct Call {
    /// The line where it began.
    pub began: usize,
    /// The line where it ended; `usize::MAX` if it never did.
    pub ended: usize,
    /// Its name.
    pub name: String,
    /// The file of its first argument; empty if that is none.
    pub path: String,
    /// Its arguments and its answer.
    pub text: String,
}

/// What stands in the value of write `number` and nowhere else.
pub fn mark(number: usize) -> String {
    format!("mark-{number:06}-")
}

/// The child's side: the directory and the mode that [`traced`] names; `None` where this is no such child.
///
/// # Panics
/// When the mode is no number.
pub fn asked() -> Option<(PathBuf, usize)> {
    let (dir, mode) = (std::env::var(DIR).ok()?, std::env::var(MODE).ok()?);
    Some((dir.into(), mode.parse().expect("a number")))
}

/// The child's side: [`WRITES`] writes, each acknowledged on stdout.
///
/// # Panics
/// When the store refuses one.
pub async fn write(store: &impl Store) {
    for number in 0..WRITES {
        let length = if number % 8 == 7 { LARGE } else { 200 };
        let value: Vec<u8> = mark(number).into_bytes().into_iter().cycle().take(length).collect();
        let id = number.to_string();
        store.put(Key::new("c", &id), NewEntry::new(value), PutMode::Create).await.expect("a put");
        std::io::stdout().write_all(format!("ack {number} .\n").as_bytes()).expect("somebody reads");
    }
}

/// The trace of `test` as a child that is asked to write in this mode below `dir`; `None`, said aloud, where there is no
/// `strace`.
///
/// # Panics
/// When the child fails, and without `strace` where `LARDER_REQUIRE_ALL` is `1`.
pub fn traced(test: &str, mode: usize, dir: &Path) -> Option<Vec<Call>> {
    let out = dir.join("trace");
    let test = child(test, &[]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "600000", "-e", WATCHED, "-o"]).arg(&out);
    strace.arg(test.get_program()).args(test.get_args());
    strace.env(DIR, dir.join("store")).env(MODE, mode.to_string()).env("RUST_TEST_THREADS", "1");
    match strace.output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            skip(
                "without strace nobody saw what is synced before an acknowledgement: scripts/setup installs it",
            );
            return None;
        }
        Err(e) => panic!("strace: {e}"),
    }
    Some(calls(&fs::read_to_string(out).expect("a trace")))
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

/// The writes that were acknowledged before some file that their bytes went to was synced, each with that file.
///
/// A value in a file of its own has `own_file` in its path; then the folder of that file has to be synced, too.
///
/// # Panics
/// When a write was never acknowledged, or before the kernel had it.
pub fn unsynced(calls: &[Call], own_file: &str) -> Vec<String> {
    let mut unsynced = Vec::new();
    for number in 0..WRITES {
        let ack = acknowledged(calls, number);
        let mark = mark(number);
        let is_write = |call: &&Call| call.name.contains("write") && call.path.contains('/');
        let written: Vec<_> = calls
            .iter()
            .filter(|call| is_write(call) && call.ended < ack && call.text.contains(&mark))
            .collect();
        assert!(!written.is_empty(), "write {number} was acknowledged before it was handed to the kernel");
        for write in written {
            let folder = write.path.rsplit_once('/').map(|(folder, _)| folder);
            let folder = folder.filter(|_| !own_file.is_empty() && write.path.contains(own_file));
            for path in [Some(write.path.as_str()), folder].into_iter().flatten() {
                if !is_synced(calls, path, write.ended, ack) {
                    unsynced.push(format!("write {number}: {path}"));
                }
            }
        }
    }
    unsynced
}

/// The line where write `number` was acknowledged.
fn acknowledged(calls: &[Call], number: usize) -> usize {
    let ack = format!("\"ack {number} .");
    calls.iter().find(|call| call.text.contains(&ack)).expect("acknowledged").began
}

fn is_synced(calls: &[Call], path: &str, after: usize, before: usize) -> bool {
    let is_sync = |call: &Call| matches!(call.name.as_str(), "fsync" | "fdatasync") && call.path == path;
    calls.iter().any(|call| is_sync(call) && call.began > after && call.ended < before)
}
