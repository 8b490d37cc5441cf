//! One page of a listing.

use kv_core::each::Pause;
use kv_core::{Cursor, Damaged, Item, Key, Page, Result, Scan};
use mongodb::bson::{Document, RawDocument, doc};

use crate::MAX_TIME;
use crate::error;
use crate::inner::Inner;
use crate::names::Range;
use crate::wire::{self, DEADLINE, ID, NAME, literal};

/// What is decoded before others get a turn.
const TURN_BYTES: usize = 512 << 10;

/// A page in the making.
struct Draft<'a> {
    inner: &'a Inner,
    scan: Scan<'a>,
    range: &'a Range<'a>,
    items: Vec<Item>,
    damaged: Vec<Damaged>,
    bytes: usize,
    /// The stored name that was looked at last.
    last: String,
}

impl Inner {
    pub(crate) async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        scan.check()?;
        let range = self.names.range(&scan);
        let filter = covered(&range, range.position(from)?);
        let mut draft = Draft {
            inner: self,
            scan,
            range: &range,
            items: Vec::new(),
            damaged: Vec::new(),
            bytes: 0,
            last: String::new(),
        };
        let is_more = draft.fill(filter).await?;
        let next = is_more.then(|| range.cursor(&draft.last));
        Ok(Page::new(draft.items, next).passed_over(draft.damaged))
    }
}

impl Draft<'_> {
    /// Fills the page; whether there is more behind it.
    async fn fill(&mut self, mut filter: Document) -> Result<bool> {
        let now = self.inner.time().now();
        filter.insert("$expr", doc! { "$and": [now.alive(), self.begins_so()] });
        let fields = if self.scan.values {
            wire::fields_at(now)
        } else {
            doc! { ID: 1, NAME: 1, DEADLINE: 1 }
        };
        // One more than asked tells whether there is another page.
        let limit = i64::try_from(self.scan.limit).unwrap_or(i64::MAX).saturating_add(1);
        let pipeline = [
            doc! { "$match": filter },
            doc! { "$sort": { ID: 1 } },
            doc! { "$limit": limit },
            doc! { "$project": fields },
        ];
        let size = u32::try_from(limit + 1).unwrap_or(u32::MAX);
        let reading = self.inner.collection().aggregate(pipeline).batch_size(size).max_time(MAX_TIME);
        let mut cursor = self.inner.in_time(reading.into_future()).await?;
        let (mut seen, mut pause) = (0, Pause::every(TURN_BYTES));
        while self.inner.in_time(cursor.advance()).await? {
            if seen == self.scan.limit || self.bytes >= Scan::MAX_PAGE_BYTES {
                return Ok(true);
            }
            seen += 1;
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
            whole.ok().and_then(|whole| Some((whole, self.inner.names.split(whole)?)))
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

/// The stored names of the range, behind the position.
fn covered(range: &Range<'_>, position: Option<&str>) -> Document {
    let (from, at) = position.map_or(("$gte", &*range.start), |position| ("$gt", position));
    doc! { ID: { from: at, "$lt": &range.end } }
}

fn literal_true() -> Document {
    doc! { "$literal": true }
}
