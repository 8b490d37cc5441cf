//! The store: what its handles hold, and the contract on top of the parts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kv_core::backend;
use kv_core::{
    Capabilities, Changes, Clock, Consistency, Cursor, Entry, Error, ErrorKind, Judge, Key, Listing,
    NewEntry, Page, PutMode, Result, Scan, Signals, Store, Version, ttl,
};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::config::{DiskConfig, Durability, Engine};
use crate::engine::{Action, Applied, Guard, Op};
use crate::error;
use crate::open::Open;
use crate::queue::GROUP;
use crate::scan::Request;
use crate::shared::Shared;
use crate::submit::{Submitted, submit};
use crate::wire;

/// The largest value.
const MAX_VALUE: usize = 100 << 20;
/// The longest key: collection and id with 2 bytes between, NULs counted twice, and the namespace.
const MAX_KEY: usize = 1_000_000;
/// The longest that anything is meant to hold the executor's thread.
const BUDGET: Duration = Duration::from_millis(1);
/// A batch of reads goes on elsewhere after so many, or so long.
const INLINE_READS: usize = 64;
const INLINE_READING: Duration = Duration::from_micros(500);

/// A store in a directory of this machine, owned by this process while it is open. Cheap to clone; clones share it.
///
/// A write is acknowledged once it survives what [`Durability`] says. Dropping the last handle flushes and frees the
/// directory; that blocks for some milliseconds, `close` waits for it instead.
#[derive(Clone)]
pub struct DiskStore(Arc<Inner>);

struct Inner {
    open: RwLock<Option<Arc<Open>>>,
    /// Its sender goes when the directory is free again.
    freed: watch::Receiver<()>,
    /// The namespace as it begins each key.
    namespace: Vec<u8>,
    clock: Clock,
    capabilities: Capabilities,
    facts: Facts,
    slow_inline: AtomicU64,
}

