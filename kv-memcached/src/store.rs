//! The store: the contract on top of meta commands.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Clock, Consistency, Cursor, Diagnose, Entry, Error, Finding, Judge, Key, NewEntry,
    Outcome, Page, PutMode, Result, Scan, Signals, Store, Version,
};
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::task::yield_now;

use crate::config::MemcachedConfig;
use crate::diagnosis::findings;
use crate::dial::identity;
use crate::error;
use crate::link::Connection;
use crate::name::{Name, Names};
use crate::servers::{BATCH, Command, Servers, only};
use crate::stored::{self, Item};
use crate::wire::{self, Condition, Reply};

/// An operation of several steps begins again so often if others change the entry between them.
const ATTEMPTS: usize = 64;
/// Entries of a batch that are prepared before others get the executor's thread.
const PACE: usize = 64;

/// A store on one or several Memcached servers. Cheap to clone; clones share the connections.
///
/// Entries may vanish at any time: when memory is short, when a server restarts, or when one is added.
#[derive(Clone)]
pub struct MemcachedStore(Arc<Inner>);

struct Inner {
    servers: RwLock<Option<Servers>>,
    names: Names,
    clock: Clock,
    capabilities: Capabilities,
    shown: Vec<String>,
}

/// An item that was read, and by what a later command knows that it is still the same.
struct Found {
    data: Bytes,
    same: Same,
}

/// The number of an item, which means that item alone on the connection that told it: a server that was started anew gives
/// the same numbers to other items.
struct Same {
    cas: u64,
    connection: Connection,
}

impl Same {
    /// Asks what depends on the number; `None` if the connection has ended, and nothing was sent.
    async fn ask(&self, command: Vec<u8>) -> Result<Option<Reply>> {
        self.connection.ask(command, 1).await.ok().map(only).transpose()
    }
}

impl MemcachedStore {
    /// Connects to every server.
    ///
    /// # Errors
    /// `Unavailable` and `Timeout` for a server that cannot be reached; `Denied` for a refused login, and for a server
    /// that wants none although one was given; `Invalid` without any server.
    pub async fn open(config: MemcachedConfig) -> Result<Self> {
        let opened = Inner::open(config).await;
        opened.map(|inner| Self(Arc::new(inner))).map_err(|e| e.during("open"))
    }
}

impl Diagnose for MemcachedStore {
    async fn diagnose(&self) -> Vec<Finding> {
        let servers = match self.0.servers().await {
            Ok(servers) => servers,
            Err(e) => return vec![Finding::bad("servers", e.to_string(), "open the store again")],
        };
        let told = servers.inspect().await;
        let findings = told.iter().flat_map(|(server, told)| findings(server, told, self.0.clock.unix_ms()));
        findings.collect()
    }
}

impl Inner {
    async fn open(config: MemcachedConfig) -> Result<Self> {
        if config.servers.is_empty() {
            return Err(Error::new(kv_core::ErrorKind::Invalid, "there is no server to connect to"));
        }
        let shown: Vec<String> = config.servers.iter().map(identity).collect();
        let (names, clock) = (Names::new(config.namespace.clone(), shown.clone()), config.clock.clone());
        let servers = Servers::new(config)?;
        servers.connect().await?;
        let capabilities = capabilities(stored::max_value(servers.item_size()));
        Ok(Self { servers: RwLock::new(Some(servers)), names, clock, capabilities, shown })
    }

