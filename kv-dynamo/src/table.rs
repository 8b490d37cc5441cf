//! The table: whether it is there and ours to use, and how it is made.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use kv_core::{Error, ErrorKind, Key, Outcome, Result};
use tokio::time::{Instant, sleep};

use crate::config::DynamoConfig;
use crate::error::classify;
use crate::item::TTL;
use crate::names::{Names, PK, SK};
use crate::skew::Watch;

/// How long a table may take to be made; Amazon's take seconds.
const MAKING: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(250);

/// What opening showed.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What the owner should know.
    pub(crate) warnings: Vec<String>,
    /// How far the caller's clock is ahead of the service's.
    pub(crate) clock_ahead_ms: Option<i64>,
}

/// Sees to it that the table can be used; makes it if `config` says so.
///
/// # Errors
/// `Invalid` when it is missing or has another key; `Unavailable` while it is being made or removed; what else the
/// service refuses.
pub(crate) async fn ready(client: &Client, config: &DynamoConfig) -> Result<Seen> {
    let watch = Watch::by(&config.clock);
    let cleaning = match describe(client, config, &watch).await {
        Ok(Some(found)) => {
            usable(client, config, found).await?;
            cleaned(client, config).await
        }
        Ok(None) if config.create => {
            make(client, config).await?;
            wait(client, config).await?;
            cleaned(client, config).await
        }
        Ok(None) => return Err(missing(config)),
        Err(error) if error.kind() == ErrorKind::Denied => {
            probe(client, config, error).await?;
            None // nor is there a right to ask for more
        }
        Err(error) => return Err(error),
    };
    Ok(Seen {
        warnings: cleaning.into_iter().chain(watch.warning()).collect(),
        clock_ahead_ms: watch.ahead_ms(),
    })
}

/// The table as the service describes it; `None` if there is none.
async fn describe(client: &Client, config: &DynamoConfig, watch: &Watch) -> Result<Option<TableDescription>> {
    let request = client.describe_table().table_name(&config.table).customize().interceptor(watch.clone());
    match request.send().await {
        Ok(answer) => Ok(answer.table),
        Err(e) if e.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
            Ok(None)
        }
        Err(e) => Err(classify(&e)),
    }
}

async fn usable(client: &Client, config: &DynamoConfig, found: TableDescription) -> Result<()> {
    match found.table_status() {
        None | Some(TableStatus::Active | TableStatus::Updating) => check_key(config, &found),
        Some(TableStatus::Creating) if config.create => wait(client, config).await,
        Some(TableStatus::InaccessibleEncryptionCredentials) => {
            Err(Error::new(ErrorKind::Denied, "the key that encrypts the table cannot be used"))
        }
        Some(other) => Err(not_ready(config, other)),
    }
}

/// Waits for a table that is being made, by us or by another.
async fn wait(client: &Client, config: &DynamoConfig) -> Result<()> {
    let (until, watch) = (Instant::now() + MAKING, Watch::by(&config.clock));
    loop {
        let found = describe(client, config, &watch).await?;
        match &found {
            Some(table) if table.table_status() == Some(&TableStatus::Active) => {
                return check_key(config, table);
            }
            Some(_) | None if Instant::now() < until => sleep(POLL).await,
            Some(table) => {
                return Err(not_ready(config, table.table_status().unwrap_or(&TableStatus::Creating)));
            }
            None => return Err(missing(config)),
        }
    }
}

fn check_key(config: &DynamoConfig, found: &TableDescription) -> Result<()> {
    let keyed = |name: &str, kind: &KeyType| {
        found.key_schema().iter().any(|key| key.attribute_name() == name && key.key_type() == kind)
    };
    let is_text = |name: &str| {
        let defined = |of: &AttributeDefinition| {
            of.attribute_name() == name && *of.attribute_type() == ScalarAttributeType::S
        };
        found.attribute_definitions().iter().any(defined)
    };
    if keyed(PK, &KeyType::Hash) && keyed(SK, &KeyType::Range) && is_text(PK) && is_text(SK) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!(
            "the table `{}` has another key: it needs the partition key `{PK}` and the sort key `{SK}`, both \
             strings; name another table, which `create=true` makes",
            config.table
        ),
    ))
}

