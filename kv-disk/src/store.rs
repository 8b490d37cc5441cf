//! The store: what its handles hold, and the contract on top of the parts.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kv_core::backend::embedded::{Action, Durability, Guard, Op, Request, end, stored};
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, Key, NewEntry, Page, PutMode, Result, Scan, Signals, Store,
    Version,
};
use tokio::task::spawn_blocking;

use crate::config::{DiskConfig, Engine};
use crate::error;
use crate::inner::{Facts, Inner};
use crate::open::Open;
use crate::shared::Shared;

/// A store in a directory of this machine, owned by this process while it is open. Cheap to clone; clones share it.
///
/// A write is acknowledged once it survives what [`Durability`] says. Dropping the last handle flushes and frees the
/// directory; that blocks for some milliseconds, `close` waits for it instead.
#[derive(Clone)]
pub struct DiskStore(Arc<Inner>);

/// What a store holds, expired entries that were not freed yet included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Entries of all namespaces.
    pub entries: u64,
    /// Bytes of their keys and stored forms; the files take more.
    pub bytes: u64,
}

impl DiskStore {
    /// Opens the store in the directory, or creates it. Needs a tokio runtime.
    ///
    /// # Errors
    /// `Unavailable` when another process, named by its number, still holds the directory after `lock_wait`;
    /// `Corrupt` for damaged files and for a directory that holds anything else; `Invalid` for another engine than
    /// the store was made with, and for a missing store that is not to be created; `Denied` and `Full` by the system.
    pub async fn open(config: DiskConfig) -> Result<Self> {
        let opened = spawn_blocking(move || Inner::open(&config)).await;
        let inner = opened.map_err(|e| error::lost().because(e)).flatten();
        inner.map(|inner| Self(Arc::new(inner))).map_err(|e| e.during("open"))
    }

    /// What the owner of the directory should know, one sentence each; mostly none.
    pub fn warnings(&self) -> &[String] {
        &self.0.facts.warnings
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.0.facts.dir
    }

    /// The engine that keeps the files.
    pub fn engine(&self) -> Engine {
        self.0.facts.engine
    }

    /// What an acknowledged write survives; redb always keeps the stronger one.
    pub fn durability(&self) -> Durability {
        self.0.facts.durability
    }

    /// How often an operation held its executor's thread for more than the millisecond that is meant as the bound:
    /// a cold read, or an engine that had to write out its buffer. Of `get`s one in 16 is timed and counts for all.
    pub fn slow_inline(&self) -> u64 {
        self.0.inline.slow()
    }

    /// What the store holds, counted by reading all of it.
    ///
    /// # Errors
    /// `Closed` after `close`, `Corrupt` for damaged files.
    pub async fn held(&self) -> Result<Held> {
        let (entries, bytes) = self.0.elsewhere(Shared::held).await?;
        Ok(Held { entries, bytes })
    }
}

fn guard(mode: PutMode) -> Guard {
    match mode {
        PutMode::Replace => Guard::Always,
        PutMode::Create => Guard::Absent,
        PutMode::Update(version) => Guard::Version(version),
    }
}

impl Store for DiskStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.0.read(key).map_err(|e| e.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let version = entry.version();
        let named = |e: Error| e.during("put").at(key);
        let op = self.0.put(key, entry, guard(mode)).map_err(named)?;
        self.0.write(op).await.map_err(named)?;
        Ok(version)
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let named = |e: Error| e.during("take").at(key);
        let stored_key = self.0.key(key).map_err(named)?;
        let now = self.0.clock.unix_ms();
        let op = Op { key: stored_key.clone(), action: Action::Take { version } };
        let Some(taken) = self.0.write(op).await.map_err(named)?.taken else { return Ok(None) };
        stored::open_taken(&stored_key, taken, now).map_err(named)
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let named = |e: Error| e.during("get_many");
        let stored = keys.iter().map(|key| self.0.key(*key)).collect();
        let found = self.0.read_many(stored).await.map_err(named)?;
        Ok(found.into_iter().zip(keys).map(|(found, key)| found.map_err(|e| named(e).at(*key))).collect())
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let named = |e: Error| e.during("put_many");
        let versions: Vec<_> = entries.iter().map(|(key, entry)| (*key, entry.version())).collect();
        let ops = entries.into_iter().map(|(key, entry)| self.0.put(key, entry, Guard::Always)).collect();
        let written = self.0.write_many(ops).await.map_err(named)?;
        let answers = written.into_iter().zip(versions);
        Ok(answers
            .map(|(written, (key, version))| written.map(|_| version).map_err(|e| named(e).at(key)))
            .collect())
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let named = |e: Error| e.during("delete_many");
        let op = |key: &Key<'_>| Ok(Op { key: self.0.key(*key)?, action: Action::Delete });
        let removed = self.0.write_many(keys.iter().map(op).collect()).await.map_err(named)?;
        Ok(removed
            .into_iter()
            .zip(keys)
            .map(|(removed, key)| removed.map(drop).map_err(|e| named(e).at(*key)))
            .collect())
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let (request, from) = (Request::of(scan), from.cloned());
        let page = self.0.elsewhere(move |shared| shared.page(&request, from.as_ref())).await;
        page.map_err(|e| e.during("scan"))
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.0.here(|shared| shared.news.signal(topic, message)).map_err(|e| e.during("signal"))
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.0.here(|shared| shared.news.signals(topic)).map_err(|e| e.during("signals"))
    }

    async fn changes(&self) -> Result<Changes> {
        self.0.here(|shared| shared.news.changes()).map_err(|e| e.during("changes"))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn close(&self) -> Result<()> {
        let flushed = match self.0.open.swap(None) {
            Some(open) => end(open, Open::flush).await.unwrap_or_else(|_| Err(error::lost())),
            None => Ok(()),
        };
        let mut freed = self.0.freed.clone();
        while freed.changed().await.is_ok() {}
        flushed.map_err(|e| e.during("close"))
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { dir, engine, durability, warnings: _ } = &self.0.facts;
        f.debug_struct("DiskStore")
            .field("dir", dir)
            .field("engine", engine)
            .field("durability", durability)
            .finish_non_exhaustive()
    }
}
