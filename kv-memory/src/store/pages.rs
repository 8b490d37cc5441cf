//! Listing: the names come from the index in order, the entries from the map.

use std::ops::Bound;
use std::time::Instant;

use kv_core::backend::{ScanRange, decode};
use kv_core::{Cursor, Item, Page, Result, Scan};

use super::{Inner, pace};
use crate::name::Name;

/// What a name in the range turned out to be.
enum Found {
    Item(Item),
    /// No live entry.
    Nothing,
    /// The scan does not want it, nor anything before this.
    GoOn(Vec<u8>),
}

impl Inner {
    pub(super) async fn page(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let range = ScanRange::new(&[], &scan)?;
        let Some((mut begin, end)) = range.bounds(from)? else { return Ok(Page::new(Vec::new(), None)) };
        let mut items = Vec::new();
        let mut bytes = 0;
        loop {
            let started = Instant::now();
            let names = self.ledger.index.next(slice(&begin), slice(&end), pace::EVERY);
            let all = names.len() < pace::EVERY;
            let mut went_on = false;
            for name in names {
                match self.found(&range, &scan, &name) {
                    Found::Item(item) => {
                        bytes += item.entry.as_ref().map_or(0, |entry| entry.value.len());
                        items.push(item);
                    }
                    Found::Nothing => {}
                    Found::GoOn(seek) => {
                        begin = Bound::Included(seek);
                        went_on = true;
                        break;
                    }
                }
                if items.len() == scan.limit || bytes >= Scan::MAX_PAGE_BYTES {
                    return Ok(Page::new(items, Some(range.cursor(&name))));
                }
                begin = Bound::Excluded(name.to_vec());
            }
            self.slow.note(started);
            if all && !went_on {
                return Ok(Page::new(items, None));
            }
            pace::pause().await;
        }
    }

    fn found(&self, range: &ScanRange<'_>, scan: &Scan<'_>, name: &Name) -> Found {
        let Some(([collection], id)) = decode::<1>(name) else { return Found::Nothing };
        if !range.admits(id) {
            return Found::GoOn(range.seek(&collection, id));
        }
        let Some(entry) = self.map.get::<[u8]>(name).and_then(|slot| slot.into_entry(&self.clock)) else {
            return Found::Nothing;
        };
        Found::Item(Item::new(&*collection, id, scan.values.then_some(entry)))
    }
}

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}