/// What was found when the store was opened.
#[derive(Debug)]
struct Facts {
    dir: PathBuf,
    engine: Engine,
    durability: Durability,
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
    /// a cold read, or an engine that had to write out its buffer.
    pub fn slow_inline(&self) -> u64 {
        self.0.slow_inline.load(Ordering::Relaxed)
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

impl Inner {
    fn open(config: &DiskConfig) -> Result<Self> {
        let (sender, freed) = watch::channel(());
        let open = Open::new(config, sender)?;
        let engine = open.engine();
        let durability = if engine == Engine::Redb { Durability::Always } else { config.durability };
        let (dir, warnings) = (open.directory().root().to_owned(), open.directory().warnings().to_vec());
        #[cfg(feature = "tracing")]
        for warning in &warnings {
            tracing::warn!(target: "larder", "{warning}");
        }
        let mut namespace = backend::encode(&[&config.namespace], "");
        namespace.shrink_to_fit();
        Ok(Self {
            open: RwLock::new(Some(Arc::new(open))),
            freed,
            namespace,
            clock: config.clock.clone(),
            capabilities: capabilities(),
            facts: Facts { dir, engine, durability, warnings },
            slow_inline: AtomicU64::new(0),
        })
    }

    /// Does something short here and now. `close` waits for it.
    fn here<T>(&self, work: impl FnOnce(&Shared) -> Result<T>) -> Result<T> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let shared = open.as_ref().ok_or_else(error::closed)?.shared()?;
        let started = Instant::now();
        let done = work(shared);
        if started.elapsed() > BUDGET {
            self.slow_inline.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    /// Does something long off the executor. `close` waits for it, also when its caller gave up.
    async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let open =
            self.open.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(error::closed)?;
        spawn_blocking(move || work(open.shared()?)).await.map_err(|e| error::lost().because(e)).flatten()
    }

    fn key(&self, key: Key<'_>) -> Result<Vec<u8>> {
        let mut stored = Vec::with_capacity(self.namespace.len() + key.collection.len() + 2 + key.id.len());
        stored.extend_from_slice(&self.namespace);
        backend::encode_into(&mut stored, &[key.collection], key.id);
        if stored.len() > MAX_KEY {
            return Err(Error::new(ErrorKind::Invalid, "collection and id together exceed 1,000,000 bytes"));
        }
        Ok(stored)
    }

    fn put(&self, key: Key<'_>, entry: NewEntry, guard: Guard) -> Result<Op> {
        if entry.value().len() > MAX_VALUE {
            return Err(Error::new(ErrorKind::TooLarge, "a value has at most 100 MiB"));
        }
        let ttl = ttl::checked_ttl(entry.lifetime())?;
        let deadline = ttl.map(|ttl| ttl::deadline(self.clock.unix_ms(), ttl));
        Ok(Op { key: self.key(key)?, action: Action::Put { entry, deadline, guard } })
    }

    async fn write(&self, op: Op) -> Result<Applied> {
        let submitted = self.here(|shared| Ok(submit(shared, vec![op])))?;
        submitted.finish().await.pop().unwrap_or_else(|| Err(error::lost()))
    }

    /// Writes what could be prepared; the others answer with their own error.
    async fn write_many(&self, prepared: Vec<Result<Op>>) -> Result<Vec<Result<Applied>>> {
        let mut refused = Vec::new();
        let mut ops = Vec::with_capacity(prepared.len());
        for (at, op) in prepared.into_iter().enumerate() {
            match op {
                Ok(op) => ops.push(op),
                Err(e) => refused.push((at, e)),
            }
        }
        let submitted: Submitted = self.here(|shared| Ok(submit(shared, ops)))?;
        let mut applied = submitted.finish().await;
        for (at, e) in refused {
            applied.insert(at.min(applied.len()), Err(e)); // ascending, so each lands at its own place
        }
        Ok(applied)
    }

    /// Reads keys until that takes long.
    fn read_here(&self, keys: &[Vec<u8>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.here(|shared| {
            let started = Instant::now();
            let in_time = keys.iter().take(INLINE_READS).take_while(|_| started.elapsed() < INLINE_READING);
            Ok(in_time.map(|key| shared.get(key)).collect())
        })
    }

    async fn read_many(&self, mut keys: Vec<Vec<u8>>) -> Result<Vec<Result<Option<Entry>>>> {
        let mut found = if keys.len() > INLINE_READS { Vec::new() } else { self.read_here(&keys)? };
        let rest = keys.split_off(found.len());
        if !rest.is_empty() {
            found.extend(
                self.elsewhere(move |shared| Ok(rest.iter().map(|key| shared.get(key)).collect::<Vec<_>>()))
                    .await?,
            );
        }
        Ok(found)
    }
}

fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::of("disk");
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

fn guard(mode: PutMode) -> Guard {
    match mode {
        PutMode::Replace => Guard::Always,
        PutMode::Create => Guard::Absent,
        PutMode::Update(version) => Guard::Version(version),
    }
}

impl Store for DiskStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let found = self.0.key(key).and_then(|stored| self.0.here(|shared| shared.get(&stored)));
        found.map_err(|e| e.during("get").at(key))
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
        wire::open_taken(&stored_key, taken, now).map_err(named)
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let named = |e: Error| e.during("get_many");
        let stored = keys.iter().map(|key| self.0.key(*key)).collect::<Result<Vec<_>>>().map_err(named)?;
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
        let page = self.0.elsewhere(move |shared| request.page(shared, from.as_ref())).await;
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
        let open = self.0.open.write().unwrap_or_else(PoisonError::into_inner).take();
        let flushed = match &open {
            Some(open) => {
                let flush = open.shared()?.queue.push(Vec::new());
                flush.await.unwrap_or_else(|_| Err(error::lost())).map(drop)
            }
            None => Ok(()),
        };
        if let Some(open) = open {
            drop(spawn_blocking(move || drop(open)).await); // an error is a runtime that is going down
        }
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
