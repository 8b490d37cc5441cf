//! `larder kv delete`.

use clap::Args;
use kv_core::StoreExt as _;
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
        let removed = common.with_existing(async |store| store.remove(key.key()).await.map_err(failed));
        if !removed.await? {
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
