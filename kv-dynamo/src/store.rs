//! The store: what its handles hold, and the contract on top of the requests.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Consistency, Cursor, Entry, Error, ErrorKind, Judge, Key, Listing, NewEntry, Page,
    PutMode, Result, RoundTrips, Scan, Signals, Store, Version,
};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::batch::{self, Write};
use crate::config::DynamoConfig;
use crate::item::{self, Item, Life};
use crate::names::Names;
use crate::scan::Reader;
use crate::{connect, error, table};

/// What holds of an entry that lives at `:now`; one that never expires has no `x`.
const ALIVE: &str = "attribute_exists(pk) AND (attribute_not_exists(x) OR x >= :now)";
const ALIVE_AT_VERSION: &str = "v = :v AND (attribute_not_exists(x) OR x >= :now)";
const ABSENT: &str = "attribute_not_exists(pk) OR x < :now";

/// A store in a table of DynamoDB. Cheap to clone; clones share it, and close together.
#[derive(Clone)]
pub struct DynamoStore(Arc<Inner>);

struct Inner {
    /// Read by each operation while it lasts; closing takes it away.
    client: RwLock<Option<Client>>,
    config: DynamoConfig,
    names: Names,
    capabilities: Capabilities,
    warnings: Vec<String>,
}

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
        &self.0.warnings
    }
}

impl Inner {
    async fn open(config: DynamoConfig) -> Result<Self> {
        config.check()?;
        let client = connect::client(&config).await?;
        let warnings = table::ready(&client, &config).await?;
        let names = Names::new(&config.namespace);
        let client = RwLock::new(Some(client));
        Ok(Self { client, config, names, capabilities: capabilities(), warnings })
    }

    /// The client, for as long as one operation lasts.
    async fn client(&self) -> Result<RwLockReadGuard<'_, Client>> {
        RwLockReadGuard::try_map(self.client.read().await, Option::as_ref).map_err(|_| error::closed())
    }

    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let (client, stored) = (self.client().await?, self.names.stored(key));
        let request = client.get_item().table_name(&self.config.table).consistent_read(true);
        let answer =
            request.set_key(Some(stored.attributes())).send().await.map_err(|e| error::classify(&e))?;
        let Some(item) = answer.item else { return Ok(None) };
        item::decode(&stored, item, self.config.clock.unix_ms())
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let (client, stored) = (self.client().await?, self.names.stored(key));
        let version = entry.version();
        let now_ms = self.config.clock.unix_ms();
        let item = item::encode(&stored, entry, now_ms)?;
        let request = client.put_item().table_name(&self.config.table).set_item(Some(item));
        match conditioned(request, mode, now_ms).send().await {
            Ok(_) => Ok(version),
            Err(e) => match e.as_service_error() {
                // No other write has this version: the request was sent twice on its way, and done the first time.
                Some(PutItemError::ConditionalCheckFailedException(met))
                    if met.item().and_then(item::version) == Some(version) =>
                {
                    Ok(version)
                }
                Some(PutItemError::ConditionalCheckFailedException(_)) => Err(unmet(mode)),
                _ => Err(error::classify(&e)),
            },
        }
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let (client, stored) = (self.client().await?, self.names.stored(key));
        let now_ms = self.config.clock.unix_ms();
        let request = client
            .delete_item()
            .table_name(&self.config.table)
            .set_key(Some(stored.attributes()))
            .expression_attribute_values(":now", number(now_ms))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // Without a condition a server may hand one entry to several racers.
        let request = match version {
            None => request.condition_expression(ALIVE),
            Some(version) => request
                .condition_expression(ALIVE_AT_VERSION)
                .expression_attribute_values(":v", binary(version)),
        };
        match request.send().await {
            Ok(answer) => {
                let Some(item) = answer.attributes else { return Ok(None) };
                item::decode(&stored, item, now_ms).map_err(removed)
            }
            Err(e) => match e.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(met)) => not_taken(met.item(), now_ms),
                _ => Err(error::classify(&e)),
            },
        }
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let client = self.client().await?;
        let stored: Vec<_> = keys.iter().map(|key| self.names.stored(*key)).collect();
        let found = batch::read(&client, &self.config.table, &stored).await;
        let now_ms = self.config.clock.unix_ms();
        let decoded = found.into_iter().zip(&stored).map(|(found, key)| match found? {
            Some(item) => item::decode(key, item, now_ms),
            None => Ok(None),
        });
        Ok(decoded.collect())
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let (client, now_ms) = (self.client().await?, self.config.clock.unix_ms());
        let (mut answers, mut writes) =
            (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        for (key, entry) in entries {
            let (stored, version) = (self.names.stored(key), entry.version());
            let item = item::encode(&stored, entry, now_ms);
            answers.push(item.map(|item| {
                writes.push((stored, Write::Put(item)));
                version
            }));
        }
        let mut written = batch::write(&client, &self.config.table, writes).await.into_iter();
        for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
            if let Some(Err(error)) = written.next() {
                *answer = Err(error);
            }
        }
        Ok(answers)
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let client = self.client().await?;
        let writes = keys.iter().map(|key| (self.names.stored(*key), Write::Delete)).collect();
        Ok(batch::write(&client, &self.config.table, writes).await)
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let client = self.client().await?;
        let (table, namespace, now_ms) =
            (&self.config.table, &self.config.namespace, self.config.clock.unix_ms());
        Reader { client: &client, table, namespace, names: &self.names, now_ms }.page(scan, from).await
    }
}

/// Makes `request` depend on what stands there.
fn conditioned(request: PutItemFluentBuilder, mode: PutMode, now_ms: u64) -> PutItemFluentBuilder {
    let request = match mode {
        PutMode::Replace => return request,
        PutMode::Create => request.condition_expression(ABSENT),
        PutMode::Update(version) => {
            request.condition_expression(ALIVE_AT_VERSION).expression_attribute_values(":v", binary(version))
        }
    };
    request
        .expression_attribute_values(":now", number(now_ms))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

fn binary(version: Version) -> AttributeValue {
    AttributeValue::B(Blob::new(version.as_bytes()))
}

fn number(n: u64) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

fn unmet(mode: PutMode) -> Error {
    match mode {
        PutMode::Create => Error::new(ErrorKind::AlreadyExists, "there is a live entry under this key"),
        _ => Error::new(ErrorKind::Conflict, "the entry has another version, or is gone"),
    }
}

/// Why nothing was taken, by what stands there instead: absence is no error.
fn not_taken(met: Option<&Item>, now_ms: u64) -> Result<Option<Entry>> {
    match met {
        Some(item) if item::life(item, now_ms)? != Life::Over => {
            Err(Error::new(ErrorKind::Conflict, "the entry has another version"))
        }
        _ => Ok(None),
    }
}

/// What a `take` found was not to be read, and is removed all the same.
fn removed(error: Error) -> Error {
    Error::new(error.kind(), "what was taken cannot be read, and is removed").because(error)
}

/// What holds for every table.
fn capabilities() -> Capabilities {
    let mut told = Capabilities::of("dynamodb");
    told.scan = Listing::Ordered;
    told.durable = true;
    told.consistency = Consistency::Linearizable;
    told.judge = Judge::Caller;
    told.max_value = Some(item::MAX_VALUE);
    (told.read_batch, told.write_batch) = (batch::READS, batch::WRITES);
    let mut trips = RoundTrips::default();
    (trips.get, trips.replace, trips.create, trips.update, trips.take) = (1, 1, 1, 1, 1);
    told.round_trips = trips;
    told
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
        self.0.client.write().await.take(); // waits for what is under way
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
