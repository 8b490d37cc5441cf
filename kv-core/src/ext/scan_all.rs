//! A listing of all pages.

use std::vec;

use crate::{Cursor, Damaged, Item, Key, Page, Result, Scan, Store};

/// All items of a scan, fetched page by page as they are asked for.
#[derive(Debug)]
pub struct ScanAll<'a, S> {
    store: &'a S,
    scan: Scan<'a>,
    items: vec::IntoIter<Item>,
    damaged: Vec<Damaged>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Start,
    At(Cursor),
    End,
}

impl<'a, S: Store> ScanAll<'a, S> {
    pub(crate) fn new(store: &'a S, scan: Scan<'a>) -> Self {
        Self { store, scan, items: Vec::new().into_iter(), damaged: Vec::new(), next: Next::Start }
    }

    /// The next item; `None` at the end.
    ///
    /// # Errors
    /// As [`Store::scan`]. After an error the same page is asked for again; after `Conflict` start anew.
    pub async fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if let Some(item) = self.items.next() {
                return Ok(Some(item));
            }
            match self.page().await? {
                Some(items) => self.items = items.into_iter(),
                None => return Ok(None),
            }
        }
    }

    /// The items of the next page, perhaps none; `None` at the end.
    ///
    /// # Errors
    /// As [`ScanAll::next`].
    pub async fn page(&mut self) -> Result<Option<Vec<Item>>> {
        let from = match &self.next {
            Next::Start => None,
            Next::At(cursor) => Some(cursor),
            Next::End => return Ok(None),
        };
        let Page { items, damaged, next } = self.store.scan(self.scan, from).await?;
        self.damaged.extend(damaged);
        self.next = next.map_or(Next::End, Next::At);
        Ok(Some(items))
    }

    /// What was passed over since this was last asked, if the scan passes over damaged entries.
    pub fn damaged(&mut self) -> Vec<Damaged> {
        std::mem::take(&mut self.damaged)
    }
}

pub(super) async fn destroy<S: Store>(store: &S, collection: &str) -> Result<u64> {
    let mut pages = ScanAll::new(store, Scan::one(collection).skip_damaged());
    let mut removed = 0;
    while let Some(items) = pages.page().await? {
        let damaged = pages.damaged();
        let damaged = damaged.iter().filter_map(Damaged::key);
        let keys: Vec<_> = items.iter().map(|item| Key::new(collection, &item.id)).chain(damaged).collect();
        for answer in store.delete_many(&keys).await? {
            answer?;
            removed += 1;
        }
    }
    Ok(removed)
}
