//! The store: what its handles share, and the contract on top of it.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use kv_core::backend::{Deadlines, Reclaim};
use kv_core::{
    Capabilities, Changes, Clock, Consistency, Cursor, Entry, Judge, Key, Listing, NewEntry, Page, PutMode,
    Result, Scan, Signal, Signals, Store, Version,
};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::hub::Hub;
use crate::ledger::Ledger;
use crate::name::Name;
use crate::slot::Slot;
use crate::{MemoryConfig, OnFull, error};
use kv_core::backend::Gate;

mod pace;
mod pages;
mod steps;

/// A store in the memory of this process. Clones share its data.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

/// What a store holds at a moment, expired entries that were not freed yet included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Entries.
    pub entries: u64,
    /// Bytes of names, values and tags.
    pub bytes: u64,
}

struct Inner {
    map: Cache<Name, Slot>,
    ledger: Arc<Ledger>,
    clock: Clock,
    max_bytes: Option<u64>,
    max_entries: Option<u64>,
    capabilities: Capabilities,
    gate: Gate,
    slow: pace::Slow,
    hub: Arc<Hub>,
    /// Held while expired entries are removed, so that a put without room can wait for the room they give.
    sweeping: Mutex<()>,
}

impl MemoryStore {
    /// An empty store without limits.
    pub fn new() -> Self {
        Self::build(MemoryConfig::default())
    }

    /// An empty store.
    ///
    /// # Errors
    /// `Invalid` for a limit of zero, and for [`OnFull::Evict`] with no limit or with both.
    pub fn open(config: MemoryConfig) -> Result<Self> {
        Ok(Self::build(config.checked()?))
    }

    /// What it holds now, expired entries that were not freed yet included.
    pub fn held(&self) -> Held {
        self.0.map.run_pending_tasks(); // with eviction, moka is late by what it has not looked at
        let (entries, bytes) = self.0.ledger.held();
        Held { entries, bytes }
    }

    /// How often a put, a take, 64 reads of a batch or 64 names of a scan held the executor's thread for more than a
    /// millisecond, since the store was opened. Single reads, one look into a map each, are not timed.
    pub fn slow_inline(&self) -> u64 {
        self.0.slow.count()
    }

    /// The limits, in bytes and in entries.
    pub(crate) fn limits(&self) -> (Option<u64>, Option<u64>) {
        (self.0.max_bytes, self.0.max_entries)
    }

    fn build(config: MemoryConfig) -> Self {
        Self(Arc::new_cyclic(|inner: &Weak<Inner>| {
            let owner: Weak<dyn Reclaim<Name>> = inner.clone();
            let deadlines = Deadlines::new(config.clock.clone(), Clock::monotonic_ms, owner);
            let ledger = Arc::new(Ledger::new(&config, deadlines));
            let hub = Arc::default();
            Inner {
                map: map(&config, &ledger, &hub),
                ledger,
                capabilities: capabilities(&config),
                clock: config.clock,
                max_bytes: config.max_bytes,
                max_entries: config.max_entries,
                gate: Gate::default(),
                slow: pace::Slow::default(),
                hub,
                sweeping: Mutex::default(),
            }
        }))
    }
}

impl Drop for Inner {
    /// Nobody is left who could send: subscriptions end as they do by `close`.
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = self.0.ledger.held();
        f.debug_struct("MemoryStore")
            .field("entries", &entries)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        pace::breathe().await;
        self.0.gate.check().map_err(|error| error.during("get").at(key))?;
        Ok(self.0.get(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        pace::breathe().await;
        let put = async {
            let _pass = self.0.gate.enter()?;
            self.0.put(key, entry, mode).await
        };
        put.await.map_err(|error| error.during("put").at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        pace::breathe().await;
        let take = || {
            let _pass = self.0.gate.enter()?;
            self.0.take(key, version)
        };
        take().map_err(|error| error.during("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("get_many"))?;
        let mut answers = Vec::with_capacity(keys.len());
        for some in keys.chunks(pace::EVERY) {
            pace::breathe_in_batch(some.len()).await;
            self.0.slow.watch(|| answers.extend(some.iter().map(|key| Ok(self.0.get(*key)))));
        }
        Ok(answers)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("put_many"))?;
        let mut answers = Vec::with_capacity(entries.len());
        for (key, entry) in entries {
            pace::breathe_in_batch(1).await;
            let put = self.0.put(key, entry, PutMode::Replace).await;
            answers.push(put.map_err(|error| error.during("put").at(key)));
        }
        Ok(answers)
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("delete_many"))?;
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            pace::breathe_in_batch(1).await;
            answers.push(self.0.take(*key, None).map(drop));
        }
        Ok(answers)
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("scan"))?;
        self.0.page(scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.0.gate.check().map_err(|error| error.during("signal"))?;
        if message.len() > Signal::MAX_BYTES {
            return Err(error::message_too_large().during("signal"));
        }
        self.0.hub.signal(topic, message);
        Ok(())
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("signals"))?;
        Ok(self.0.hub.signals(topic))
    }

    async fn changes(&self) -> Result<Changes> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("changes"))?;
        Ok(self.0.hub.changes())
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.0.gate.close().await;
        self.0.ledger.deadlines.stop();
        self.0.hub.close();
        Ok(())
    }
}

/// Without eviction moka has neither capacity nor expiry nor listener: nothing leaves but by our own hand.
fn map(config: &MemoryConfig, ledger: &Arc<Ledger>, hub: &Arc<Hub>) -> Cache<Name, Slot> {
    let limit = config.max_bytes.or(config.max_entries);
    let Some(limit) = limit.filter(|_| config.on_full == OnFull::Evict) else {
        return Cache::builder().build();
    };
    let (ledger, hub) = (Arc::clone(ledger), Arc::clone(hub));
    let by_bytes = config.max_bytes.is_some();
    Cache::builder()
        .max_capacity(limit)
        .eviction_policy(EvictionPolicy::lru()) // the other policy may turn away what was just acknowledged
        .weigher(
            move |_, slot: &Slot| {
                if by_bytes { u32::try_from(slot.bytes()).unwrap_or(u32::MAX) } else { 1 }
            },
        )
        .eviction_listener(move |_, slot: Slot, cause| {
            ledger.left(&slot, cause);
            if cause.was_evicted() {
                hub.changed_name(&slot.name);
            }
        })
        .build()
}

fn capabilities(config: &MemoryConfig) -> Capabilities {
    let mut capabilities = Capabilities::of("memory");
    capabilities.scan = Listing::Ordered;
    capabilities.evicts = config.on_full == OnFull::Evict;
    capabilities.exclusive = true;
    capabilities.consistency = Consistency::Linearizable;
    capabilities.judge = Judge::Process;
    capabilities.max_value = config.max_bytes.and_then(|max| usize::try_from(max).ok());
    capabilities.read_batch = usize::MAX;
    capabilities.write_batch = usize::MAX;
    capabilities.signals = true;
    capabilities.changes = true;
    capabilities
}
