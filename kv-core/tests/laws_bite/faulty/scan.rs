//! Listings that miss, repeat or match too much.

use kv_core::{Collections, Cursor, Error, ErrorKind, Item, Key, Meta, Page, Result, Scan, Store};

use super::{Faulty, Name, error};
use crate::fault::Fault;

impl<S: Store + Clone> Faulty<S> {
    pub(super) async fn scan_faultily(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let asked = scan;
        let scan = self.misread(scan);
        if let Some(cursor) = from {
            self.own_cursor(cursor)?;
            if self.fault == Fault::CursorNeedsItsEntry && self.last_is_gone().await? {
                return Ok(Page::new(Vec::new(), None));
            }
        }
        let mut page = match self.inner.scan(scan, from).await {
            Err(error)
                if self.fault == Fault::BadCursorStartsOver && from.is_some() && is_invalid(&error) =>
            {
                self.inner.scan(scan, None).await?
            }
            page => page?,
        };
        if self.fault == Fault::PageUnbounded {
            while let Some(next) = page.next.take() {
                let more = self.inner.scan(scan, Some(&next)).await?;
                page.items.extend(more.items);
                page.next = more.next;
            }
        }
        self.spoilt(asked, page)
    }

    /// The scan that this store takes it for.
    fn misread<'a>(&self, mut scan: Scan<'a>) -> Scan<'a> {
        let start = |name: &'a str| name.split('*').next().unwrap_or_default();
        match (self.fault, scan.collections) {
            (Fault::ListsNeighbours, Collections::One(name)) => scan.collections = Collections::Under(name),
            (Fault::UnderIsOne, Collections::Under(name)) => scan.collections = Collections::One(name),
            (Fault::CollectionIsGlob, Collections::One(name)) if name.contains('*') => {
                scan.collections = Collections::Under(start(name));
            }
            (Fault::PrefixIsGlob, _) => scan.prefix = start(scan.prefix),
            (Fault::CutsPrefix, _) if scan.prefix.is_ascii() => {
                scan.prefix = scan.prefix.get(..100).unwrap_or(scan.prefix);
            }
            (Fault::LimitPlusOne, _) if scan.limit < Scan::MAX_LIMIT => scan.limit += 1,
            (Fault::LimitClamped, _) => scan.limit = scan.limit.clamp(1, Scan::MAX_LIMIT),
            (Fault::ValuesAlways, _) => scan.values = true,
            _ => {}
        }
        scan
    }

    fn own_cursor(&self, cursor: &Cursor) -> Result<()> {
        let known = self.fault != Fault::CursorOfHandle || self.own.cursors.lock().unwrap().contains(cursor);
        if known { Ok(()) } else { Err(error(ErrorKind::Invalid).during("scan")) }
    }

    async fn last_is_gone(&self) -> Result<bool> {
        let last = self.state.listed.lock().unwrap().clone();
        match last {
            Some(name) => Ok(self.inner.get(name.key()).await?.is_none()),
            None => Ok(false),
        }
    }

    fn spoilt(&self, asked: Scan<'_>, mut page: Page) -> Result<Page> {
        if let Some(last) = page.items.last().cloned() {
            *self.state.listed.lock().unwrap() = Some(Key::new(&last.collection, &last.id).into());
            match self.fault {
                Fault::SkipsBetweenPages if page.next.is_some() => drop(page.items.pop()),
                Fault::Repeats => page.items.push(last),
                _ => {}
            }
        }
        if self.fault == Fault::EmptyScanFails && page.items.is_empty() {
            return Err(error(ErrorKind::Unexpected).during("scan"));
        }
        let lists_expired = match self.fault {
            Fault::ExpiredListed => !asked.values,
            Fault::ExpiredListedWithValues => asked.values,
            _ => false,
        };
        if lists_expired && page.next.is_none() {
            self.add_expired(asked, &mut page.items);
        }
        self.own.cursors.lock().unwrap().extend(page.next.clone());
        page.items.iter_mut().for_each(|item| self.spoil(item));
        Ok(page)
    }

    fn add_expired(&self, asked: Scan<'_>, items: &mut Vec<Item>) {
        for (Name(collection, id), entry) in &*self.state.shadow.lock().unwrap() {
            if !items.iter().any(|item| item.collection == *collection && item.id == *id) {
                items.push(Item::new(collection.as_str(), id.as_str(), asked.values.then(|| entry.clone())));
            }
        }
    }

    fn spoil(&self, item: &mut Item) {
        match self.fault {
            Fault::ListsLowerCase => item.id = item.id.to_lowercase().into(),
            Fault::ScanDropsMeta => {
                if let Some(entry) = &mut item.entry {
                    entry.meta = Meta::default();
                }
            }
            _ => {}
        }
    }
}

fn is_invalid(error: &Error) -> bool {
    error.kind() == ErrorKind::Invalid
}
