//! The store: what its handles hold, and the contract on top of the requests.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page, PutMode, Result, Scan,
    Signals, Store, Version,
};

use crate::config::DynamoConfig;
use crate::inner::Inner;

/// A store in a table of DynamoDB. Cheap to clone; clones share it, and close together.
#[derive(Clone)]
pub struct DynamoStore(Arc<Inner>);

impl DynamoStore {
    /// Opens the store: asks for the table once, and makes it if it is missing and `create` is set.
    ///
    /// # Errors
    /// `Invalid` when the table is missing or has another key, and when no region is found; `Denied` without
    /// credentials or rights; `Unavailable` and `Timeout` when the service is not to be reached, or the table is not
    /// ready.
    pub async fn open(config: DynamoConfig) -> Result<Self> {
        let opened = Box::pin(Inner::open(config)).await; // the SDK's search for credentials takes 30 KB
        opened.map(|inner| Self(Arc::new(inner))).map_err(|e| e.during("open"))
    }

    /// What the owner of the table should know, one sentence each; mostly none.
    pub fn warnings(&self) -> &[String] {
        &self.0.seen.warnings
    }

    /// How many milliseconds, at least, the clock of this process was ahead of the service's when the store was opened;
    /// below zero it was behind, zero is no difference that can be told. `None` where the service did not tell the time.
    pub fn clock_ahead_ms(&self) -> Option<i64> {
        self.0.seen.clock_ahead_ms
    }
}

fn carries_no_news() -> Error {
    Error::new(ErrorKind::Unsupported, "DynamoDB carries no signals and no changes: poll instead")
}

/// Each operation is boxed: the SDK's futures take 7 KB, and every wrapper around would hold them by value.
impl Store for DynamoStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        Box::pin(self.0.get(key)).await.map_err(|e| e.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        Box::pin(self.0.put(key, entry, mode)).await.map_err(|e| e.during("put").at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        Box::pin(self.0.take(key, version)).await.map_err(|e| e.during("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        named("get_many", keys.iter().copied(), self.0.get_many(keys).await)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        named("put_many", keys.into_iter(), self.0.put_many(entries).await)
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        named("delete_many", keys.iter().copied(), self.0.delete_many(keys).await)
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        Box::pin(self.0.scan(scan, from)).await.map_err(|e| e.during("scan"))
    }

    async fn signal(&self, _topic: &str, _message: Bytes) -> Result<()> {
        Err(carries_no_news().during("signal"))
    }

    async fn signals(&self, _topic: &str) -> Result<Signals> {
        Err(carries_no_news().during("signals"))
    }

    async fn changes(&self) -> Result<Changes> {
        Err(carries_no_news().during("changes"))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await;
        Ok(())
    }
}

/// Names the operation, and at each answer the key.
fn named<'a, T>(
    operation: &'static str,
    keys: impl Iterator<Item = Key<'a>>,
    answers: Result<Vec<Result<T>>>,
) -> Result<Vec<Result<T>>> {
    let answers = answers.map_err(|e| e.during(operation))?;
    Ok(answers
        .into_iter()
        .zip(keys)
        .map(|(answer, key)| answer.map_err(|e| e.during(operation).at(key)))
        .collect())
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("config", &self.0.config).finish_non_exhaustive()
    }
}
