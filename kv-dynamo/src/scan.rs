//! One page of a listing: a `Query` of one collection, or a `Scan` of the whole table.

use std::ops::Bound;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kv_core::backend::{ScanRange, decode, encode};
use kv_core::{
    Collections, Cursor, Damaged, Entry, Error, ErrorKind, Item as Listed, Key, Page, Result, Scan,
};

use crate::error::classify;
use crate::item::{self, Item, Life, NAMES_ONLY};
use crate::names::{Names, attributes};

/// Requests for one page at most, however few of the items they pass over are alive and asked for.
const REQUESTS: usize = 16;
/// .. and none is begun after so long: who waits for the page has less patience than for one request each.
const LONGEST: Duration = Duration::from_secs(1);

/// .. and each looks at so many times more items than the one before at most, if that found few that are asked for.
const GROWTH: usize = 4;

/// What of all items lives at `:now`, or cannot be judged: a comparison with what is no number never holds.
const ALIVE: &str = "attribute_not_exists(x) OR x >= :now OR NOT attribute_type(x, :n)";
const ALIVE_UNDER: &str = "begins_with(pk, :pk) AND begins_with(sk, :sk) \
                           AND (attribute_not_exists(x) OR x >= :now OR NOT attribute_type(x, :n))";

/// Where a listing reads, and for whom.
pub(crate) struct Reader<'a> {
    pub(crate) client: &'a Client,
    pub(crate) table: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) names: &'a Names,
    pub(crate) now_ms: u64,
}

/// What one request brought.
struct Batch {
    items: Vec<Item>,
    /// The key of the last item that was passed over; `None` at the end.
    next: Option<Item>,
}