    /// The servers. `close` waits for those that hold them.
    async fn servers(&self) -> Result<RwLockReadGuard<'_, Servers>> {
        RwLockReadGuard::try_map(self.servers.read().await, Option::as_ref).map_err(|_| error::closed())
    }

    async fn refuse<T>(&self, why: &'static str) -> Result<T> {
        self.servers().await.and(Err(error::unsupported(why)))
    }

    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let (servers, name) = (self.servers().await?, self.names.name(key));
        match find(&servers, &name).await? {
            Some(found) => stored::open(&name, key, found.data, &self.clock),
            None => Ok(None),
        }
    }

    fn seal(&self, servers: &Servers, name: &Name, key: Key<'_>, entry: &NewEntry) -> Result<Item> {
        stored::seal(name, key, entry, &self.clock, servers.item_size_of(name.server))
    }

    async fn put(&self, key: Key<'_>, entry: &NewEntry, mode: PutMode) -> Result<()> {
        let (servers, name) = (self.servers().await?, self.names.name(key));
        let item = self.seal(&servers, &name, key, entry)?;
        match mode {
            PutMode::Replace => match set(&servers, &name, &item, Condition::Always).await? {
                Reply::Done => Ok(()),
                other => Err(odd(&other)),
            },
            PutMode::Create => self.create(&servers, &name, key, &item).await,
            PutMode::Update(version) => self.update(&servers, &name, key, &item, version).await,
        }
    }

    /// Mostly one step. Where an expired item is in the way, it is replaced if it is still the same.
    async fn create(&self, servers: &Servers, name: &Name, key: Key<'_>, item: &Item) -> Result<()> {
        for _ in 0..ATTEMPTS {
            match set(servers, name, item, Condition::Absent).await? {
                Reply::Done => return Ok(()),
                Reply::NotStored => {}
                other => return Err(odd(&other)),
            }
            let Some(found) = find(servers, name).await.map_err(not_done)? else { continue };
            if stored::open(name, key, found.data, &self.clock)?.is_some() {
                break;
            }
            match found.same.ask(setting(name, item, Condition::Cas(found.same.cas))).await? {
                Some(Reply::Done) => return Ok(()),
                Some(Reply::Changed | Reply::Missing) | None => {}
                Some(other) => return Err(odd(&other)),
            }
        }
        Err(error::already_exists())
    }

    /// Two steps: read, then write if it is still the same. If that cannot be told any more, again.
    async fn update(
        &self,
        servers: &Servers,
        name: &Name,
        key: Key<'_>,
        item: &Item,
        version: Version,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let found = find(servers, name).await.map_err(not_done)?.ok_or_else(error::conflict)?;
            let entry = stored::open(name, key, found.data, &self.clock)?;
            if entry.is_none_or(|entry| entry.version != version) {
                return Err(error::conflict());
            }
            match found.same.ask(setting(name, item, Condition::Cas(found.same.cas))).await? {
                Some(Reply::Done) => return Ok(()),
                Some(Reply::Changed | Reply::Missing) => return Err(error::conflict()),
                Some(other) => return Err(odd(&other)),
                None => {}
            }
        }
        Err(error::not_sent())
    }

    /// Two steps: read, then remove if it is still the same. If it is not, again.
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let (servers, name) = (self.servers().await?, self.names.name(key));
        for _ in 0..ATTEMPTS {
            let Some(found) = find(&servers, &name).await.map_err(not_done)? else { return Ok(None) };
            let Some(entry) = stored::open(&name, key, found.data, &self.clock)? else { return Ok(None) };
            if version.is_some_and(|version| version != entry.version) {
                return Err(error::conflict());
            }
            let mut command = Vec::new();
            wire::delete(&mut command, &name.stored, Some(found.same.cas));
            match found.same.ask(command).await? {
                Some(Reply::Done) => return Ok(Some(entry)),
                Some(Reply::Missing) => return Ok(None),
                Some(Reply::Changed) | None => {}
                Some(other) => return Err(odd(&other)),
            }
        }
        Err(Error::new(kv_core::ErrorKind::Conflict, "the entry changed at each of 64 attempts to take it"))
    }

    /// A batch: a command for each key that `prepare` has one for, and the answers in order.
    async fn batch<T>(
        &self,
        count: usize,
        mut prepare: impl FnMut(&Servers, usize) -> Result<(Command, T)> + Send,
    ) -> Result<Vec<Result<(Reply, T)>>>
    where
        T: Send,
    {
        let servers = self.servers().await?;
        let (mut commands, mut rest) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for place in 0..count {
            if place % PACE == PACE - 1 {
                yield_now().await;
            }
            match prepare(&servers, place) {
                Ok((command, with)) => {
                    commands.push(command);
                    rest.push(Ok(with));
                }
                Err(e) => rest.push(Err(e)),
            }
        }
        let mut replies = servers.ask_all(commands).await.into_iter();
        let mut answer = |with| Ok((replies.next().ok_or_else(error::unexpected)??, with));
        Ok(rest.into_iter().map(|with| with.and_then(&mut answer)).collect())
    }
}

async fn find(servers: &Servers, name: &Name) -> Result<Option<Found>> {
    let mut command = Vec::new();
    wire::get(&mut command, &name.stored);
    let (reply, connection) = servers.ask_somebody(name.server, command).await?;
    Ok(item(reply)?.map(|(data, cas)| Found { data, same: Same { cas, connection } }))
}

/// The bytes of an item and its number.
fn item(reply: Reply) -> Result<Option<(Bytes, u64)>> {
    match reply {
        Reply::Value { data, cas: Some(cas) } => Ok(Some((data, cas))),
        Reply::Missing => Ok(None),
        other => Err(odd(&other)),
    }
}

async fn set(servers: &Servers, name: &Name, item: &Item, condition: Condition) -> Result<Reply> {
    servers.ask(name.server, setting(name, item, condition)).await
}

fn setting(name: &Name, item: &Item, condition: Condition) -> Vec<u8> {
    let mut command = Vec::with_capacity(item.data.len() + 128);
    wire::set(&mut command, &name.stored, &item.data, item.exptime, condition);
    command
}

