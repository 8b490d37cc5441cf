//! The store: what its handles hold, and the contract on top of the parts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode, Result,
    Scan, Signal, Signals, Store, Version,
};
use redis::{Cmd, Value};

use crate::capabilities;
use crate::cluster::{Cluster, Way};
use crate::config::{Place, RedisConfig};
use crate::error::{self, Fault, invalid, nonsense};
use crate::fleet::Fleet;
use crate::link::{Address, Dial, Link, Sentinels, Target};
use crate::names::Names;
use crate::news::News;
use crate::node::{Node, Wait};
use crate::server::Settings;
use crate::wire::{self, Put};
use kv_core::backend::Gate;

/// A store in Redis or Valkey. Cheap to clone; clones share one connection to each server, and one for signals.
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

/// What all handles share.
pub(crate) struct Inner {
    pub(crate) names: Names,
    pub(crate) fleet: Fleet,
    /// Where signals come in: a connection of its own, made once somebody listens. A server ends a subscriber's connection
    /// as soon as 32 MiB wait for it, which an answer of that size would be (`client-output-buffer-limit pubsub`).
    home: Link,
    gate: Gate,
    capabilities: Capabilities,
    config: RedisConfig,
}

impl RedisStore {
    /// Connects, checks the server's version and reads what its settings mean for the store. Needs a tokio runtime, on
    /// which the connection then lives.
    ///
    /// # Errors
    /// `Unavailable` when no server can be reached; `Denied` for a wrong user or password and for a server that TLS
    /// does not trust; `Unsupported` for a server that is too old; `Invalid` for a configuration that cannot work, such
    /// as a node of a cluster where one server is meant.
    pub async fn open(config: RedisConfig) -> Result<Self> {
        let opened = async { Inner::open(config.checked()?).await };
        let inner = opened.await.map_err(|error| error.during("open").with_outcome(Outcome::NotDone))?;
        Ok(Self(Arc::new(inner)))
    }
}

impl RedisStore {
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }
}

impl Inner {
    async fn open(config: RedisConfig) -> Result<Self> {
        let database = i64::from(config.database);
        let names =
            if config.foreign { Names::foreign(database) } else { Names::new(&config.namespace, database) };
        let dial = Arc::new(Dial::new(&config)?);
        let link = |target, dial| Link::new(target, dial, Arc::new(News::new(names.clone())), true);
        let wait = wait_of(&config);
        let (fleet, home) = match &config.place {
            Place::Cluster(hosts) => {
                let cluster = Cluster::open(addresses(hosts), Arc::clone(&dial), names.clone(), wait).await?;
                let home = link(Target::AnyOf(Arc::clone(&cluster.any)), dial);
                (Fleet::Cluster(cluster), home)
            }
            place => {
                let target = || target_of(place, &config, &dial);
                let data = link(target(), Arc::clone(&dial));
                let node = Node::new(String::new(), None, data, wait, target, &names);
                (Fleet::One(Arc::new(node)), link(target(), dial))
            }
        };
        let (settings, lists) = asked(&fleet).await?;
        let mut capabilities = capabilities::of(settings, !fleet.is_one(), lists);
        capabilities.writable = !config.foreign;
        capabilities.reads_ahead = wait.is_some(); // a read waits for no replica
        Ok(Self { names, fleet, home, gate: Gate::default(), capabilities, config })
    }

