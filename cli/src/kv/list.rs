//! `larder kv list`.

use clap::Args;
use kv_core::{Item, Scan};
use serde_json::json;

use super::Common;
use super::listing::{Listing, OnDamage, Step};
use super::output::{Output, Reader};
use crate::Failure;

/// Arguments of `larder kv list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Of one collection a line is an id; of all it is collection, tab, id. Control characters are \
                        escaped; --json shows names as they are. Where the store's order changes midway (Redis was restarted or \
                        resharded) it begins anew, and says so: lines come again then."
)]
pub(crate) struct List {
    #[command(flatten)]
    common: Common,

    /// Only this collection
    collection: Option<String>,

    /// Only ids that begin with this
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    prefix: String,

    #[command(flatten)]
    on_damage: OnDamage,
}

impl List {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { common, collection, prefix, on_damage } = self;
        let names = Names { json: common.json, with_collection: collection.is_none() };
        let all = collection.as_deref().map_or(Scan::under(""), Scan::one).prefix(&prefix);
        common.with_existing(async |store| names.print(Listing::new(&store, all, on_damage)).await).await
    }
}

/// How an entry's name is shown.
#[derive(Clone, Copy, Debug)]
struct Names {
    json: bool,
    with_collection: bool,
}

impl Names {
    async fn print(self, mut listing: Listing<'_>) -> Result<(), Failure> {
        let mut output = Output::new();
        while let Some(step) = listing.next().await? {
            let Step::Items(items) = step else { continue };
            for item in items {
                if self.line(&mut output, &item)? == Reader::Gone {
                    return Ok(());
                }
            }
        }
        output.flush()?;
        listing.end()
    }

    fn line(self, output: &mut Output, item: &Item) -> Result<Reader, Failure> {
        if self.json {
            return output.json(&json!({ "collection": item.collection, "id": item.id }));
        }
        let line = if self.with_collection {
            format!("{}\t{}\n", printable(&item.collection), printable(&item.id))
        } else {
            format!("{}\n", printable(&item.id))
        };
        output.bytes(line.as_bytes())
    }
}

/// One line, whatever the name holds; terminals obey control characters.
pub(super) fn printable(name: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    name.chars().map(escaped).collect()
}
