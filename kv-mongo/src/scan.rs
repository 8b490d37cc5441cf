//! One page of a listing.
//!
//! No index tells what lives, or which ids of several collections begin as wanted: names are passed over in stretches. Each
//! request looks at so many and no more, and a page that has taken its time ends where it has come to, however little it found.

use std::time::{Duration, Instant};

use kv_core::each::Pause;
use kv_core::{Cursor, Damaged, Item, Key, Page, Result, Scan};
use mongodb::bson::{Document, RawDocument, doc};

use crate::MAX_TIME;
use crate::error;
use crate::inner::Call;
use crate::names::Range;
use crate::wire::{self, DEADLINE, ID, NAME, literal};

/// What is decoded before others get a turn.
const TURN_BYTES: usize = 512 << 10;

/// How many names the first stretch of a page has at least.
const FIRST: usize = 500;
/// .. and any other at most.
const MOST: usize = 20_000;
/// A stretch that took longer is followed by one of the same length, any other by one that is [`GROWTH`] times as long.
const QUICK: Duration = Duration::from_millis(100);
const GROWTH: usize = 4;
/// No stretch is begun after so long: `larder::open` gives a page 2 s, and one that is cut off has got nowhere.
const LONGEST: Duration = Duration::from_secs(1);

/// A page in the making.
struct Draft<'a> {
    call: &'a Call,
    scan: Scan<'a>,
    range: &'a Range<'a>,
    items: Vec<Item>,
    damaged: Vec<Damaged>,
    bytes: usize,
    /// How many documents came.
    seen: usize,
    /// The stored name that was looked at, or passed over, last.
    last: String,
}

impl Call {
    pub(crate) async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        scan.check()?;
        let range = self.names.range(&scan);
        let position = range.position(from)?;
        let mut draft = Draft {
            call: self,
            scan,
            range: &range,
            items: Vec::new(),
            damaged: Vec::new(),
            bytes: 0,
            seen: 0,
            last: String::new(),
        };
        let is_more = draft.fill(position).await?;
        let next = is_more.then(|| range.cursor(&draft.last));
        Ok(Page::new(draft.items, next).passed_over(draft.damaged))
    }
}