    /// What writes `entry`, which is found fit to be sent.
    pub(crate) fn writing<'a>(&self, key: &'a [u8], entry: &'a NewEntry, mode: PutMode) -> Result<Put<'a>> {
        let ttl_ms = wire::ttl_ms(entry)?;
        let most = self.capabilities.max_value.unwrap_or(usize::MAX);
        if entry.value().len() > most {
            return Err(Error::new(ErrorKind::TooLarge, format!("a value has at most {most} bytes")));
        }
        Ok(Put { key, entry, ttl_ms, mode, known: true, largest: wire::largest_stored(most) })
    }

    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let _pass = self.gate.enter()?;
        let stored_key = self.names.key(key);
        let answer = self.fleet.send(&stored_key, &wire::of_key("GET", &stored_key), Way::Read).await?;
        self.opened(&stored_key, answer)
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let _pass = self.gate.enter()?;
        self.writable()?;
        let key = self.names.key(key);
        let mut put = self.writing(&key, &entry, mode)?;
        let mut answer = self.fleet.send(&key, &put, Way::Write).await;
        if answer.as_ref().is_err_and(Fault::is_unknown_script) {
            put.known = false;
            answer = Box::pin(self.fleet.send(&key, &put, Way::Write)).await;
        }
        match (mode, answer?) {
            (PutMode::Replace | PutMode::Create, Value::Okay) | (PutMode::Update(_), Value::Int(1)) => {
                Ok(entry.version())
            }
            (PutMode::Create, Value::Nil) => {
                Err(Error::new(ErrorKind::AlreadyExists, "there is an entry under this key"))
            }
            (PutMode::Update(_), Value::Int(_)) => Err(another_version()),
            _ => Err(nonsense()),
        }
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let _pass = self.gate.enter()?;
        self.writable()?;
        let key = self.names.key(key);
        let cmd = |known| match &version {
            None => wire::of_key("GETDEL", &key),
            Some(version) => wire::take(known, &key, version),
        };
        let mut answer = self.fleet.send(&key, &cmd(true), Way::Write).await;
        if answer.as_ref().is_err_and(Fault::is_unknown_script) {
            answer = Box::pin(self.fleet.send(&key, &cmd(false), Way::Write)).await;
        }
        let answer = answer?;
        if matches!(answer, Value::Int(0)) {
            return Err(another_version());
        }
        self.opened(&key, answer).map_err(error::removed)
    }

    /// What others wrote is theirs.
    fn writable(&self) -> Result<()> {
        if self.config.foreign {
            return Err(Error::new(ErrorKind::Unsupported, "what other programs wrote is only read"));
        }
        Ok(())
    }

    fn opened(&self, key: &[u8], answer: Value) -> Result<Option<Entry>> {
        if self.config.foreign {
            return wire::foreign(answer);
        }
        wire::open(key, answer, || self.fleet.server_ms(key))
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        let _pass = self.gate.enter()?;
        if message.len() > Signal::MAX_BYTES {
            return Err(invalid("a signal carries at most 1 KiB"));
        }
        let channel = self.names.channel(topic);
        let mut publish = Cmd::with_capacity(3, 16 + channel.len() + message.len());
        publish.arg("PUBLISH").arg(channel).arg(message.as_ref());
        wire::number(&self.speaking().send(&publish).await?).map(drop)
    }

    /// Over what signals go out: what only speaks needs no connection more to a server alone.
    fn speaking(&self) -> &Link {
        match &self.fleet {
            Fleet::One(node) => &node.link,
            Fleet::Cluster(_) => &self.home,
        }
    }

    async fn changes(&self) -> Result<Changes> {
        let _pass = self.gate.enter()?;
        match &self.fleet {
            Fleet::One(node) => node.link.news().changes(&node.link).await,
            Fleet::Cluster(_) => {
                Err(Error::new(ErrorKind::Unsupported, "a cluster does not tell what changed"))
            }
        }
    }
}

