//! redb 4: one transaction at a time, so that one thread commits all that came in meanwhile in one.

use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use kv_core::backend::embedded::{
    Action, Applied, Change, Guard, Op, Shown, applied, close_to_others, decide, sync_dir,
};
use kv_core::{Error, ErrorKind, Outcome, Result};
use redb::{
    AccessGuard, Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, Table,
    TableDefinition, WriteTransaction,
};

use super::marker;
use crate::config::{DiskConfig, Engine};
use crate::error;

const FILE: &str = "store.redb";
const NEW_FILE: &str = "store.redb.new";
/// A file up to this size is checked whole at each open: redb looks at its checksums at no other time. It takes 2 to
/// 3 ms a MiB.
const CHECKED_WHOLE: u64 = 64 << 20;
const DATA: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("data");
const MARKER: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(marker::TABLE);

type Entries = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// An open redb.
pub(crate) struct RedbEngine {
    /// The entries as the last commit left them: to begin a transaction for each read takes longer than to read.
    latest: RwLock<Option<Entries>>,
    /// `None` while a file that failed cannot be opened again.
    db: RwLock<Option<Database>>,
    path: PathBuf,
    cache_bytes: usize,
}

/// Makes a new store in `dir` and closes it.
///
/// Under another name first: a file that was cut short while redb made it cannot be opened ever after.
pub(super) fn create(dir: &Path, config: &DiskConfig) -> Result<()> {
    let path = dir.join(NEW_FILE);
    let db = builder(config.cache_bytes).create(&path).map_err(error::redb)?;
    let write = begin(&db)?;
    write.open_table(DATA).map_err(error::redb)?;
    let text = marker::text(Engine::Redb, config);
    write
        .open_table(MARKER)
        .map_err(error::redb)?
        .insert(marker::KEY, text.as_slice())
        .map_err(error::redb)?;
    write.commit().map_err(error::redb)?;
    drop(db);
    close_to_others(dir)
        .and_then(|()| std::fs::OpenOptions::new().read(true).write(true).open(&path)?.sync_all())
        .and_then(|()| std::fs::rename(&path, dir.join(FILE)))
        .and_then(|()| sync_dir(dir))
        .map_err(|e| error::io("finishing", &path, e))
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder
}

/// A write transaction that is durable when committed, and whose store opens at once after a kill.
fn begin(db: &Database) -> Result<WriteTransaction> {
    let mut write = db.begin_write().map_err(error::redb)?;
    write.set_durability(Durability::Immediate).map_err(error::redb)?;
    write.set_quick_repair(true);
    Ok(write)
}