impl Draft<'_> {
    /// Fills the page; whether there is more behind it.
    async fn fill(&mut self, position: Option<&str>) -> Result<bool> {
        let (mut position, mut length) = (position.map(str::to_owned), self.scan.limit.max(FIRST));
        let begun = Instant::now();
        loop {
            let started = Instant::now();
            let end = self.end_of_stretch(position.as_deref(), length).await?;
            if self.read(covered(self.range, position.as_deref(), end.as_deref())).await? {
                return Ok(true);
            }
            let Some(end) = end else { return Ok(false) };
            self.last.clone_from(&end);
            if self.is_full() || begun.elapsed() > LONGEST {
                return Ok(true);
            }
            (position, length) = (Some(end), next_length(length, started.elapsed()));
        }
    }

    fn is_full(&self) -> bool {
        self.seen >= self.scan.limit || self.bytes >= Scan::MAX_PAGE_BYTES
    }

    /// The last of the `length` names behind the position; `None` if there are fewer. It is found before the stretch is
    /// read, so that what others write meanwhile is neither missed nor listed twice.
    async fn end_of_stretch(&self, position: Option<&str>, length: usize) -> Result<Option<String>> {
        let before = u64::try_from(length).unwrap_or(u64::MAX).saturating_sub(1);
        let finding = self.call.collection().find_one(covered(self.range, position, None));
        let finding = finding.sort(doc! { ID: 1 }).skip(before).projection(doc! { ID: 1 }).max_time(MAX_TIME);
        let Some(found) = self.call.ask(finding.into_future()).await? else { return Ok(None) };
        Ok(Some(found.get_str(ID).map_err(|_| error::damaged())?.to_owned()))
    }

    /// Adds what is wanted of these names, until the page is full; whether there is more of it.
    async fn read(&mut self, mut names: Document) -> Result<bool> {
        let now = self.call.time().now();
        names.insert("$expr", doc! { "$and": [now.alive(), self.begins_so()] });
        let fields = if self.scan.values {
            wire::fields_at(now)
        } else {
            doc! { ID: 1, NAME: 1, DEADLINE: 1 }
        };
        // One more than asked tells whether there is another page.
        let limit = self.scan.limit.saturating_sub(self.seen);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let pipeline = [
            doc! { "$match": names },
            doc! { "$sort": { ID: 1 } },
            doc! { "$limit": limit },
            doc! { "$project": fields },
        ];
        let size = u32::try_from(limit + 1).unwrap_or(u32::MAX);
        let reading = self.call.collection().aggregate(pipeline).batch_size(size).max_time(MAX_TIME);
        let mut cursor = self.call.ask(reading.into_future()).await?;
        let mut pause = Pause::every(TURN_BYTES);
        while self.call.ask(cursor.advance()).await? {
            if self.is_full() {
                return Ok(true);
            }
            self.seen += 1;
            let document = cursor.current();
            let length = document.as_bytes().len();
            self.see(document)?;
            pause.after(length).await;
        }
        Ok(false)
    }

    /// Adds what the document holds, if the scan covers it.
    fn see(&mut self, document: &RawDocument) -> Result<()> {
        let stored = document.get_str(ID).map_err(|_| error::damaged())?;
        stored.clone_into(&mut self.last);
        let whole = wire::whole_of(document).map(|whole| whole.unwrap_or(stored));
        let Some((whole, (collection, id))) =
            whole.ok().and_then(|whole| Some((whole, self.call.names.split(whole)?)))
        else {
            self.damaged.push(self.scan.pass_over(None, error::damaged())?);
            return Ok(());
        };
        if !self.range.admits(whole, id) {
            return Ok(());
        }
        let found = if self.scan.values {
            wire::read(document).map(|found| found.entry)
        } else {
            wire::deadline_of(document).map(|_| None)
        };
        let entry = match found {
            Ok(entry) => entry,
            Err(e) => {
                self.damaged.push(self.scan.pass_over(Some(Key::new(&collection, id)), e)?);
                return Ok(());
            }
        };
        self.bytes += entry.as_ref().map_or(0, |entry| entry.value.len());
        if entry.is_some() == self.scan.values {
            self.items.push(Item::new(&*collection, id, entry));
        }
        Ok(())
    }

    /// Whether an id begins as the scan wants, where the range does not see to it: a collection has no slash in it,
    /// so the first one behind it is followed by the id. Hashed names are looked at when they have come.
    fn begins_so(&self) -> Document {
        if self.range.filter.is_empty() {
            return literal_true();
        }
        let id = format!("${ID}");
        let behind = i64::try_from(self.range.behind).unwrap_or(i64::MAX);
        let slash = doc! { "$indexOfBytes": [&id, "/", behind] };
        let wanted = doc! { "$indexOfBytes": [&id, literal(&format!("/{}", self.range.filter)), behind] };
        let is_hashed = doc! { "$ne": [{ "$type": format!("${NAME}") }, "missing"] };
        doc! { "$or": [is_hashed, { "$eq": [slash, wanted] }] }
    }
}

/// The stored names of the range behind the position, up to `end` if there is one.
fn covered(range: &Range<'_>, position: Option<&str>, end: Option<&str>) -> Document {
    let (from, at) = position.map_or(("$gte", &*range.start), |position| ("$gt", position));
    let (to, until) = end.map_or(("$lt", &*range.end), |end| ("$lte", end));
    doc! { ID: { from: at, to: until } }
}

/// How long the stretch is behind one of `length` names that took so long.
fn next_length(length: usize, took: Duration) -> usize {
    if took > QUICK { length } else { (length * GROWTH).min(MOST) }
}

fn literal_true() -> Document {
    doc! { "$literal": true }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FIRST, MOST, QUICK, next_length};

    #[test]
    fn stretches_grow_as_long_as_they_are_quick_and_never_beyond_the_most() {
        let slow = QUICK + Duration::from_millis(1);
        assert_eq!(next_length(FIRST, slow), FIRST);
        assert_eq!((next_length(FIRST, QUICK), next_length(2_000, QUICK)), (2_000, 8_000));
        assert_eq!((next_length(8_000, QUICK), next_length(MOST, QUICK)), (MOST, MOST));
    }
}