impl Store for RedisStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.0.get(key).await.map_err(|error| error.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.0.put(key, entry, mode).await.map_err(|error| error.during("put").at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.0.take(key, version).await.map_err(|error| error.during("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("get_many"))?;
        Ok(self.0.read_batch(keys).await)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("put_many"))?;
        self.0.writable().map_err(|error| error.during("put_many"))?;
        Ok(self.0.write_batch(entries).await)
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let _pass = self.0.gate.enter().map_err(|error| error.during("delete_many"))?;
        self.0.writable().map_err(|error| error.during("delete_many"))?;
        Ok(self.0.delete_batch(keys).await)
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let page = async {
            let _pass = self.0.gate.enter()?;
            if self.0.capabilities.scan == kv_core::Listing::No {
                let message = "the user may not ask the server for INFO, without which it cannot list";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            self.0.page(scan, from).await
        };
        page.await.map_err(|error| error.during("scan"))
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.0.signal(topic, message).await.map_err(|error| error.during("signal"))
    }

    /// Ends, after a `Gap`, once the user has no right to the topic's channel any more.
    async fn signals(&self, topic: &str) -> Result<Signals> {
        let signals = async {
            let _pass = self.0.gate.enter()?;
            self.0.home.news().signals(&self.0.home, topic).await
        };
        signals.await.map_err(|error| error.during("signals"))
    }

    /// Keys that were read through this store, by `get` or `get_many`, and then written, removed or expired: the server
    /// tells of each once, until it is read again. Own writes are told too. A value that was read before its key is told may
    /// still be on its way to its reader: who keeps copies looks whether a key was told since it was asked for. Ends, after
    /// an `All`, once the user has no right to it any more.
    async fn changes(&self) -> Result<Changes> {
        self.0.changes().await.map_err(|error| error.during("changes"))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.0.gate.close().await;
        self.0.home.close();
        self.0.fleet.close();
        Ok(())
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RedisConfig { place, database, namespace, .. } = &self.0.config;
        f.debug_struct("RedisStore")
            .field("place", place)
            .field("database", database)
            .field("namespace", namespace)
            .finish_non_exhaustive()
    }
}

fn another_version() -> Error {
    Error::new(ErrorKind::Conflict, "the entry has another version, or there is none")
}

fn addresses(hosts: &[(String, u16)]) -> Vec<Address> {
    hosts.iter().map(|(host, port)| Address::Tcp(host.clone(), *port)).collect()
}

fn target_of(place: &Place, config: &RedisConfig, dial: &Dial) -> Target {
    match place {
        Place::Server { host, port } => Target::At(Address::Tcp(host.clone(), *port)),
        Place::Socket(path) => Target::At(Address::Socket(path.clone())),
        Place::Cluster(hosts) => Target::At(addresses(hosts).remove(0)),
        Place::Sentinel { sentinels, service } => Target::Master(Sentinels {
            addresses: addresses(sentinels),
            service: service.clone(),
            dial: dial.with_password(config.sentinel_password.as_deref()),
        }),
    }
}

/// A replica's answer must come before ours is given up.
fn wait_of(config: &RedisConfig) -> Option<Wait> {
    let within = (config.response_timeout / 5).saturating_mul(4).max(Duration::from_millis(1));
    (config.wait > 0).then_some(Wait { replicas: config.wait, within })
}

/// The settings of all servers taken together, and whether all say which run of theirs this is.
async fn asked(fleet: &Fleet) -> Result<(Settings, bool)> {
    let nodes = match fleet {
        Fleet::One(node) => vec![Arc::clone(node)],
        Fleet::Cluster(cluster) => cluster.map().nodes.clone(),
    };
    let (mut all, mut lists): (Option<Settings>, bool) = (None, true);
    for node in nodes {
        let settings = Settings::read(&node.link).await?;
        all = Some(all.map_or(settings, |all| all.and(settings)));
        lists &= node.link.live().await?.facts().run_id.is_some();
    }
    let settings = all.ok_or_else(|| error::not_done(ErrorKind::Unavailable, "the cluster has no nodes"))?;
    Ok((settings, lists))
}

#[cfg(test)]
mod tests {
    use super::{Key, NewEntry, PutMode, RedisStore, Store};

    fn size<T>(_: impl FnOnce(&'static RedisStore) -> T) -> usize {
        size_of::<T>()
    }

    #[test]
    fn the_future_of_one_operation_is_small() {
        let key = Key::new("c", "a");
        let sizes = [
            size(|store| store.get(key)),
            size(|store| store.put(key, NewEntry::new(""), PutMode::Replace)),
            size(|store| store.take(key, None)),
        ];
        assert!(sizes.iter().all(|size| *size < 2_560), "{sizes:?} bytes");
    }
}
