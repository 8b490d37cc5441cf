//! `larder kv export`.

use std::io::Write as _;

use clap::Args;
use kv_core::{AnyStore, Scan, StoreExt as _};
use serde_json::json;

use super::line::Line;
use super::output::{Output, Reader};
use super::progress::Progress;
use super::{Common, failed};
use crate::Failure;
use crate::clock::now_ms;

/// Arguments of `larder kv export`.
#[derive(Debug, Args)]
#[command(
    after_help = "A line is {\"collection\", \"id\", \"value\" (base64), \"expires_at\" (milliseconds since 1970; \
                        absent: never), \"codec\", \"tags\"}. What was encrypted leaves in the clear."
)]
pub(crate) struct Export {
    #[command(flatten)]
    common: Common,

    /// Only this collection
    collection: Option<String>,
}

/// Entries that are held in memory at a time; their values together at most 8 MiB.
const PAGE: usize = 500;

impl Export {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { common, collection } = self;
        tell("values leave the store decrypted: keep what is written here as safe as the key");
        let all = collection.as_deref().map_or(Scan::under(""), Scan::one).values().limit(PAGE);
        let exported = common.with_existing(async |store| export(&store, all).await).await?;
        if common.json {
            eprint(&json!({ "exported": exported }).to_string());
        } else {
            tell(&format!("exported {exported} entries"));
        }
        Ok(())
    }
}

async fn export(store: &AnyStore, scan: Scan<'_>) -> Result<u64, Failure> {
    let (mut output, progress) = (Output::new(), Progress::beside_stdout("exported"));
    let (mut pages, mut exported) = (store.scan_all(scan), 0);
    while let Some(items) = pages.page().await.map_err(failed)? {
        let now = now_ms();
        for item in items {
            let Some(entry) = item.entry else { continue };
            if output.json(&Line::of(item.collection, item.id, &entry, now))? == Reader::Gone {
                return Ok(exported);
            }
            exported += 1;
            progress.add(1);
        }
    }
    output.flush().map(|_| exported)
}

/// One sentence on stderr.
pub(crate) fn tell(sentence: &str) {
    eprint(&format!("larder: {sentence}"));
}

fn eprint(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}")); // a closed stderr hears nothing
}
