//! The contract on top of an open store.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::access::Access;
use super::{Action, Applied, Engine, GROUP, Guard, Namespace, Op, Open, Request, Shared, apart, error};
use super::{stored, submit, together};
use crate::{
    Capabilities, Changes, Clock, Consistency, Cursor, Entry, Error, ErrorKind, Judge, Key, Listing,
    NewEntry, Page, PutMode, Result, Scan, Signals, Store, Version, ttl,
};

/// The largest value.
const MAX_VALUE: usize = 100 << 20;
/// The longest stored key: what the namespace is stored as, collection and id with 2 bytes between, NULs counted twice.
const MAX_KEY: usize = 1_000_000;

/// What the handles of a store in a directory share.
#[derive(Debug)]
pub struct Handle<E: Engine> {
    access: Access<E>,
    namespace: Namespace,
    clock: Clock,
    capabilities: Capabilities,
    dir: PathBuf,
    warnings: Vec<String>,
}

/// What a store holds, expired entries that were not freed yet included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Entries of all namespaces.
    pub entries: u64,
    /// Bytes of their keys and stored forms; the files take more.
    pub bytes: u64,
}

impl<E: Engine> Handle<E> {
    /// Handles of a store that was opened. `backend` is the name in its capabilities.
    ///
    /// # Errors
    /// `Closed`, which an open one never is.
    pub fn new(backend: &'static str, open: Open<E>) -> Result<Self> {
        let (dir, warnings) = (open.directory().root().to_owned(), open.directory().warnings().to_vec());
        let shared = open.shared()?;
        let (namespace, clock) = (shared.namespace.clone(), shared.clock.clone());
        let mut capabilities = capabilities(backend);
        capabilities.reads_ahead = shared.needs_commit();
        Ok(Self { access: Access::new(open), namespace, clock, capabilities, dir, warnings })
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the owner of the directory should know, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How often an operation held its executor's thread for more than a millisecond. Of `get`s one in 16 is timed and
    /// counts for all.
    pub fn slow_inline(&self) -> u64 {
        self.access.slow_inline()
    }

    /// What the store holds, counted by reading all of it.
    ///
    /// # Errors
    /// `Closed` after `close`, `Corrupt` for damaged files.
    pub async fn held(&self) -> Result<Held> {
        self.access.elsewhere(Shared::held).await
    }

    /// Calls the engine off the executor.
    ///
    /// # Errors
    /// Those of `call`; `Closed` after `close`, `Corrupt` once the engine has panicked.
    pub async fn engine<T: Send + 'static>(
        &self,
        call: impl FnOnce(&E) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.access.elsewhere(|shared| shared.engine(call)).await
    }

    fn key(&self, key: Key<'_>) -> Result<Vec<u8>> {
        let stored = self.namespace.key(key);
        check_length(&stored)?;
        Ok(stored)
    }

    fn write_of(&self, key: Key<'_>, entry: NewEntry, guard: Guard) -> Result<Op> {
        if entry.value().len() > MAX_VALUE {
            return Err(Error::new(ErrorKind::TooLarge, "a value has at most 100 MiB"));
        }
        let ttl = ttl::checked_ttl(entry.lifetime())?;
        let deadline = ttl.map(|ttl| ttl::deadline(self.clock.unix_ms(), ttl));
        Ok(Op { key: self.key(key)?, action: Action::Put { entry, deadline, guard } })
    }

    async fn write(&self, op: Op) -> Result<Applied> {
        let submitted = self.access.here(|shared| Ok(submit(shared, vec![op])))?;
        submitted.finish().await.pop().unwrap_or_else(|| Err(error::lost()))
    }

    /// Writes what could be prepared; the others answer with their own error.
    async fn write_many(&self, prepared: Vec<Result<Op>>) -> Result<Vec<Result<Applied>>> {
        let (ops, refused) = apart(prepared);
        let submitted = self.access.here(|shared| Ok(submit(shared, ops)))?;
        Ok(together(submitted.finish().await, refused))
    }
}

impl<E: Engine> Store for Handle<E> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let read = |shared: &Shared<E>| {
            self.namespace.with_key(key, |stored| {
                check_length(stored)?;
                shared.get(stored)
            })
        };
        self.access.at_once(read).map_err(|e| e.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let version = entry.version();
        let named = |e: Error| e.during("put").at(key);
        let op = self.write_of(key, entry, guard(mode)).map_err(named)?;
        self.write(op).await.map_err(named)?;
        Ok(version)
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let named = |e: Error| e.during("take").at(key);
        let stored_key = self.key(key).map_err(named)?;
        let now = self.clock.unix_ms();
        let op = Op { key: stored_key.clone(), action: Action::Take { version } };
        let Some(taken) = self.write(op).await.map_err(named)?.taken else { return Ok(None) };
        stored::open_taken(&stored_key, taken, now).map_err(named)
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let named = |e: Error| e.during("get_many");
        let (stored, refused) = apart(keys.iter().map(|key| self.key(*key)).collect());
        let found = together(self.access.read(stored).await.map_err(named)?, refused);
        Ok(found.into_iter().zip(keys).map(|(found, key)| found.map_err(|e| named(e).at(*key))).collect())
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let named = |e: Error| e.during("put_many");
        let versions: Vec<_> = entries.iter().map(|(key, entry)| (*key, entry.version())).collect();
        let ops = entries.into_iter().map(|(key, entry)| self.write_of(key, entry, Guard::Always)).collect();
        let written = self.write_many(ops).await.map_err(named)?;
        let answers = written.into_iter().zip(versions);
        Ok(answers
            .map(|(written, (key, version))| written.map(|_| version).map_err(|e| named(e).at(key)))
            .collect())
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let named = |e: Error| e.during("delete_many");
        let op = |key: &Key<'_>| Ok(Op { key: self.key(*key)?, action: Action::Delete });
        let removed = self.write_many(keys.iter().map(op).collect()).await.map_err(named)?;
        Ok(removed
            .into_iter()
            .zip(keys)
            .map(|(removed, key)| removed.map(drop).map_err(|e| named(e).at(*key)))
            .collect())
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let (request, from) = (Request::of(scan), from.cloned());
        let page = self.access.elsewhere(move |shared| shared.page(&request, from.as_ref())).await;
        page.map_err(|e| e.during("scan"))
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.access.here(|shared| shared.news.signal(topic, message)).map_err(|e| e.during("signal"))
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.access.here(|shared| shared.news.signals(topic)).map_err(|e| e.during("signals"))
    }

    async fn changes(&self) -> Result<Changes> {
        self.access.here(|shared| shared.news.changes()).map_err(|e| e.during("changes"))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.access.close().await.map_err(|e| e.during("close"))
    }
}

fn guard(mode: PutMode) -> Guard {
    match mode {
        PutMode::Replace => Guard::Always,
        PutMode::Create => Guard::Absent,
        PutMode::Update(version) => Guard::Version(version),
    }
}

fn check_length(stored: &[u8]) -> Result<()> {
    if stored.len() > MAX_KEY {
        let message = "namespace, collection and id together exceed 1,000,000 bytes";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}

fn capabilities(backend: &'static str) -> Capabilities {
    let mut capabilities = Capabilities::of(backend);
    capabilities.scan = Listing::Ordered;
    capabilities.durable = true;
    capabilities.exclusive = true;
    capabilities.consistency = Consistency::Linearizable;
    capabilities.judge = Judge::Machine;
    capabilities.max_value = Some(MAX_VALUE);
    capabilities.read_batch = GROUP;
    capabilities.write_batch = GROUP;
    capabilities.signals = true;
    capabilities.changes = true;
    capabilities
}
