//! `larder kv put`.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use kv_core::{NewEntry, PutMode, Store as _, parse_duration};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, stdin};

use super::output::Output;
use super::{Common, KeyArguments, failed};
use crate::Failure;

/// Arguments of `larder kv put`.
#[derive(Debug, Args)]
pub(crate) struct Put {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    key: KeyArguments,

    /// The value; `-` or nothing reads it from stdin, where `ps` does not show it; `--` goes before one that begins with a hyphen
    #[arg(allow_negative_numbers = true)]
    value: Option<Value>,

    /// Let the entry expire after this, such as 10m; without, it never does
    #[arg(long, value_name = "DURATION", value_parser = ttl)]
    ttl: Option<Duration>,
}

impl Put {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { common, key, value, ttl } = self;
        let value = match value {
            Some(Value(value)) if value != "-" => Bytes::from(value.into_encoded_bytes()),
            _ => from_stdin().await?,
        };
        let bytes = value.len();
        let entry = NewEntry::new(value).ttl(ttl);
        common
            .with_store(async |store| store.put(key.key(), entry, PutMode::Replace).await.map_err(failed))
            .await?;
        if !common.json {
            return Ok(());
        }
        let mut output = Output::new();
        output.json(&json!({ "collection": key.collection, "id": key.id, "bytes": bytes }))?;
        output.flush().map(drop)
    }
}

/// What every store takes.
fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = parse_duration(text).map_err(|error| error.message().to_owned())?;
    match kv_core::ttl::checked_ttl(Some(ttl)) {
        Ok(_) => Ok(ttl),
        Err(error) => Err(error.message().to_owned()),
    }
}

async fn from_stdin() -> Result<Bytes, Failure> {
    let mut value = Vec::new();
    let read = stdin().read_to_end(&mut value).await;
    read.map_err(|error| Failure::new("stdin cannot be read").because(error))?;
    Ok(value.into())
}

/// A value on the command line; it may be a secret.
#[derive(Clone)]
struct Value(OsString);

impl From<OsString> for Value {
    fn from(value: OsString) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}