impl Reader<'_> {
    /// The page of `scan` that begins behind `from`.
    pub(crate) async fn page(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let (pk, sk) = self.keys(&scan);
        let range = self.range(&scan, &pk, &sk)?;
        let mut start = match range.bounds(from)? {
            None => return Ok(Page::new(Vec::new(), None)),
            Some((Bound::Excluded(last), _)) => Some(position(&last)?),
            Some(_) => None,
        };
        let (mut draft, begun, mut looks) = (Draft::new(scan, self), Instant::now(), scan.limit);
        for _ in 0..REQUESTS {
            let before = draft.len();
            let batch = match scan.collections {
                Collections::One(_) => self.query(&scan, (&pk, &sk), start, looks).await,
                Collections::Under(_) => self.sweep(&scan, (&pk, &sk), start, looks).await,
            };
            let batch = match batch {
                // What was passed over is paid for: the next page goes on from here.
                Err(error) if error.is_retryable() && draft.last.is_some() => break,
                batch => batch?,
            };
            if let Some(last) = draft.take(batch.items)? {
                return Ok(draft.page(Some(range.cursor(&last))));
            }
            let Some(next) = batch.next else { return Ok(draft.page(None)) };
            draft.pass(&next);
            start = Some(next);
            if draft.is_full() || begun.elapsed() > LONGEST {
                break;
            }
            looks = next_looks(looks, draft.len() - before, scan.limit - draft.len());
        }
        let last = draft.last.take();
        Ok(draft.page(last.map(|last| range.cursor(&last))))
    }

    /// What the two halves of each key begin with, or are, that the scan covers.
    fn keys(&self, scan: &Scan<'_>) -> (String, String) {
        let pk = match scan.collections {
            Collections::One(name) => self.names.partition(name).0,
            Collections::Under(name) => self.names.partition_prefix(name),
        };
        (pk, Names::sort_prefix(scan.prefix))
    }

    /// The range of stored keys for the cursor. It names the scan as asked: what is cut in a key would look the same.
    /// A table is passed over in an order of its own, in which a position outside of the scan is a good one too.
    fn range<'a>(&self, scan: &Scan<'_>, pk: &'a str, sk: &'a str) -> Result<ScanRange<'a>> {
        let (kind, name) = match scan.collections {
            Collections::One(name) => ("1", name),
            Collections::Under(name) => ("*", name),
        };
        let within = match scan.collections {
            Collections::One(_) => Scan::one(pk).prefix(sk),
            Collections::Under(_) => Scan::under(""),
        };
        let asked = [self.namespace, kind, name, scan.prefix];
        ScanRange::behind(Vec::new(), &asked, &within.limit(scan.limit))
    }

    async fn query(
        &self,
        scan: &Scan<'_>,
        (pk, sk): (&str, &str),
        start: Option<Item>,
        looks: usize,
    ) -> Result<Batch> {
        let request = self
            .client
            .query()
            .table_name(self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression(ALIVE)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
            .expression_attribute_values(":now", AttributeValue::N(self.now_ms.to_string()))
            .expression_attribute_values(":n", AttributeValue::S("N".to_owned()))
            .set_projection_expression((!scan.values).then(|| NAMES_ONLY.to_owned()))
            .set_limit(i32::try_from(looks).ok())
            .set_exclusive_start_key(start);
        let answer = request.send().await.map_err(|e| classify(&e))?;
        Ok(Batch { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }

    async fn sweep(
        &self,
        scan: &Scan<'_>,
        (pk, sk): (&str, &str),
        start: Option<Item>,
        looks: usize,
    ) -> Result<Batch> {
        let request = self
            .client
            .scan()
            .table_name(self.table)
            .consistent_read(true)
            .filter_expression(ALIVE_UNDER)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
            .expression_attribute_values(":now", AttributeValue::N(self.now_ms.to_string()))
            .expression_attribute_values(":n", AttributeValue::S("N".to_owned()))
            .set_projection_expression((!scan.values).then(|| NAMES_ONLY.to_owned()))
            .set_limit(i32::try_from(looks).ok())
            .set_exclusive_start_key(start);
        let answer = request.send().await.map_err(|e| classify(&e))?;
        Ok(Batch { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }
}

/// At how many items the next request looks, behind one that looked at so many and found some of them, with so many missing
/// still: at those that hold what is missing if they are like the last ones. What is read beyond that is paid for twice.
fn next_looks(looks: usize, found: usize, missing: usize) -> usize {
    let most = looks.saturating_mul(GROWTH);
    let alike = missing.saturating_mul(looks).checked_div(found).unwrap_or(most);
    alike.clamp(missing.min(most), most)
}

/// The key that a cursor stands at.
fn position(last: &[u8]) -> Result<Item> {
    let Some(([pk], sk)) = decode::<1>(last) else {
        return Err(Error::new(ErrorKind::Invalid, "the cursor belongs to another scan"));
    };
    Ok(attributes(&pk, sk))
}

/// The key of `item`, as a cursor holds it.
fn cursor_at(item: &Item) -> Option<Vec<u8>> {
    item::position(item).map(|(pk, sk)| encode(&[pk], sk))
}

/// A page on its way.
struct Draft<'a> {
    scan: Scan<'a>,
    names: &'a Names,
    now_ms: u64,
    items: Vec<Listed>,
    damaged: Vec<Damaged>,
    bytes: usize,
    /// The key of the last item that was looked at or passed over.
    last: Option<Vec<u8>>,
}

impl<'a> Draft<'a> {
    fn new(scan: Scan<'a>, reader: &Reader<'a>) -> Self {
        let (items, damaged) = (Vec::new(), Vec::new());
        Self { scan, names: reader.names, now_ms: reader.now_ms, items, damaged, bytes: 0, last: None }
    }

    /// Adds what of `items` is asked for. Answers where the next page begins once this one is full.
    fn take(&mut self, items: Vec<Item>) -> Result<Option<Vec<u8>>> {
        for item in items {
            if self.is_full() {
                return Ok(self.last.take());
            }
            self.pass(&item);
            self.add(item)?;
        }
        Ok(None)
    }

    fn len(&self) -> usize {
        self.items.len() + self.damaged.len()
    }

    fn is_full(&self) -> bool {
        self.len() >= self.scan.limit || self.bytes >= Scan::MAX_PAGE_BYTES
    }

    fn pass(&mut self, item: &Item) {
        self.last = cursor_at(item).or_else(|| self.last.take());
    }

    /// Adds the item, unless only its key, which may be cut, looks as if it were asked for.
    fn add(&mut self, item: Item) -> Result<()> {
        let (collection, id) = match item::stored_key(&item).and_then(|key| self.names.names(key)) {
            Ok(Some(names)) => names,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.damaged.push(self.scan.pass_over(None, error)?);
                return Ok(());
            }
        };
        let covered = match self.scan.collections {
            Collections::One(name) => collection == name,
            Collections::Under(name) => collection.starts_with(name),
        };
        if !covered || !id.starts_with(self.scan.prefix) {
            return Ok(());
        }
        match self.found(item) {
            Ok(Found::Nothing) => {}
            Ok(Found::Name) => self.items.push(Listed::new(collection, id, None)),
            Ok(Found::Entry(entry)) => {
                self.bytes += entry.value.len();
                self.items.push(Listed::new(collection, id, Some(entry)));
            }
            Err(error) => self.damaged.push(self.scan.pass_over(Some(Key::new(&collection, &id)), error)?),
        }
        Ok(())
    }

    /// What of the item is asked for, if it lives.
    fn found(&self, item: Item) -> Result<Found> {
        if self.scan.values {
            return Ok(item::entry(item, self.now_ms)?.map_or(Found::Nothing, Found::Entry));
        }
        Ok(if item::life(&item, self.now_ms)? == Life::Over { Found::Nothing } else { Found::Name })
    }

    fn page(self, next: Option<Cursor>) -> Page {
        Page::new(self.items, next).passed_over(self.damaged)
    }
}

/// What is asked for of an item.
enum Found {
    Nothing,
    Name,
    Entry(Entry),
}

#[cfg(test)]
mod tests {
    use super::next_looks;

    #[test]
    fn the_next_request_looks_at_what_should_hold_the_rest_and_at_four_times_as_much_at_most() {
        assert_eq!(next_looks(100, 99, 1), 1, "of a hundred one had expired");
        assert_eq!(next_looks(100, 50, 50), 100);
        assert_eq!(next_looks(100, 10, 90), 400);
        assert_eq!(next_looks(100, 0, 100), 400);
        assert_eq!((next_looks(1, 0, 1), next_looks(4, 0, 1)), (4, 16));
        assert_eq!(next_looks(4_000, 4, 1), 1_000, "few are missing");
        assert_eq!(next_looks(usize::MAX, 0, 1_000), usize::MAX);
    }
}
