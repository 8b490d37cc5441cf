//! The store: envelopes from a source, opened.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Clock, Codec, Cursor, Diagnose, Entry, Error, ErrorKind, Finding, Item, Key,
    Listing, Meta, NewEntry, Page, PutMode, Result, Scan, Signals, Store, Version, each, ttl,
};
use sha2::{Digest as _, Sha256};

use crate::envelope::Envelope;
use crate::{Found, Opener, Source};

/// What py-key-value-aio stored, read-only. Its version follows from the bytes: an entry that stays has the same one.
#[derive(Debug)]
pub struct PyKeyValue<S> {
    source: S,
    opener: Opener,
    clock: Clock,
    capabilities: Capabilities,
}

impl<S: Source> PyKeyValue<S> {
    /// A store of what `source` finds and `opener` opens.
    pub fn new(source: S, opener: Opener) -> Self {
        let mut capabilities = Capabilities::of(S::NAME);
        capabilities.scan = Listing::Unordered;
        capabilities.durable = true;
        capabilities.writable = false;
        capabilities.round_trips.get = 1;
        Self { source, opener, clock: Clock::system(), capabilities }
    }

    /// The live entry in an envelope. The time left is judged by this machine's clock, as the library judges it; it is told as
    /// at most a century, whatever the library promised: no store takes more.
    fn entry(&self, stored: &[u8]) -> Result<Option<Entry>> {
        let envelope = Envelope::parse(stored)?;
        let ttl = match envelope.expires {
            Some(expires) => match ttl::remaining(millis(expires), self.clock.unix_ms()) {
                Some(left) => Some(left),
                None => return Ok(None),
            },
            None => None,
        };
        let value = self.opener.open(envelope.value)?;
        Ok(Some(Entry::new(value, version(stored), ttl, Meta::codec(Codec::Json.number()))))
    }

    async fn page(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        scan.check()?;
        let (found, next) = self.source.page(scan, from).await?;
        let mut page = Page::new(Vec::with_capacity(found.len()), next);
        for Found { collection, id, stored } in found {
            match stored.and_then(|stored| self.entry(&stored)) {
                Ok(Some(entry)) => {
                    page.items.push(Item::new(collection, id, scan.values.then_some(entry)));
                }
                Ok(None) => {}
                Err(error) => page.damaged.push(scan.pass_over(Some(Key::new(&collection, &id)), error)?),
            }
        }
        Ok(page)
    }
}

impl<S: Source> Diagnose for PyKeyValue<S> {
    async fn diagnose(&self) -> Vec<Finding> {
        self.source.diagnose().await
    }
}

impl<S: Source> Store for PyKeyValue<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let stored = self.source.get(key).await;
        let entry = stored.and_then(|stored| stored.map_or(Ok(None), |stored| self.entry(&stored)));
        entry.map_err(|error| error.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, _: NewEntry, _: PutMode) -> Result<Version> {
        Err(read_only("put").at(key))
    }

    async fn take(&self, key: Key<'_>, _: Option<Version>) -> Result<Option<Entry>> {
        Err(read_only("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        each::get_many(self, keys).await
    }

    async fn put_many(&self, _: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        Err(read_only("put_many"))
    }

    async fn delete_many(&self, _: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        Err(read_only("delete_many"))
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.page(scan, from).await.map_err(|error| error.during("scan"))
    }

    async fn signal(&self, _: &str, _: Bytes) -> Result<()> {
        Err(read_only("signal"))
    }

    async fn signals(&self, _: &str) -> Result<Signals> {
        Err(read_only("signals"))
    }

    async fn changes(&self) -> Result<Changes> {
        Err(read_only("changes"))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.source.close().await
    }
}

/// In whole milliseconds, rounded up.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn version(stored: &[u8]) -> Version {
    let hash = Sha256::digest(stored);
    Version::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}

fn read_only(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, "what py-key-value wrote is only read").during(operation)
}
