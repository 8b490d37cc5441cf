//! The store: the contract on top of the parts.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Collections, Consistency, Cursor, Entry, Error, ErrorKind, Judge, Key, Listing,
    NewEntry, Page, PutMode, Result, RoundTrips, Scan, Signals, Store, Version,
};

use crate::batch::CHUNK;
use crate::config::MongoConfig;
use crate::inner::{Call, Inner, longest};
use crate::names::Names;
use crate::open::Link;
use crate::places::{Place, Places};
use crate::wire::MAX_VALUE;
use kv_core::backend::Gate;

/// A store in one collection of a MongoDB database. Cheap to clone; clones share its connections.
#[derive(Clone)]
pub struct MongoStore(Arc<Inner>);

impl MongoStore {
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Connects, makes the collection and its TTL index if they are missing, and finds out whose clock judges. Needs a
    /// tokio runtime, and lives in the one that it was opened in.
    ///
    /// # Errors
    /// `Invalid` for a wrong parameter; `Unavailable` when no server is found within `patience`; `Timeout` when one was, and
    /// does not answer within `open_timeout`; `Denied` for a wrong password, a missing right to read, or a certificate that
    /// is not trusted; `Unsupported` for a server before MongoDB 4.4 and for a collection that a later version wrote;
    /// `Corrupt` for one that holds documents of others.
    pub async fn open(config: MongoConfig) -> Result<Self> {
        let link = Link::open(&config).await.map_err(|e| e.during("open"))?;
        let capabilities = capabilities(link.consistency, link.time.judge());
        let names = Names::of(&config.namespace);
        let places = Places::new(link.connections, longest(&link.collection));
        Ok(Self(Arc::new(Inner { link, names, places, gate: Gate::default(), capabilities })))
    }

    /// Runs a call that reads, once there is a place for it.
    async fn read<T: Send + 'static, W>(&self, work: impl FnOnce(Call) -> W) -> Result<T>
    where
        W: Future<Output = Result<T>> + Send + 'static,
    {
        whole(&self.0, self.0.places.for_a_read().await?, work).await
    }

    /// Runs a call that writes, once there is a place for it.
    async fn write<T: Send + 'static, W>(&self, work: impl FnOnce(Call) -> W) -> Result<T>
    where
        W: Future<Output = Result<T>> + Send + 'static,
    {
        whole(&self.0, self.0.places.for_a_write().await?, work).await
    }

    /// What the owner of the database should know, one sentence each; mostly none.
    pub fn warnings(&self) -> &[String] {
        &self.0.link.warnings
    }
}

fn capabilities(consistency: Consistency, judge: Judge) -> Capabilities {
    let mut told = Capabilities::of("mongodb");
    told.scan = Listing::Ordered;
    told.durable = true;
    told.consistency = consistency;
    told.judge = judge;
    told.max_value = Some(MAX_VALUE);
    told.read_batch = CHUNK;
    told.write_batch = CHUNK;
    let mut trips = RoundTrips::default();
    (trips.get, trips.replace, trips.create, trips.update, trips.take) = (1, 1, 1, 1, 1);
    told.round_trips = trips;
    told
}

fn unsupported(what: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, what)
}

/// Runs `work` at its `place`, each request of it to its end, also when its caller gives up: the driver closes a connection
/// whose answer nobody waits for, and to make a new one for each of many dropped requests costs the server more than the
/// requests do.
async fn whole<T: Send + 'static, W>(
    inner: &Arc<Inner>,
    place: Place,
    work: impl FnOnce(Call) -> W,
) -> Result<T>
where
    W: Future<Output = Result<T>> + Send + 'static,
{
    let caller = Arc::new(()); // until this future ends or is dropped
    let working = work(Call::new(Arc::clone(inner), &caller));
    let inner = Arc::clone(inner);
    let running = tokio::spawn(async move {
        let (_place, _inside) = (place, inner.gate.enter()?);
        working.await
    });
    let interrupted = |e| Error::new(ErrorKind::Unexpected, "the runtime ended meanwhile").because(e);
    running.await.map_err(interrupted).flatten()
}

