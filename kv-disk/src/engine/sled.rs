//! sled 0.34: writes go into a buffer of this process at once, and a blocking flush hands them to the kernel.
//!
//! Never `flush_async`: seven of them at once, in the whole process, stop every flush for ever. Never `transaction`:
//! it stops all other writers; `compare_and_swap` on one key is enough.
//!
//! What makes a page larger than a quarter of a segment gets a file of its own. If that cannot be written, the place that
//! was taken for it in the log stays open for ever, and so does every flush behind it: the engine is stuck.

mod room;
mod seal;
mod sync;

use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use bytes::Bytes;
use kv_core::backend::embedded::{Action, Applied, Change, Durability, Guard, Op, Shown, applied, decide};
use kv_core::{Error, ErrorKind, Outcome, Result};
use sled::{IVec, Tree};

use self::seal::Seal;
use self::sync::DiskSync;
use super::marker;
use crate::config::{DiskConfig, Engine};
use crate::error;

const DATA: &str = "data";
/// What is written to see whether anything can be; never durable.
const PROBE: &[u8] = b"probe";
/// sled gives room back, and syncs for real, only in its periodic flush.
const FLUSH_EVERY_MS: u64 = 500;
/// Its threads let the files go some milliseconds after it was closed.
const LETS_GO: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(5);
/// Shorter values are copied when they are read.
const COPIED: usize = 1 << 10;

/// An open sled. Dropping it flushes, and takes some milliseconds.
#[derive(Debug)]
pub(crate) struct SledEngine {
    tree: Tree,
    larder: Tree,
    db: sled::Db,
    dir: PathBuf,
    /// With [`Durability::Always`].
    sync: Option<DiskSync>,
    stuck: AtomicBool,
}

/// Makes a new store in `dir` and closes it.
pub(super) fn create(dir: &Path, config: &DiskConfig) -> Result<()> {
    let db = start(dir, config)?;
    db.open_tree(DATA).map_err(error::sled)?;
    let larder = db.open_tree(marker::TABLE).map_err(error::sled)?;
    larder.insert(marker::KEY, marker::text(Engine::Sled, config)).map_err(error::sled)?;
    db.flush().map_err(error::sled)?;
    Ok(())
}

fn start(dir: &Path, config: &DiskConfig) -> Result<sled::Db> {
    let until = Instant::now() + LETS_GO;
    loop {
        let opened = sled::Config::new()
            .path(dir)
            .cache_capacity(u64::try_from(config.cache_bytes).unwrap_or(u64::MAX))
            .flush_every_ms(Some(FLUSH_EVERY_MS))
            .open()
            .map_err(error::sled);
        match opened {
            // The directory is ours: only what was just closed, by us or by a child that is being started, has it still.
            Err(error) if error.kind() == ErrorKind::Unavailable && Instant::now() < until => {
                thread::sleep(AGAIN);
            }
            opened => return opened,
        }
    }
}

/// A short value is copied, which takes less time than to count its owners a second time. A long one is not: sled counts
/// references to each value by itself, so nothing else is kept alive.
fn shared(stored: IVec) -> Bytes {
    if stored.len() < COPIED { Bytes::copy_from_slice(&stored) } else { Bytes::from_owner(stored) }
}

