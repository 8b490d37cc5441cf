//! `larder kv delete`.

use clap::Args;
use kv_core::{ErrorKind, Outcome, Store as _, StoreExt as _};
use serde_json::json;

use super::output::Output;
use super::{Common, KeyArguments, failed};
use crate::Failure;

/// Arguments of `larder kv delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    key: KeyArguments,
}

impl Delete {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { common, key } = self;
        // One step, so that of two who delete one is told that it did.
        let taken = common.with_existing(async |store| match store.take(key.key(), None).await {
            Ok(taken) => Ok(taken.is_some()),
            // Some stores take a damaged entry and then cannot read it, others do not touch what they cannot decide on.
            Err(error) if error.kind() == ErrorKind::Corrupt && error.outcome() == Outcome::NotDone => {
                store.delete(key.key()).await.map(|()| true).map_err(failed)
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(true),
            Err(error) => Err(failed(error)),
        });
        if !taken.await? {
            return Err(key.absent());
        }
        if !common.json {
            return Ok(());
        }
        let mut output = Output::new();
        output.json(&json!({ "collection": key.collection, "id": key.id, "deleted": true }))?;
        output.flush().map(drop)
    }
}