/// Names that outlive their caller.
fn owned(keys: &[Key<'_>]) -> Vec<(String, String)> {
    keys.iter().map(|key| (key.collection.to_owned(), key.id.to_owned())).collect()
}

fn lent(names: &[(String, String)]) -> Vec<Key<'_>> {
    names.iter().map(|(collection, id)| Key::new(collection, id)).collect()
}

impl Store for MongoStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let name = self.0.names.name(key);
        let found = self.read(|call| async move { call.get(&name).await });
        found.await.map_err(|e| e.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let draft = self.0.draft(key, entry);
        let written = self.write(|call| async move { call.put(&draft?, mode).await });
        written.await.map_err(|e| e.during("put").at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let name = self.0.names.name(key);
        let taken = self.write(|call| async move { call.take(&name, version).await });
        taken.await.map_err(|e| e.during("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let named = |e: Error| e.during("get_many");
        let owned = owned(keys);
        let found = self.read(|call| async move { Ok(call.get_many(&lent(&owned)).await) });
        let found = found.await.map_err(named)?;
        Ok(found.into_iter().zip(keys).map(|(found, key)| found.map_err(|e| named(e).at(*key))).collect())
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let named = |e: Error| e.during("put_many");
        let (keys, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let owned = owned(&keys);
        let written = self.write(|call| async move {
            Ok(call.put_many(lent(&owned).into_iter().zip(entries).collect()).await)
        });
        let written = written.await.map_err(named)?;
        Ok(written.into_iter().zip(keys).map(|(put, key)| put.map_err(|e| named(e).at(key))).collect())
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let named = |e: Error| e.during("delete_many");
        let owned = owned(keys);
        let removed = self.write(|call| async move { Ok(call.delete_many(&lent(&owned)).await) });
        let removed = removed.await.map_err(named)?;
        Ok(removed.into_iter().zip(keys).map(|(done, key)| done.map_err(|e| named(e).at(*key))).collect())
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let from = from.cloned();
        let (one, name) = match scan.collections {
            Collections::One(name) => (true, name.to_owned()),
            Collections::Under(name) => (false, name.to_owned()),
        };
        let (prefix, values, limit) = (scan.prefix.to_owned(), scan.values, scan.limit);
        let skip_damaged = scan.skip_damaged;
        let page = self.read(|call| async move {
            let scan = if one { Scan::one(&name) } else { Scan::under(&name) }.prefix(&prefix).limit(limit);
            let scan = if values { scan.values() } else { scan };
            call.scan(if skip_damaged { scan.skip_damaged() } else { scan }, from.as_ref()).await
        });
        page.await.map_err(|e| e.during("scan"))
    }

    async fn signal(&self, _: &str, _: Bytes) -> Result<()> {
        let _inside = self.0.gate.enter().map_err(|e| e.during("signal"))?;
        Err(unsupported("MongoDB carries no signals").during("signal"))
    }

    async fn signals(&self, _: &str) -> Result<Signals> {
        let _inside = self.0.gate.enter().map_err(|e| e.during("signals"))?;
        Err(unsupported("MongoDB carries no signals: poll instead").during("signals"))
    }

    async fn changes(&self) -> Result<Changes> {
        let _inside = self.0.gate.enter().map_err(|e| e.during("changes"))?;
        Err(unsupported("news of changed keys are not read from MongoDB").during("changes"))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.0.places.close();
        self.0.gate.close().await;
        self.0.link.client.clone().shutdown().immediate(true).await;
        Ok(())
    }
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { link, names: _, places: _, gate: _, capabilities } = &*self.0;
        f.debug_struct("MongoStore")
            .field("database", &link.database.name())
            .field("collection", &link.collection.name())
            .field("consistency", &capabilities.consistency)
            .field("judge", &capabilities.judge)
            .finish_non_exhaustive()
    }
}
