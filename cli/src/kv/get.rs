//! `larder kv get`.

use clap::Args;
use kv_core::Store as _;

use super::line::Line;
use super::output::Output;
use super::{Common, KeyArguments, failed};
use crate::Failure;
use crate::clock::now_ms;

/// Arguments of `larder kv get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    key: KeyArguments,
}

impl Get {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { common, key } = self;
        let found = common.with_existing(async |store| store.get(key.key()).await.map_err(failed)).await?;
        let entry = found.ok_or_else(|| key.absent())?;
        let mut output = Output::new();
        if common.json {
            output.json(&Line::of(key.collection, key.id, &entry, now_ms()))?;
        } else {
            output.bytes(&entry.value)?;
        }
        output.flush().map(drop)
    }
}