/// Removes the beginnings of snapshots: sled would take one, which a killed process left, for a damaged snapshot.
fn remove_beginnings(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl SledEngine {
    pub(super) fn open(dir: &Path, config: &DiskConfig) -> Result<Self> {
        if !dir.join("db").exists() {
            return Err(error::damaged("data/db, the file of the engine, is missing")); // sled would make a new one
        }
        remove_beginnings(dir).map_err(|e| error::io("tidying", dir, e))?;
        let seal = Seal::of(dir)?;
        let db = start(dir, config)?;
        for name in [marker::TABLE, DATA] {
            if !db.tree_names().iter().any(|known| known == name.as_bytes()) {
                return Err(marker::missing()); // sled would make a new one
            }
        }
        let larder = db.open_tree(marker::TABLE).map_err(error::sled)?;
        marker::check(Engine::Sled, larder.get(marker::KEY).map_err(error::sled)?.as_deref())?;
        seal.broken(&larder)?;
        let tree = db.open_tree(DATA).map_err(error::sled)?;
        let sync = match config.durability {
            Durability::Os => None,
            Durability::Always => Some(DiskSync::new(dir).map_err(|e| error::io("opening", dir, e))?),
        };
        Ok(Self { tree, larder, db, dir: dir.to_owned(), sync, stuck: AtomicBool::new(false) })
    }

    pub(super) fn notes(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let note = |item: sled::Result<(IVec, IVec)>| {
            let (key, value) = item.map_err(error::sled)?;
            Ok((key.get(prefix.len()..).unwrap_or_default().to_vec(), value.to_vec()))
        };
        self.larder.scan_prefix(prefix).map(note).collect()
    }

    pub(super) fn note(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.larder.insert(key, value).map_err(error::sled)?;
        self.commit(&[], 0).map(drop)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.tree.get(key).map_err(error::sled)?.map(shared))
    }

    pub(super) fn visit(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        mut see: impl FnMut(Shown<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        for item in self.tree.range::<&[u8], _>(range) {
            let (key, stored) = item.map_err(error::sled)?;
            if see(Shown::shared(&key, &stored, &|| shared(stored.clone()))).is_break() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn apply(&self, op: &Op, now: u64) -> Result<Applied> {
        let stored = op.stored()?;
        room::check(&self.dir, stored.as_ref().map_or(0, Vec::len))?;
        let old = match (&op.action, stored) {
            (Action::Put { guard: Guard::Always, .. }, Some(stored)) => self.tree.insert(&op.key, stored),
            (Action::Delete, _) => self.tree.remove(&op.key),
            (_, stored) => return self.swap(op, stored.map(IVec::from).as_ref(), now),
        };
        Ok(applied(op, old.map_err(|e| self.failed(e))?.as_deref()))
    }

    /// An error of a write, after which the engine may be stuck.
    fn failed(&self, error: sled::Error) -> Error {
        // Where the log itself failed sled knows, and refuses this write as well.
        if matches!(error, sled::Error::Io(_)) && self.larder.insert(PROBE, b"").is_ok() {
            self.stuck.store(true, Ordering::Release);
        }
        error::sled(error)
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    /// Decides on what is there and writes only if it is still there, until that succeeds.
    fn swap(&self, op: &Op, proposed: Option<&IVec>, now: u64) -> Result<Applied> {
        let mut current = match &op.action {
            Action::Put { guard: Guard::Absent, .. } => None, // most likely: one step saved
            _ => self.tree.get(&op.key).map_err(error::sled)?,
        };
        loop {
            let new = match decide(op, current.as_deref(), now)? {
                Change::Leave => return Ok(Applied::default()),
                Change::Remove => None,
                Change::Write => proposed.cloned(),
            };
            let swapped = self.tree.compare_and_swap(&op.key, current.as_ref(), new);
            match swapped.map_err(|e| self.failed(e))? {
                Ok(()) => return Ok(applied(op, current.as_deref())),
                Err(raced) => current = raced.current,
            }
        }
    }

    pub(super) fn commit(&self, ops: &[Op], now: u64) -> Result<Vec<Result<Applied>>> {
        let mut applied = Vec::with_capacity(ops.len());
        for op in ops {
            let done = self.apply(op, now);
            if self.is_stuck() {
                return done.and_then(|_| Err(error::lost())).map_err(|e| e.with_outcome(Outcome::Unknown));
            }
            applied.push(done);
        }
        self.make_durable().map_err(|e| e.with_outcome(Outcome::Unknown))?; // all of it is done already
        Ok(applied)
    }

    fn make_durable(&self) -> Result<()> {
        self.db.flush().map_err(error::sled)?;
        self.sync.as_ref().map_or(Ok(()), DiskSync::run)
    }

    /// Closes the files and seals them.
    pub(super) fn close(self) -> Result<()> {
        let Self { tree, larder, db, dir, sync, .. } = self;
        let seal = seal::last_entry(&larder)?;
        drop((tree, larder, db, sync));
        seal::close(&dir, seal).map_err(|e| error::io("closing", &dir, e))
    }
}
