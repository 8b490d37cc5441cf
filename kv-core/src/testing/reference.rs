//! The store that the laws are tried on themselves: a map behind a lock, correct and slow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{RwLock, RwLockReadGuard};

use self::subscribers::Subscribers;
use super::Held;
use crate::{
    Capabilities, Change, Changes, Clock, Consistency, Cursor, Entry, Error, ErrorKind, Judge, Key, Listing,
    Meta, NewEntry, Page, PutMode, Result, Scan, Signal, Signals, Store, Version,
};

mod listing;
mod subscribers;

/// A correct store of few lines, for trying the laws and for tests that need any store. Clones share the data.
#[derive(Clone)]
pub struct ReferenceStore(Arc<Shared>);

struct Shared {
    clock: Clock,
    capabilities: Capabilities,
    max_bytes: usize,
    closed: RwLock<bool>,
    map: Mutex<BTreeMap<Name, Stored>>,
    signals: Subscribers<Signal>,
    changes: Subscribers<Change>,
}

type Name = (String, String);

#[derive(Clone)]
struct Stored {
    value: Bytes,
    version: Version,
    deadline: Option<u64>,
    meta: Meta,
}

const CENTURY: Duration = Duration::from_secs(100 * 366 * 86_400);
/// How many entries are handled before others get a turn.
const TURN: usize = 64;

impl ReferenceStore {
    /// The largest value that it takes.
    pub const MAX_VALUE: usize = 4 << 20;

    /// An empty store that judges expiry by `clock`.
    pub fn new(clock: &Clock) -> Self {
        Self::with_max_bytes(clock, usize::MAX)
    }

    /// An empty store that answers `Full` rather than hold values of more than `max_bytes` together.
    pub fn with_max_bytes(clock: &Clock, max_bytes: usize) -> Self {
        let shared = Arc::new(Shared {
            clock: clock.clone(),
            capabilities: capabilities(),
            max_bytes,
            closed: RwLock::new(false),
            map: Mutex::default(),
            signals: Subscribers::default(),
            changes: Subscribers::default(),
        });
        let sweeper: Weak<Shared> = Arc::downgrade(&shared);
        clock.on_move(move || {
            if let Some(shared) = sweeper.upgrade() {
                let now = shared.clock.monotonic_ms();
                shared.map().retain(|_, stored| stored.lives(now));
            }
        });
        Self(shared)
    }

    /// What it holds, expired entries that were not freed yet included.
    pub fn held(&self) -> Held {
        let map = self.0.map();
        let bytes =
            map.iter().map(|((collection, id), stored)| collection.len() + id.len() + stored.value.len());
        Held { entries: map.len() as u64, bytes: bytes.sum::<usize>() as u64 }
    }

    /// Keeps `close` waiting while an operation holds what this answers.
    async fn enter(&self, operation: &'static str) -> Result<RwLockReadGuard<'_, bool>> {
        let closed = self.0.closed.read().await;
        if *closed {
            return Err(Error::new(ErrorKind::Closed, "the store was closed").during(operation));
        }
        Ok(closed)
    }

    fn write(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let now = self.0.clock.monotonic_ms();
        let deadline = deadline(entry.lifetime(), now)?;
        let (value, version, _, meta) = entry.into_parts();
        if value.len() > Self::MAX_VALUE {
            return Err(Error::new(ErrorKind::TooLarge, "the value is larger than 4 MiB"));
        }
        let mut map = self.0.map();
        let name = name(key);
        let live = map.get(&name).filter(|stored| stored.lives(now)).map(|stored| stored.version);
        match (mode, live) {
            (PutMode::Create, Some(_)) => return Err(Error::new(ErrorKind::AlreadyExists, "it is there")),
            (PutMode::Update(expected), live) if live != Some(expected) => return Err(conflict()),
            _ => {}
        }
        let others = map.iter().filter(|(other, _)| **other != name).map(|(_, stored)| stored.value.len());
        if self.0.max_bytes < usize::MAX && others.sum::<usize>() + value.len() > self.0.max_bytes {
            return Err(Error::new(ErrorKind::Full, "the limit of bytes is reached"));
        }
        map.insert(name, Stored { value, version, deadline, meta });
        drop(map);
        self.tell(key);
        Ok(version)
    }

    fn read(&self, key: Key<'_>) -> Option<Entry> {
        let now = self.0.clock.monotonic_ms();
        self.0.map().get(&name(key)).and_then(|stored| stored.entry(now))
    }

    fn remove(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let now = self.0.clock.monotonic_ms();
        let mut map = self.0.map();
        let Some(entry) = map.get(&name(key)).and_then(|stored| stored.entry(now)) else { return Ok(None) };
        if version.is_some_and(|version| version != entry.version) {
            return Err(conflict());
        }
        map.remove(&name(key));
        drop(map);
        self.tell(key);
        Ok(Some(entry))
    }

    fn tell(&self, key: Key<'_>) {
        let change = Change::Key { collection: key.collection.to_owned(), id: key.id.to_owned() };
        self.0.changes.send("", &change);
    }
}

impl Shared {
    fn map(&self) -> MutexGuard<'_, BTreeMap<Name, Stored>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn lives(&self, now: u64) -> bool {
        self.deadline.is_none_or(|deadline| now < deadline)
    }

