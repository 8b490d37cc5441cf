//! The operations, each one request of the service, and what the handles of a store share.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use kv_core::each::Pause;
use kv_core::{
    Capabilities, Consistency, Cursor, Entry, Error, ErrorKind, Judge, Key, Listing, NewEntry, Outcome, Page,
    PutMode, Result, RoundTrips, Scan, Version,
};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::batch::{self, TURN_BYTES, Write};
use crate::config::DynamoConfig;
use crate::item::{self, Item, Life};
use crate::names::{Names, StoredKey};
use crate::scan::Reader;
use crate::table::{self, Seen};
use crate::{connect, error};

/// What holds of an entry that lives at `:now`; one that never expires has no `x`.
const ALIVE: &str = "attribute_exists(pk) AND (attribute_not_exists(x) OR x >= :now)";
const ALIVE_AT_VERSION: &str = "v = :v AND (attribute_not_exists(x) OR x >= :now)";
const ABSENT: &str = "attribute_not_exists(pk) OR x < :now";

/// What the handles of a store share.
pub(crate) struct Inner {
    /// Read by each operation while it lasts; closing takes it away.
    client: RwLock<Option<Client>>,
    pub(crate) config: DynamoConfig,
    names: Names,
    pub(crate) capabilities: Capabilities,
    pub(crate) seen: Seen,
}

impl Inner {
    pub(crate) async fn open(config: DynamoConfig) -> Result<Self> {
        config.check()?;
        let client = connect::client(&config).await?;
        let seen = table::ready(&client, &config).await?;
        let names = Names::new(&config.namespace);
        let client = RwLock::new(Some(client));
        Ok(Self { client, config, names, capabilities: capabilities(), seen })
    }

    /// The client, for as long as one operation lasts.
    async fn client(&self) -> Result<RwLockReadGuard<'_, Client>> {
        RwLockReadGuard::try_map(self.client.read().await, Option::as_ref).map_err(|_| error::closed())
    }

    /// Waits for what is under way, and ends the store.
    pub(crate) async fn close(&self) {
        self.client.write().await.take();
    }

    pub(crate) async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let (client, stored) = (self.client().await?, self.names.stored(key));
        let request = client.get_item().table_name(&self.config.table).consistent_read(true);
        let answer =
            request.set_key(Some(stored.attributes())).send().await.map_err(|e| error::classify(&e))?;
        let Some(item) = answer.item else { return Ok(None) };
        item::decode(&stored, item, self.config.clock.unix_ms())
    }

    pub(crate) async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
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

    pub(crate) async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
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

    pub(crate) async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let (client, stored) = (self.client().await?, self.stored(keys).await);
        Ok(batch::read(&client, &self.config.table, stored, &self.config.clock).await)
    }

    pub(crate) async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let (client, now_ms) = (self.client().await?, self.config.clock.unix_ms());
        let (mut answers, mut writes) =
            (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        let mut pause = Pause::every(TURN_BYTES);
        for (key, entry) in entries {
            let (stored, version) = (self.names.stored(key), entry.version());
            let bytes = key.collection.len() + key.id.len() + entry.value().len();
            let item = item::encode(&stored, entry, now_ms);
            answers.push(item.map(|item| {
                writes.push((stored, Write::Put(item)));
                version
            }));
            pause.after(bytes).await;
        }
        let mut written = batch::write(&client, &self.config.table, writes).await.into_iter();
        for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
            if let Some(Err(error)) = written.next() {
                *answer = Err(error);
            }
        }
        Ok(answers)
    }

    pub(crate) async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let (client, stored) = (self.client().await?, self.stored(keys).await);
        let writes = stored.into_iter().map(|key| (key, Write::Delete)).collect();
        Ok(batch::write(&client, &self.config.table, writes).await)
    }

    /// The keys of a batch in the table.
    async fn stored(&self, keys: &[Key<'_>]) -> Vec<StoredKey> {
        let (mut stored, mut pause) = (Vec::with_capacity(keys.len()), Pause::every(TURN_BYTES));
        for key in keys {
            stored.push(self.names.stored(*key));
            pause.after(key.collection.len() + key.id.len()).await;
        }
        stored
    }

    pub(crate) async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
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

/// What a `take` found was not to be read, and is removed all the same: nobody may believe that nothing happened.
fn removed(error: Error) -> Error {
    Error::new(error.kind(), "what was taken cannot be read, and is removed")
        .with_outcome(Outcome::Unknown)
        .because(error)
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