impl RedbEngine {
    pub(super) fn open(dir: &Path, config: &DiskConfig) -> Result<Self> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Err(error::damaged("data/store.redb, the file of the engine, is missing"));
        }
        let mut db = builder(config.cache_bytes).open(&path).map_err(error::redb)?;
        let length = path.metadata().map_err(|e| error::io("reading", &path, e))?.len();
        if length <= CHECKED_WHOLE && !db.check_integrity().map_err(error::redb)? {
            return Err(error::damaged("pages of data/store.redb do not match their checksums"));
        }
        let read = db.begin_read().map_err(error::redb)?;
        let marker = read.open_table(MARKER).map_err(error::redb)?;
        let found = marker.get(marker::KEY).map_err(error::redb)?;
        marker::check(Engine::Redb, found.as_ref().map(AccessGuard::value))?;
        let latest = RwLock::new(Some(entries(&db)?));
        Ok(Self { latest, db: RwLock::new(Some(db)), path, cache_bytes: config.cache_bytes })
    }

    /// Lends the open file.
    fn with<T>(&self, call: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        call(open(db.as_ref())?)
    }

    /// As [`RedbEngine::with`]; after a failure the file is opened anew.
    fn with_care<T>(&self, call: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        let done = self.with(call);
        if done.as_ref().is_err_and(has_failed) {
            self.mend();
        }
        done
    }

    /// As [`RedbEngine::with_care`]; what was refused for an earlier failure, with nothing of it done, is done now that the file is
    /// well.
    fn once_well<T>(&self, mut call: impl FnMut(&Database) -> Result<T>) -> Result<T> {
        match self.with_care(&mut call) {
            Err(error) if was_refused(&error) => self.with_care(call),
            done => done,
        }
    }

    /// Opens the file anew if a write or a read of it failed: redb answers nothing else until then. It takes milliseconds.
    fn mend(&self) {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if db.as_ref().is_some_and(is_well) {
            return; // somebody else was here before
        }
        self.renew(None);
        *db = None; // first: it holds a lock on the file
        *db = builder(self.cache_bytes).open(&self.path).ok();
        self.renew(db.as_ref());
    }

    /// Lets reads see what is committed now. A writer does so before it answers.
    fn renew(&self, db: Option<&Database>) {
        let latest = db.and_then(|db| entries(db).ok());
        let old =
            std::mem::replace(&mut *self.latest.write().unwrap_or_else(PoisonError::into_inner), latest);
        drop(old); // outside the lock
    }

    pub(super) fn notes(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.with(|db| {
            let read = db.begin_read().map_err(error::redb)?;
            let table = read.open_table(MARKER).map_err(error::redb)?;
            let mut notes = Vec::new();
            for item in table.range(prefix..).map_err(error::redb)? {
                let (key, value) = item.map_err(error::redb)?;
                let Some(rest) = key.value().strip_prefix(prefix) else { break };
                notes.push((rest.to_vec(), value.value().to_vec()));
            }
            Ok(notes)
        })
    }

    pub(super) fn note(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.once_well(|db| {
            let write = begin(db)?;
            write.open_table(MARKER).map_err(error::redb)?.insert(key, value).map_err(error::redb)?;
            finish(write)
        })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = &*latest {
            return find(entries, key);
        }
        drop(latest); // who opens the file anew holds the file and then wants this
        match self.db.try_read() {
            Ok(db) => find(&entries(open(db.as_ref())?)?, key),
            Err(_) => Err(error::redb(redb::Error::PreviousIo)), // it is being opened, and nobody waits for that here
        }
    }

    pub(super) fn visit(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        mut see: impl FnMut(Shown<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        self.once_well(|db| entries(db).map(drop))?; // before anything is shown, which is shown once
        self.with_care(|db| {
            for item in entries(db)?.range::<&[u8]>(range).map_err(error::redb)? {
                let (key, stored) = item.map_err(error::redb)?;
                if see(Shown::lent(key.value(), stored.value())).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(super) fn apply(&self, op: &Op, now: u64) -> Result<Applied> {
        let mut applied = self.commit(std::slice::from_ref(op), now)?;
        applied.pop().unwrap_or_else(|| Err(error::lost()))
    }

    pub(super) fn commit(&self, ops: &[Op], now: u64) -> Result<Vec<Result<Applied>>> {
        if ops.is_empty() {
            self.mend(); // what was committed before is durable: a read has failed
            return Ok(Vec::new());
        }
        self.once_well(|db| {
            let applied = commit(db, ops, now)?;
            self.renew(Some(db));
            Ok(applied)
        })
    }
}

impl fmt::Debug for RedbEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { latest: _, db, path, cache_bytes: _ } = self;
        f.debug_struct("RedbEngine").field("db", db).field("path", path).finish_non_exhaustive()
    }
}

fn open(db: Option<&Database>) -> Result<&Database> {
    db.ok_or_else(|| error::redb(redb::Error::PreviousIo))
}

/// Whether redb still reads and writes: once something failed, it refuses to begin.
fn is_well(db: &Database) -> bool {
    db.begin_write().is_ok_and(|write| write.abort().is_ok())
}

/// Whether the file may be well again once it is opened anew: damage stays.
fn has_failed(error: &Error) -> bool {
    error.kind() != ErrorKind::Corrupt
}

/// Whether an earlier failure, of whatever read or write, is why nothing was begun.
fn was_refused(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.outcome() == Outcome::NotDone
}

/// The entries as they are committed now.
fn entries(db: &Database) -> Result<Entries> {
    db.begin_read().map_err(error::redb)?.open_table(DATA).map_err(error::redb)
}

fn find(entries: &Entries, key: &[u8]) -> Result<Option<Bytes>> {
    let found = entries.get(key).map_err(error::redb)?;
    Ok(found.map(|stored| Bytes::copy_from_slice(stored.value()))) // the page is not ours to keep
}

fn commit(db: &Database, ops: &[Op], now: u64) -> Result<Vec<Result<Applied>>> {
    let write = begin(db)?;
    let mut table = write.open_table(DATA).map_err(error::redb)?;
    let applied = ops.iter().map(|op| apply(&mut table, op, now)).collect::<Result<_>>()?;
    drop(table);
    finish(write)?;
    Ok(applied)
}

/// Commits. Whatever ends that, it may have been written: also a read that fails beside it does.
fn finish(write: WriteTransaction) -> Result<()> {
    write.commit().map_err(|e| error::redb(e).with_outcome(Outcome::Unknown))
}

/// The outer error is the engine's and undoes the whole transaction; the inner one is a condition that did not hold.
fn apply(table: &mut Table<'_, &'static [u8], &'static [u8]>, op: &Op, now: u64) -> Result<Result<Applied>> {
    let key = op.key.as_slice();
    let change = if matches!(op.action, Action::Put { guard: Guard::Always, .. }) {
        Ok(Change::Write)
    } else {
        let current = table.get(key).map_err(error::redb)?;
        decide(op, current.as_ref().map(AccessGuard::value), now)
    };
    let old = match (change, op.stored()) {
        (Err(refused), _) | (Ok(_), Err(refused)) => return Ok(Err(refused)),
        (Ok(Change::Leave), _) => return Ok(Ok(Applied::default())),
        (Ok(Change::Remove | Change::Write), Ok(Some(stored))) => table.insert(key, stored.as_slice()),
        (Ok(Change::Remove | Change::Write), Ok(None)) => table.remove(key),
    };
    let old = old.map_err(error::redb)?;
    Ok(Ok(applied(op, old.as_ref().map(AccessGuard::value))))
}
