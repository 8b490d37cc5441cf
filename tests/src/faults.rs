//! A store whose faults are switched on and off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page, PutMode, Result, Scan,
    Signals, Store, Version,
};
use tokio::sync::watch;

/// What stands in every error of a [`Faulty`] store, and must never reach a client.
pub const SECRET: &str = "backend-says-10.0.0.7";

/// The switches of a [`Faulty`] store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Switches(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reads_fail: AtomicBool,
    writes_fail: AtomicBool,
    held: watch::Sender<bool>,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Default for Switches {
    fn default() -> Self {
        Self(Arc::new(Inner {
            reads_fail: AtomicBool::new(false),
            writes_fail: AtomicBool::new(false),
            held: watch::Sender::new(false),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        }))
    }
}

impl Switches {
    /// Lets reads fail, or no more.
    pub fn fail_reads(&self, fail: bool) {
        self.0.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// Lets writes fail, or no more.
    pub fn fail_writes(&self, fail: bool) {
        self.0.writes_fail.store(fail, Ordering::SeqCst);
    }

    /// Holds writes back, or lets them go on.
    pub fn hold_writes(&self, hold: bool) {
        self.0.held.send_replace(hold);
    }

    /// How often the store was read.
    pub fn reads(&self) -> u64 {
        self.0.reads.load(Ordering::SeqCst)
    }

    /// How often the store was written to.
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::SeqCst)
    }

    fn read(&self) -> Result<()> {
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        failing(&self.0.reads_fail)
    }

    async fn written(&self) -> Result<()> {
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        let mut held = self.0.held.subscribe();
        let _ = held.wait_for(|held| !held).await;
        failing(&self.0.writes_fail)
    }
}

fn failing(fails: &AtomicBool) -> Result<()> {
    if fails.load(Ordering::SeqCst) { Err(Error::new(ErrorKind::Unavailable, SECRET)) } else { Ok(()) }
}

/// A store with faults.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    switches: Switches,
}

impl<S> Faulty<S> {
    /// `inner`, with no fault yet, and its switches.
    pub fn new(inner: S) -> (Self, Switches) {
        let switches = Switches::default();
        (Self { inner, switches: switches.clone() }, switches)
    }
}

impl<S: Store> Store for Faulty<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.switches.read()?;
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.switches.written().await?;
        self.inner.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.switches.written().await?;
        self.inner.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.switches.read()?;
        self.inner.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.switches.written().await?;
        self.inner.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.switches.written().await?;
        self.inner.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.switches.read()?;
        self.inner.scan(scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.inner.changes().await
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
