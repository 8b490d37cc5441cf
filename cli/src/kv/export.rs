//! `larder kv export`.

use std::io::Write as _;

use clap::Args;
use kv_core::Scan;
use serde_json::json;

use super::Common;
use super::line::Line;
use super::listing::{Listing, OnDamage, Step, passed_over};
use super::output::{Output, Reader};
use super::progress::{Progress, Whom};
use crate::Failure;
use crate::clock::now_ms;

/// Arguments of `larder kv export`.
#[derive(Debug, Args)]
#[command(
    after_help = "A line is {\"collection\", \"id\", \"value\" (base64), \"expires_at\" (milliseconds since 1970; \
                        absent: never), \"codec\", \"tags\"}. What was encrypted leaves in the clear. Where the \
                        store's order changes midway (Redis was restarted or resharded) it begins anew, and says so: \
                        lines come again then, which import bears."
)]
pub(crate) struct Export {
    #[command(flatten)]
    common: Common,

    /// Only this collection
    collection: Option<String>,

    #[command(flatten)]
    on_damage: OnDamage,
}

/// Entries that are held in memory at a time; their values together at most 8 MiB.
const PAGE: usize = 500;

impl Export {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { common, collection, on_damage } = self;
        tell("values leave the store decrypted: keep what is written here as safe as the key");
        let all = collection.as_deref().map_or(Scan::under(""), Scan::one).values().limit(PAGE);
        let whom = Whom::of(common.json);
        let done =
            common.with_existing(async |store| export(Listing::new(&store, all, on_damage), whom).await);
        let (exported, damaged) = done.await?;
        if common.json {
            eprint(&json!({ "exported": exported, "damaged": damaged }).to_string());
        } else {
            tell(&format!("exported {exported} entries"));
        }
        passed_over(damaged)
    }
}

/// How many entries were written, and how many damaged ones passed over.
async fn export(mut listing: Listing<'_>, whom: Whom) -> Result<(u64, u64), Failure> {
    let (mut output, progress) = (Output::new(), Progress::beside_stdout("exported", whom));
    let mut exported = 0;
    while let Some(step) = listing.next().await? {
        let Step::Items(items) = step else {
            exported = 0;
            progress.again();
            continue;
        };
        let now = now_ms();
        for item in items {
            let Some(entry) = item.entry else { continue };
            to_the_reader(output.json(&Line::of(item.collection.into(), item.id.into(), &entry, now))?)?;
            exported += 1;
            progress.add(1);
        }
    }
    to_the_reader(output.flush()?)?;
    Ok((exported, listing.damaged()))
}

/// A backup that is cut short must not look like a whole one.
fn to_the_reader(reader: Reader) -> Result<(), Failure> {
    match reader {
        Reader::Reads => Ok(()),
        Reader::Gone => Err(Failure::new("the reader of stdout went away: the export is cut short")),
    }
}

/// One sentence on stderr.
pub(crate) fn tell(sentence: &str) {
    eprint(&format!("larder: {sentence}"));
}

fn eprint(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}")); // a closed stderr hears nothing
}
