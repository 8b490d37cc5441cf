//! The store: every write is one step under the lock that moka has for its key.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use kv_core::backend::{Deadlines, Reclaim};
use kv_core::{
    Capabilities, Changes, Clock, Consistency, Cursor, Entry, ErrorKind, Judge, Key, Listing, NewEntry, Page,
    PutMode, Result, Scan, Signal, Signals, Store, Version,
};
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::gate::Gate;
use crate::hub::Hub;
use crate::ledger::Ledger;
use crate::slot::{Name, Slot, with_name};
use crate::{MemoryConfig, OnFull, error};

mod pace;
mod pages;

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
    capabilities: Capabilities,
    gate: Gate,
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
                gate: Gate::default(),
                hub,
                sweeping: Mutex::default(),
            }
        }))
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
        let put = || {
            let _pass = self.0.gate.enter()?;
            self.0.put(key, entry, mode)
        };
        put().map_err(|error| error.during("put").at(key))
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
        for key in keys {
            pace::breathe().await;
            answers.push(Ok(self.0.get(*key)));
        }
        Ok(answers)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("put_many"))?;
        let mut answers = Vec::with_capacity(entries.len());
        for (key, entry) in entries {
            pace::breathe().await;
            answers
                .push(self.0.put(key, entry, PutMode::Replace).map_err(|error| error.during("put").at(key)));
        }
        Ok(answers)
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("delete_many"))?;
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            pace::breathe().await;
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

impl Inner {
    fn get(&self, key: Key<'_>) -> Option<Entry> {
        self.slot(key)?.into_entry(&self.clock)
    }

    fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        if self.max_bytes.is_some_and(|max| entry.value().len() as u64 > max) {
            return Err(error::too_large());
        }
        let name = with_name(key, |name| match self.map.get(name) {
            Some(slot) => slot.name,
            None => Name::from(name),
        });
        let new = Slot::new(name, entry, self.clock.monotonic_ms())?;
        let mut done = self.write(&new, mode);
        if done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Full) {
            self.free();
            done = self.write(&new, mode);
        }
        done?;
        self.hub.changed(key);
        Ok(new.version)
    }

    fn write(&self, new: &Slot, mode: PutMode) -> Result<()> {
        let mut done = Ok(());
        self.map.entry(Name::clone(&new.name)).and_compute_with(|old| {
            let old = old.map(moka::Entry::into_value);
            let live = old.as_ref().filter(|old| !old.has_expired(&self.clock));
            if !admits(mode, live.map(|live| live.version)) {
                done = Err(error::refused(mode));
            } else if !self.ledger.enter(old.as_ref(), new) {
                done = Err(error::full());
            }
            if done.is_ok() { Op::Put(new.clone()) } else { Op::Nop }
        });
        done
    }

    fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let Some(seen) = self.slot(key) else { return Ok(None) };
        let mut taken = Ok(None);
        self.map.entry(seen.name).and_compute_with(|old| {
            let Some(old) = old.map(moka::Entry::into_value) else { return Op::Nop };
            if old.has_expired(&self.clock) {
                return Op::Nop;
            }
            if version.is_some_and(|version| version != old.version) {
                taken = Err(error::other_version());
                return Op::Nop;
            }
            self.ledger.strike(&old);
            taken = Ok(old.into_entry(&self.clock));
            Op::Remove
        });
        if let Ok(Some(_)) = taken {
            self.hub.changed(key);
        }
        taken
    }

    fn slot(&self, key: Key<'_>) -> Option<Slot> {
        with_name(key, |name| self.map.get(name))
    }

    /// Frees some expired entries, or waits until the sweeper has freed those it is at.
    fn free(&self) {
        let expired = self.ledger.deadlines.expired();
        self.reclaim(expired);
    }

    fn remove_expired(&self, deadline: u64, name: &Name) {
        let mut removed = false;
        self.map.entry(Name::clone(name)).and_compute_with(|old| {
            let old = old.map(moka::Entry::into_value).filter(|old| old.deadline() == Some(deadline));
            let Some(old) = old else { return Op::Nop };
            self.ledger.strike(&old);
            removed = true;
            Op::Remove
        });
        if removed {
            self.hub.changed_name(name);
        }
    }
}

impl Reclaim<Name> for Inner {
    fn reclaim(&self, expired: Vec<(u64, Name)>) -> Vec<(u64, Name)> {
        let _sweeping = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        for (deadline, name) in expired {
            self.remove_expired(deadline, &name);
        }
        self.map.run_pending_tasks(); // moka gives memory back in its housekeeping alone
        Vec::new()
    }
}

/// Whether a put of this mode may go over what lives there.
fn admits(mode: PutMode, live: Option<Version>) -> bool {
    match mode {
        PutMode::Replace => true,
        PutMode::Create => live.is_none(),
        PutMode::Update(version) => live == Some(version),
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
