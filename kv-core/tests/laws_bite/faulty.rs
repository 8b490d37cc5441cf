//! A store with one fault.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, Listing, NewEntry, Page, PutMode, Result,
    Scan, Signals, Store, Version,
};

use crate::fault::Fault;

mod batch;
mod entry;
mod name;
mod put;
mod scan;
mod signals;
mod take;

pub(crate) use name::Name;

/// Wraps a correct store and does one thing wrong.
pub(crate) struct Faulty<S> {
    inner: S,
    fault: Fault,
    /// 0 for the first handle on the data.
    handle: usize,
    capabilities: Capabilities,
    own: Own,
    state: Arc<State>,
}

/// What one handle keeps.
#[derive(Default)]
struct Own {
    read: Mutex<BTreeMap<Name, Option<Entry>>>,
    cursors: Mutex<Vec<Cursor>>,
    closed: AtomicBool,
}

/// What all handles share.
#[derive(Default)]
struct State {
    /// All that was put and not removed, whether it has expired or not, with the ttl that was asked for.
    shadow: Mutex<BTreeMap<Name, Entry>>,
    removed: Mutex<Vec<Name>>,
    limbo: Mutex<Option<(Name, Bytes)>>,
    listed: Mutex<Option<Name>>,
    updating: tokio::sync::Mutex<()>,
    count: AtomicUsize,
    used: AtomicBool,
    ready: AtomicBool,
    busy: AtomicBool,
    full: AtomicBool,
    closed: AtomicBool,
}

impl<S: Store + Clone> Faulty<S> {
    pub(crate) fn new(inner: S, fault: Fault) -> Self {
        Self::handle(inner, fault, 0, Arc::default())
    }

    /// Another handle on the same data.
    pub(crate) fn sibling(&self) -> Self {
        Self::handle(self.inner.clone(), self.fault, self.handle + 1, Arc::clone(&self.state))
    }

    pub(crate) fn inner(&self) -> &S {
        &self.inner
    }

    fn handle(inner: S, fault: Fault, handle: usize, state: Arc<State>) -> Self {
        let mut capabilities = inner.capabilities().clone();
        match fault {
            Fault::BatchOfZero => capabilities.read_batch = 0,
            Fault::CapabilitiesPerHandle => capabilities.max_value = Some(1_000 + handle),
            Fault::ScanLies => capabilities.scan = Listing::No,
            Fault::WritableLies => capabilities.writable = false,
            _ => {}
        }
        Self { inner, fault, handle, capabilities, own: Own::default(), state }
    }

    /// What happens before any operation.
    async fn enter(&self, operation: &'static str) -> Result<()> {
        self.state.used.store(true, Ordering::SeqCst);
        match self.fault {
            Fault::FirstUseWipes if !self.state.ready.load(Ordering::SeqCst) => self.set_up().await,
            Fault::DropLocks => self.lock_for_a_moment(operation).await?,
            Fault::NeedsThreads => tokio::task::block_in_place(|| {}),
            Fault::CloseDoesNotWait if operation == "put" => tokio::time::sleep(Duration::from_secs(5)).await,
            Fault::ClosesOwnHandle if self.own.closed.load(Ordering::SeqCst) => {
                return Err(error(ErrorKind::Closed).during(operation));
            }
            _ => {}
        }
        Ok(())
    }

    async fn set_up(&self) {
        tokio::task::yield_now().await;
        let names: Vec<_> = self.state.shadow.lock().unwrap().keys().cloned().collect();
        let keys: Vec<_> = names.iter().map(Name::key).collect();
        let _ = self.inner.delete_many(&keys).await;
        self.state.ready.store(true, Ordering::SeqCst);
    }

    async fn lock_for_a_moment(&self, operation: &'static str) -> Result<()> {
        if self.state.busy.swap(true, Ordering::SeqCst) {
            return Err(error(ErrorKind::Unavailable).during(operation));
        }
        tokio::task::yield_now().await;
        self.state.busy.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// The error as this store shows it.
    fn blamed(&self, error: Error, key: Key<'_>, value: &Bytes) -> Error {
        let text = |what: &str| Error::new(error.kind(), format!("refused {what}"));
        match self.fault {
            Fault::ErrorsBare => Error::new(error.kind(), "no"),
            Fault::ErrorsUnknown => error.with_outcome(kv_core::Outcome::Unknown),
            Fault::ErrorsShowValue => text(&String::from_utf8_lossy(value)).during("put").at(key),
            Fault::ErrorsShowRawId => text(key.id).during("put").at(key),
            _ => error,
        }
    }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "a fault")
}

impl<S> fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")?;
        if self.fault == Fault::DebugShowsValues {
            let shadow = self.state.shadow.lock().unwrap();
            f.debug_list().entries(shadow.values().map(|entry| &entry.value)).finish()?;
        }
        Ok(())
    }
}

impl<S: Store + Clone> Store for Faulty<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.enter("get").await?;
        self.get_faultily(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let value = entry.value().clone();
        self.enter("put").await?;
        self.put_faultily(key, entry, mode).await.map_err(|error| self.blamed(error, key, &value))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.enter("take").await?;
        self.take_faultily(key, version).await.map_err(|error| self.blamed(error, key, &Bytes::new()))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.enter("get_many").await?;
        self.perhaps_hogging(self.get_many_faultily(keys)).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.enter("put_many").await?;
        self.perhaps_hogging(self.put_many_faultily(entries)).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.enter("delete_many").await?;
        self.perhaps_hogging(self.delete_many_faultily(keys)).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.enter("scan").await?;
        let page = self.perhaps_hogging(self.scan_faultily(scan, from)).await;
        page.map_err(|error| self.blamed(error, Key::new("", ""), &Bytes::new()))
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.enter("signal").await?;
        self.signal_faultily(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.enter("signals").await?;
        self.signals_faultily(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.enter("changes").await?;
        self.changes_faultily().await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        let again = self.state.closed.swap(true, Ordering::SeqCst);
        match self.fault {
            Fault::ClosesOnlyIfUsed if !self.state.used.load(Ordering::SeqCst) => Ok(()),
            Fault::ClosesOwnHandle => {
                self.own.closed.store(true, Ordering::SeqCst);
                Ok(())
            }
            Fault::ClosesOnce if again => Err(error(ErrorKind::Closed).during("close")),
            _ => self.inner.close().await,
        }
    }
}
