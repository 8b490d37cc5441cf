//! Pages of a map, and the cursors between them.

use std::ops::Bound;

use super::{Name, ReferenceStore};
use crate::{Collections, Cursor, Error, ErrorKind, Item, Page, Result, Scan};

impl ReferenceStore {
    /// One page of the entries behind `after`.
    pub(super) fn page(&self, scan: Scan<'_>, after: Option<Name>) -> Page {
        let now = self.0.clock.monotonic_ms();
        let start = match scan.collections {
            Collections::One(name) => (name.to_owned(), scan.prefix.to_owned()),
            Collections::Under(start) => (start.to_owned(), String::new()),
        };
        let from = after.map_or(Bound::Included(start), Bound::Excluded);
        let (mut items, mut bytes) = (Vec::new(), 0);
        let map = self.0.map();
        let mut entries =
            map.range((from, Bound::Unbounded)).take_while(|(name, _)| covers(scan, name)).peekable();
        while let Some((name, stored)) = entries.next() {
            let Some(entry) = stored.entry(now).filter(|_| name.1.starts_with(scan.prefix)) else { continue };
            bytes += entry.value.len();
            items.push(Item::new(&*name.0, &*name.1, scan.values.then_some(entry)));
            let full = items.len() == scan.limit || scan.values && bytes >= Scan::MAX_PAGE_BYTES;
            if full && entries.peek().is_some() {
                return Page::new(items, Some(cursor(scan, name)));
            }
        }
        Page::new(items, None)
    }
}

fn covers(scan: Scan<'_>, name: &Name) -> bool {
    match scan.collections {
        Collections::One(collection) => name.0 == collection && name.1.starts_with(scan.prefix),
        Collections::Under(start) => name.0.starts_with(start),
    }
}

/// A cursor names its scan before its position, each part ended by the one byte that UTF-8 never holds.
fn cursor(scan: Scan<'_>, (collection, id): &Name) -> Cursor {
    Cursor::from_bytes([&scope(scan)[..], collection.as_bytes(), &[0xff], id.as_bytes()].concat())
}

/// The name that a cursor of this scan stands at.
pub(super) fn position(scan: Scan<'_>, cursor: &Cursor) -> Result<Name> {
    let parts = cursor.as_bytes().strip_prefix(&scope(scan)[..]).and_then(|position| {
        let mut parts = position.split(|byte| *byte == 0xff).map(|part| std::str::from_utf8(part).ok());
        let name = (parts.next()??.to_owned(), parts.next()??.to_owned());
        parts.next().is_none().then_some(name)
    });
    parts.ok_or_else(|| Error::new(ErrorKind::Invalid, "the cursor is not of this scan").during("scan"))
}

fn scope(scan: Scan<'_>) -> Vec<u8> {
    let (mark, name) = match scan.collections {
        Collections::One(name) => (b'=', name),
        Collections::Under(start) => (b'^', start),
    };
    [&[mark], name.as_bytes(), &[0xff], scan.prefix.as_bytes(), &[0xff]].concat()
}