async fn make(client: &Client, config: &DynamoConfig) -> Result<()> {
    let request = client
        .create_table()
        .table_name(&config.table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text(PK)?)
        .attribute_definitions(text(SK)?)
        .key_schema(keyed(PK, KeyType::Hash)?)
        .key_schema(keyed(SK, KeyType::Range)?);
    match request.send().await {
        Ok(_) => Ok(()),
        // Another process makes it at this moment.
        Err(e) if e.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => Ok(()),
        Err(e) => Err(classify(&e)),
    }
}

fn text(name: &str) -> Result<AttributeDefinition> {
    let of = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    of.build().map_err(|e| Error::new(ErrorKind::Unexpected, "the request could not be built").because(e))
}

fn keyed(name: &str, kind: KeyType) -> Result<KeySchemaElement> {
    let of = KeySchemaElement::builder().attribute_name(name).key_type(kind);
    of.build().map_err(|e| Error::new(ErrorKind::Unexpected, "the request could not be built").because(e))
}

/// Rights may end at reading and writing items: then a read shows whether the table is there and has our key.
async fn probe(client: &Client, config: &DynamoConfig, refused: Error) -> Result<()> {
    let key = Names::new(&config.namespace).stored(Key::new("", ""));
    let probe = client.get_item().table_name(&config.table).set_key(Some(key.attributes()));
    match probe.consistent_read(true).send().await.map_err(|e| classify(&e)) {
        Err(error) if error.kind() == ErrorKind::Denied => Err(refused),
        answer => answer.map(drop),
    }
}

/// Sees to it that Amazon removes what has expired; else says so.
async fn cleaned(client: &Client, config: &DynamoConfig) -> Option<String> {
    let refused = match (cleaning(client, config).await, config.create) {
        (Cleaning::Ours | Cleaning::Untold, _) => return None,
        (Cleaning::Other(attribute), _) => {
            return Some(format!(
                "time to live of the table `{}` is set to the attribute `{attribute}`, not to `{TTL}`: expired entries \
                 are absent at once, but are never removed",
                config.table
            ));
        }
        (Cleaning::Off, false) => String::new(),
        (Cleaning::Off, true) => match turn_on(client, config).await {
            Ok(()) => return None,
            Err(error) => format!(" ({error})"),
        },
    };
    // Of two that turn it on at once the second is refused.
    if matches!(cleaning(client, config).await, Cleaning::Ours) {
        return None;
    }
    Some(format!(
        "time to live of the table `{}` is off{refused}: expired entries are absent at once, but are never removed; \
         turn it on for the attribute `{TTL}`",
        config.table
    ))
}

/// What Amazon removes by itself.
enum Cleaning {
    Ours,
    Other(String),
    Off,
    /// The rights do not reach so far.
    Untold,
}

async fn cleaning(client: &Client, config: &DynamoConfig) -> Cleaning {
    let answer = client.describe_time_to_live().table_name(&config.table).send().await;
    let Some(told) = answer.ok().and_then(|answer| answer.time_to_live_description) else {
        return Cleaning::Untold;
    };
    match (told.time_to_live_status(), told.attribute_name()) {
        (Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling), Some(TTL)) => Cleaning::Ours,
        (Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling), other) => {
            Cleaning::Other(other.unwrap_or_default().to_owned())
        }
        _ => Cleaning::Off,
    }
}

async fn turn_on(client: &Client, config: &DynamoConfig) -> Result<()> {
    let wish = TimeToLiveSpecification::builder().attribute_name(TTL).enabled(true);
    let wish = wish
        .build()
        .map_err(|e| Error::new(ErrorKind::Unexpected, "the request could not be built").because(e))?;
    let request = client.update_time_to_live().table_name(&config.table).time_to_live_specification(wish);
    request.send().await.map(drop).map_err(|e| classify(&e))
}

fn missing(config: &DynamoConfig) -> Error {
    let message = format!(
        "there is no table `{}` in this region: write with `create=true`, or make it with the partition key `{PK}` and the sort \
         key `{SK}`, both strings",
        config.table
    );
    Error::new(ErrorKind::Invalid, message)
}

fn not_ready(config: &DynamoConfig, status: &TableStatus) -> Error {
    let message = format!("the table `{}` is not ready: it is {}", config.table, status.as_str());
    Error::new(ErrorKind::Unavailable, message).with_outcome(Outcome::NotDone)
}