    fn entry(&self, now: u64) -> Option<Entry> {
        let Self { value, version, deadline, meta } = self;
        let ttl = deadline.map(|deadline| Duration::from_millis(deadline.saturating_sub(now)));
        self.lives(now).then(|| Entry::new(value.clone(), *version, ttl, meta.clone()))
    }
}

impl std::fmt::Debug for ReferenceStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReferenceStore").finish_non_exhaustive()
    }
}

impl Store for ReferenceStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let _open = self.enter("get").await.map_err(|error| error.at(key))?;
        Ok(self.read(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let _open = self.enter("put").await.map_err(|error| error.at(key))?;
        self.write(key, entry, mode).map_err(|error| error.during("put").at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let _open = self.enter("take").await.map_err(|error| error.at(key))?;
        self.remove(key, version).map_err(|error| error.during("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let _open = self.enter("get_many").await?;
        let mut answers = Vec::with_capacity(keys.len());
        for (n, key) in keys.iter().enumerate() {
            answers.push(Ok(self.read(*key)));
            turn(n).await;
        }
        Ok(answers)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let _open = self.enter("put_many").await?;
        let mut answers = Vec::with_capacity(entries.len());
        for (n, (key, entry)) in entries.into_iter().enumerate() {
            let answer = self.write(key, entry, PutMode::Replace);
            answers.push(answer.map_err(|error| error.during("put_many").at(key)));
            turn(n).await;
        }
        Ok(answers)
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let _open = self.enter("delete_many").await?;
        let mut answers = Vec::with_capacity(keys.len());
        for (n, key) in keys.iter().enumerate() {
            answers.push(self.remove(*key, None).map(|_| ()));
            turn(n).await;
        }
        Ok(answers)
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let _open = self.enter("scan").await?;
        scan.check()?;
        let after = from.map(|cursor| listing::position(scan, cursor)).transpose()?;
        let page = self.page(scan, after);
        for n in 0..page.items.len() {
            turn(n).await;
        }
        Ok(page)
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        let _open = self.enter("signal").await?;
        if message.len() > Signal::MAX_BYTES {
            return Err(Error::new(ErrorKind::Invalid, "a signal is at most 1 KiB").during("signal"));
        }
        self.0.signals.send(topic, &Signal::Message(message));
        Ok(())
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        let _open = self.enter("signals").await?;
        Ok(Signals::new(self.0.signals.subscribe(topic, None)))
    }

    async fn changes(&self) -> Result<Changes> {
        let _open = self.enter("changes").await?;
        Ok(Changes::new(self.0.changes.subscribe("", Some(Change::All))))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn close(&self) -> Result<()> {
        *self.0.closed.write().await = true;
        self.0.signals.end();
        self.0.changes.end();
        Ok(())
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        scan: Listing::Ordered,
        exclusive: true,
        consistency: Consistency::Linearizable,
        judge: Judge::Process,
        max_value: Some(ReferenceStore::MAX_VALUE),
        read_batch: usize::MAX,
        write_batch: usize::MAX,
        signals: true,
        changes: true,
        ..Capabilities::of("reference")
    }
}

fn deadline(ttl: Option<Duration>, now: u64) -> Result<Option<u64>> {
    let Some(ttl) = ttl else { return Ok(None) };
    if ttl.is_zero() || ttl > CENTURY {
        return Err(Error::new(ErrorKind::Invalid, "a ttl is above zero and at most 100 years"));
    }
    Ok(Some(now + u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX - now)))
}

fn name(key: Key<'_>) -> Name {
    (key.collection.to_owned(), key.id.to_owned())
}

fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "the entry has another version, or is absent")
}

/// Lets others run after every 64th entry.
async fn turn(n: usize) {
    if n % TURN == TURN - 1 {
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
