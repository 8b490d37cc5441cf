//! `larder kv stats`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use kv_core::{AnyStore, Entry, Item, Scan, StoreExt as _};
use serde_json::{Value, json};

use super::list::printable;
use super::output::{Output, Reader};
use super::progress::Progress;
use super::{Common, failed};
use crate::Failure;
use crate::clock::whole_ms;

/// Arguments of `larder kv stats`.
#[derive(Debug, Args)]
#[command(
    after_help = "It reads every entry, values included: on a large store over a network that takes long and costs \
                  what reading costs there. Sizes are those of the values as callers see them, decrypted and \
                  decompressed. The largest collections come first."
)]
pub(crate) struct Stats {
    #[command(flatten)]
    common: Common,

    /// Only this collection
    collection: Option<String>,

    /// At most so many collections by name; the others in one line
    #[arg(long, value_name = "N", default_value_t = 50)]
    top: usize,
}

const PAGE: usize = 500;

/// What some entries come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    entries: u64,
    /// Bytes of values.
    bytes: u64,
    /// Bytes of the largest value.
    largest: u64,
    /// How many have a lifetime.
    expiring: u64,
    /// What is left to the one that expires first.
    soonest: Option<Duration>,
}

impl Stats {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { common, collection, top } = self;
        let scan = collection.as_deref().map_or(Scan::under(""), Scan::one).values().limit(PAGE);
        let found = common.with_existing(async |store| count(&store, scan).await).await?;
        let mut output = Output::new();
        let shown =
            if common.json { as_json(&mut output, &found) } else { as_table(&mut output, &found, top) };
        if shown? == Reader::Gone {
            return Ok(());
        }
        output.flush().map(drop)
    }
}

async fn count(store: &AnyStore, scan: Scan<'_>) -> Result<BTreeMap<String, Tally>, Failure> {
    let progress = Progress::beside_stdout("counted");
    let (mut found, mut pages) = (BTreeMap::<String, Tally>::new(), store.scan_all(scan));
    while let Some(items) = pages.page().await.map_err(failed)? {
        progress.add(items.len() as u64);
        for Item { collection, entry, .. } in items {
            if let Some(entry) = entry {
                found.entry(collection).or_default().add(&entry);
            }
        }
    }
    Ok(found)
}

impl Tally {
    fn add(&mut self, entry: &Entry) {
        let bytes = entry.value.len() as u64;
        let one = Self {
            entries: 1,
            bytes,
            largest: bytes,
            expiring: u64::from(entry.ttl.is_some()),
            soonest: entry.ttl,
        };
        *self = self.and(&one);
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            bytes: self.bytes + other.bytes,
            largest: self.largest.max(other.largest),
            expiring: self.expiring + other.expiring,
            soonest: [self.soonest, other.soonest].into_iter().flatten().min(),
        }
    }

    fn all<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        tallies.into_iter().fold(Self::default(), |sum, tally| sum.and(tally))
    }

    fn line(&self, name: &str) -> String {
        let Self { entries, bytes, largest, expiring, soonest } = self;
        let soonest = soonest.map_or_else(|| "-".to_owned(), human);
        format!("{entries:>12} {bytes:>15} {largest:>12} {expiring:>12} {soonest:>16}  {name}\n")
    }

    fn to_json(self, collection: Option<&str>) -> Value {
        let Self { entries, bytes, largest, expiring, soonest } = self;
        let soonest = soonest.map(whole_ms);
        json!({ "collection": collection, "entries": entries, "bytes": bytes, "largest": largest,
            "expiring": expiring, "soonest_ms": soonest })
    }
}

/// One line for each collection, in the order of their names, and the sum, whose collection is null.
fn as_json(output: &mut Output, found: &BTreeMap<String, Tally>) -> Result<Reader, Failure> {
    for (name, tally) in found {
        if output.json(&tally.to_json(Some(name)))? == Reader::Gone {
            return Ok(Reader::Gone);
        }
    }
    output.json(&Tally::all(found.values()).to_json(None))
}

fn as_table(output: &mut Output, found: &BTreeMap<String, Tally>, top: usize) -> Result<Reader, Failure> {
    let mut largest_first: Vec<_> = found.iter().collect();
    largest_first.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.bytes, tally.entries)));
    let (named, others) = largest_first.split_at(top.min(largest_first.len()));
    let mut text = format!(
        "{:>12} {:>15} {:>12} {:>12} {:>16}  collection\n",
        "entries", "bytes", "largest", "expiring", "next expires in"
    );
    for (name, tally) in named {
        text += &tally.line(&printable(name));
    }
    if !others.is_empty() {
        let rest = Tally::all(others.iter().map(|(_, tally)| *tally));
        text += &rest.line(&format!("({} other collections)", others.len()));
    }
    text += &Tally::all(found.values()).line(&format!("(all {} collections)", found.len()));
    output.bytes(text.as_bytes())
}

/// To the second, or below a second to the millisecond.
fn human(left: Duration) -> String {
    let whole = if left >= Duration::from_secs(1) {
        Duration::from_secs(left.as_secs())
    } else {
        Duration::from_millis(whole_ms(left))
    };
    humantime::format_duration(whole).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{Key, NewEntry, PutMode, Scan, Store as _, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{Tally, count};

    #[tokio::test]
    async fn collections_are_counted_apart_and_together() {
        let store = MemoryStore::new().erased();
        for (collection, id, value, ttl) in
            [("a", "1", "xx", None), ("a", "2", "xxxx", Some(60)), ("b", "1", "", Some(10))]
        {
            let entry = NewEntry::new(value).ttl(ttl.map(Duration::from_secs));
            store.put(Key::new(collection, id), entry, PutMode::Create).await.unwrap();
        }
        let found = count(&store, Scan::under("").values()).await.unwrap();
        let a = found["a"];
        assert_eq!((a.entries, a.bytes, a.largest, a.expiring), (2, 6, 4, 1));
        let all = Tally::all(found.values());
        assert_eq!((all.entries, all.bytes, all.expiring), (3, 6, 2));
        assert!(
            all.soonest.unwrap() <= Duration::from_secs(10) && a.soonest.unwrap() > Duration::from_secs(50)
        );
    }
}
