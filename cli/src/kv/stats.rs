//! `larder kv stats`.

mod tallies;

use std::time::Duration;

use clap::Args;
use kv_core::{AnyStore, Entry, Item, Scan, Store as _};
use serde_json::{Value, json};

use self::tallies::Tallies;
use super::Common;
use super::list::printable;
use super::listing::{Listing, OnDamage, Step, passed_over};
use super::output::{Output, Reader};
use super::progress::{Progress, Whom};
use crate::Failure;
use crate::clock::whole_ms;

/// Arguments of `larder kv stats`.
#[derive(Debug, Args)]
#[command(
    after_help = "It reads every entry, values included: on a large store over a network that takes long and costs \
                  what reading costs there. Sizes are those of the values as callers see them, decrypted and \
                  decompressed. The largest collections come first. Of more than 10,000 collections the largest are \
                  counted apart, all others together; on Redis, which lists in no order, those that were met first."
)]
pub(crate) struct Stats {
    #[command(flatten)]
    common: Common,

    /// Only this collection
    collection: Option<String>,

    /// At most so many collections by name in the table; the others in one line
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=5_000))]
    top: u32,

    #[command(flatten)]
    on_damage: OnDamage,
}

const PAGE: usize = 500;
/// Collections that are counted apart at a time: what is held in memory does not grow with the store.
const MOST_NAMED: usize = 10_000;

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
        let Self { common, collection, top, on_damage } = self;
        let scan = collection.as_deref().map_or(Scan::under(""), Scan::one).values().limit(PAGE);
        let counted = common.with_existing(async |store| {
            count(
                Listing::new(&store, scan, on_damage),
                Tallies::new(is_ordered(&store), MOST_NAMED),
                Whom::of(common.json),
            )
            .await
        });
        let (found, damaged) = counted.await?;
        let mut output = Output::new();
        let top = usize::try_from(top).unwrap_or(MOST_NAMED);
        let shown =
            if common.json { as_json(&mut output, &found) } else { as_table(&mut output, &found, top) };
        if shown? == Reader::Reads {
            output.flush()?;
        }
        passed_over(damaged)
    }
}

/// Whether each collection is listed as a whole before the next one.
fn is_ordered(store: &AnyStore) -> bool {
    store.capabilities().scan == kv_core::Listing::Ordered
}

/// The tallies, and how many damaged entries were passed over.
async fn count(mut listing: Listing<'_>, mut found: Tallies, whom: Whom) -> Result<(Tallies, u64), Failure> {
    let progress = Progress::beside_stdout("counted", whom);
    while let Some(step) = listing.next().await? {
        let Step::Items(items) = step else {
            found.clear();
            progress.again();
            continue;
        };
        progress.add(items.len() as u64);
        for Item { collection, entry, .. } in items {
            if let Some(entry) = entry {
                found.add(collection.into(), &entry);
            }
        }
    }
    Ok((found, listing.damaged()))
}

impl Tally {
    fn of(entry: &Entry) -> Self {
        let bytes = entry.value.len() as u64;
        Self {
            entries: 1,
            bytes,
            largest: bytes,
            expiring: u64::from(entry.ttl.is_some()),
            soonest: entry.ttl,
        }
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

    /// What makes a collection large.
    fn size(&self) -> (u64, u64) {
        (self.bytes, self.entries)
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

/// One line for each collection that was counted apart, in the order of their names; one for the others, if there are
/// some; and the sum, whose collection is null.
fn as_json(output: &mut Output, found: &Tallies) -> Result<Reader, Failure> {
    for (name, tally) in found.named() {
        if output.json(&tally.to_json(Some(name)))? == Reader::Gone {
            return Ok(Reader::Gone);
        }
    }
    if let Some(others) = found.others() {
        let mut line = others.to_json(None);
        if let Some(line) = line.as_object_mut() {
            line.remove("collection");
            line.insert("other_collections".into(), json!(found.folded()));
        }
        output.json(&line)?;
    }
    output.json(&found.all().to_json(None))
}

fn as_table(output: &mut Output, found: &Tallies, top: usize) -> Result<Reader, Failure> {
    let mut largest_first: Vec<_> = found.named().collect();
    largest_first.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.size()));
    let (named, others) = largest_first.split_at(top.min(largest_first.len()));
    let mut text = format!(
        "{:>12} {:>15} {:>12} {:>12} {:>16}  collection\n",
        "entries", "bytes", "largest", "expiring", "next expires in"
    );
    for (name, tally) in named {
        text += &tally.line(&printable(name));
    }
    let rest = others.iter().map(|(_, tally)| *tally).chain(found.others());
    let rest = rest.fold(Tally::default(), |sum, tally| sum.and(tally));
    let number = found.folded().map(|folded| folded + others.len() as u64);
    if rest.entries > 0 {
        let number = number.map_or("all".to_owned(), |number| number.to_string());
        text += &rest.line(&format!("({number} other collections)"));
    }
    let all = number.map(|number| number + named.len() as u64);
    let all = all.map_or_else(|| format!("more than {MOST_NAMED}"), |all| all.to_string());
    text += &found.all().line(&format!("(all {all} collections)"));
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

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{AnyStore, ErrorKind, Key, NewEntry, PutMode, Scan, Store as _, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{Listing, OnDamage, Tallies, Whom, count};

    async fn counted(store: &AnyStore) -> Tallies {
        let listing = Listing::new(store, Scan::under("").values().limit(2), OnDamage::default());
        count(listing, Tallies::new(true, 100), Whom::Programs).await.unwrap().0
    }

    async fn store() -> MemoryStore {
        let store = MemoryStore::new();
        for (collection, id, value, ttl) in
            [("a", "1", "xx", None), ("a", "2", "xxxx", Some(60)), ("b", "1", "", Some(10))]
        {
            let entry = NewEntry::new(value).ttl(ttl.map(Duration::from_secs));
            store.put(Key::new(collection, id), entry, PutMode::Create).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn collections_are_counted_apart_and_together() {
        let found = counted(&store().await.erased()).await;
        let (name, a) = found.named().next().unwrap();
        assert_eq!((name, a.entries, a.bytes, a.largest, a.expiring), ("a", 2, 6, 4, 1));
        let all = found.all();
        assert_eq!((all.entries, all.bytes, all.expiring), (3, 6, 2));
        assert!(
            all.soonest.unwrap() <= Duration::from_secs(10) && a.soonest.unwrap() > Duration::from_secs(50)
        );
    }

    #[tokio::test]
    async fn a_count_that_begins_anew_counts_nothing_twice() {
        let faults = Faults::none();
        let store = Faulty::new(store().await, &faults).erased();
        faults.next("scan", Fault::delayed(Duration::ZERO)).next("scan", Fault::refused(ErrorKind::Conflict));
        assert_eq!(counted(&store).await.all().entries, 3);
        assert!(faults.all_met());
    }
}