/// The error of an answer that is no success.
fn odd(reply: &Reply) -> Error {
    match reply {
        Reply::Failed(failure) => error::failed(*failure),
        _ => error::unexpected(),
    }
}

/// Only reading was tried so far.
fn not_done(error: Error) -> Error {
    error.with_outcome(Outcome::NotDone)
}

impl Store for MemcachedStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.0.get(key).await.map_err(|e| e.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let put = self.0.put(key, &entry, mode).await;
        put.map(|()| entry.version()).map_err(|e| e.during("put").at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.0.take(key, version).await.map_err(|e| e.during("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let named = |e: Error| e.during("get_many");
        let prepare = |_: &Servers, place: usize| {
            let key = keys.get(place).copied().unwrap_or(Key::new("", ""));
            let name = self.0.names.name(key);
            let mut bytes = Vec::with_capacity(64);
            wire::get(&mut bytes, &name.stored);
            Ok((Command { server: name.server, bytes }, name))
        };
        let answers = self.0.batch(keys.len(), prepare).await.map_err(named)?;
        let mut read = Vec::with_capacity(answers.len());
        for (place, (answer, key)) in answers.into_iter().zip(keys).enumerate() {
            if place % PACE == PACE - 1 {
                yield_now().await;
            }
            let entry = answer.and_then(|(reply, name)| match item(reply)? {
                Some((data, _)) => stored::open(&name, *key, data, &self.0.clock),
                None => Ok(None),
            });
            read.push(entry.map_err(|e| named(e).at(*key)));
        }
        Ok(read)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let named = |e: Error| e.during("put_many");
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let mut entries = entries.into_iter();
        let prepare = |servers: &Servers, _: usize| {
            let (key, entry) = entries.next().ok_or_else(error::unexpected)?;
            let name = self.0.names.name(key);
            let item = self.0.seal(servers, &name, key, &entry)?;
            let mut bytes = Vec::with_capacity(item.data.len() + 128);
            wire::set(&mut bytes, &name.stored, &item.data, item.exptime, Condition::Always);
            Ok((Command { server: name.server, bytes }, entry.version()))
        };
        let answers = self.0.batch(keys.len(), prepare).await.map_err(named)?;
        let written = answers.into_iter().map(|answer| match answer? {
            (Reply::Done, version) => Ok(version),
            (other, _) => Err(odd(&other)),
        });
        Ok(written.zip(keys).map(|(written, key)| written.map_err(|e| named(e).at(key))).collect())
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let named = |e: Error| e.during("delete_many");
        let prepare = |_: &Servers, place: usize| {
            let key = keys.get(place).copied().unwrap_or(Key::new("", ""));
            let name = self.0.names.name(key);
            let mut bytes = Vec::with_capacity(64);
            wire::delete(&mut bytes, &name.stored, None);
            Ok((Command { server: name.server, bytes }, ()))
        };
        let answers = self.0.batch(keys.len(), prepare).await.map_err(named)?;
        let removed = answers.into_iter().map(|answer| match answer?.0 {
            Reply::Done | Reply::Missing => Ok(()),
            other => Err(odd(&other)),
        });
        Ok(removed.zip(keys).map(|(removed, key)| removed.map_err(|e| named(e).at(*key))).collect())
    }

    async fn scan(&self, _: Scan<'_>, _: Option<&Cursor>) -> Result<Page> {
        self.0.refuse("Memcached cannot list what it holds").await.map_err(|e| e.during("scan"))
    }

    async fn signal(&self, _: &str, _: Bytes) -> Result<()> {
        self.0.refuse("Memcached carries no signals").await.map_err(|e| e.during("signal"))
    }

    async fn signals(&self, _: &str) -> Result<Signals> {
        self.0.refuse("Memcached carries no signals").await.map_err(|e| e.during("signals"))
    }

    async fn changes(&self) -> Result<Changes> {
        self.0.refuse("Memcached does not tell what others change").await.map_err(|e| e.during("changes"))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn close(&self) -> Result<()> {
        if let Some(servers) = self.0.servers.write().await.take() {
            servers.end();
        }
        Ok(())
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcachedStore").field("servers", &self.0.shown).finish_non_exhaustive()
    }
}

fn capabilities(max_value: usize) -> Capabilities {
    let mut capabilities = Capabilities::of("memcached");
    capabilities.evicts = true;
    capabilities.durable = true; // as long as the server runs
    capabilities.consistency = Consistency::BestEffort;
    capabilities.judge = Judge::Caller;
    capabilities.max_value = Some(max_value);
    capabilities.read_batch = BATCH;
    capabilities.write_batch = BATCH;
    let trips = &mut capabilities.round_trips;
    (trips.get, trips.replace, trips.create, trips.update, trips.take) = (1, 1, 1, 2, 2);
    capabilities
}
