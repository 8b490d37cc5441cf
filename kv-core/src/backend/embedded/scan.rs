//! One page of a listing.

use std::fmt;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::room::Room;
use super::{Namespace, error, stored};
use crate::backend::ScanRange;
use crate::{Collections, Cursor, Damaged, Item, Key, Page, Result, Scan};

/// A page looks at so many entries at most, however few of them are alive or asked for.
const MAX_SEEN: usize = 10_000;

/// A page that has so many items has as many as it may have, most of the time: it takes the memory for them at once.
const SHORT: usize = 64;

/// Both ends of a range of stored keys.
pub type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);
/// Who looks at entries, and says whether to go on.
pub type See<'a> = dyn FnMut(Shown<'_>) -> ControlFlow<()> + 'a;

/// An entry as an engine shows it, for a moment.
pub struct Shown<'a> {
    /// The stored key.
    pub key: &'a [u8],
    /// The stored bytes.
    pub stored: &'a [u8],
    keep: Option<&'a dyn Fn() -> Bytes>,
}

impl<'a> Shown<'a> {
    /// Of bytes that are copied where they are kept.
    pub const fn lent(key: &'a [u8], stored: &'a [u8]) -> Self {
        Self { key, stored, keep: None }
    }

    /// Of bytes that `keep` hands over without a copy.
    pub const fn shared(key: &'a [u8], stored: &'a [u8], keep: &'a dyn Fn() -> Bytes) -> Self {
        Self { key, stored, keep: Some(keep) }
    }

    /// The stored bytes for longer.
    pub fn keep(&self) -> Bytes {
        self.keep.map_or_else(|| Bytes::copy_from_slice(self.stored), |keep| keep())
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

/// A scan that owns its names, to be taken to another thread.
#[derive(Debug)]
pub(super) struct Request {
    collection: String,
    one: bool,
    prefix: String,
    values: bool,
    limit: usize,
    skip_damaged: bool,
}

impl Request {
    /// What `scan` asks for.
    pub(super) fn of(scan: Scan<'_>) -> Self {
        let (collection, one) = match scan.collections {
            Collections::One(name) => (name, true),
            Collections::Under(name) => (name, false),
        };
        let (collection, prefix) = (collection.to_owned(), scan.prefix.to_owned());
        Self {
            collection,
            one,
            prefix,
            values: scan.values,
            limit: scan.limit,
            skip_damaged: scan.skip_damaged,
        }
    }

    /// The page that begins behind `from`, judged at `now`. `visit` shows keys and stored bytes of a range in order until
    /// what it calls breaks off.
    ///
    /// # Errors
    /// Those of `visit`; `Invalid` for a bad limit and a cursor of another scan, `Corrupt` for a damaged entry
    /// that is not to be passed over.
    pub(super) fn page(
        &self,
        namespace: &Namespace,
        now: u64,
        from: Option<&Cursor>,
        mut visit: impl FnMut(Bounds<'_>, &mut See<'_>) -> Result<()>,
    ) -> Result<Page> {
        let scan = self.scan();
        let range = namespace.range(&scan)?;
        let Some((mut begin, end)) = range.bounds(from)? else { return Ok(Page::new(Vec::new(), None)) };
        let mut draft = Draft::new(scan, namespace, &range, now);
        loop {
            let bounds = (slice(&begin), slice(&end));
            visit(bounds, &mut |shown| draft.see(&shown))?;
            match draft.seek.take() {
                Some(key) if range.end().is_none_or(|end| key.as_slice() < end) => {
                    begin = Bound::Included(key);
                }
                _ => return draft.finish(),
            }
        }
    }

    fn scan(&self) -> Scan<'_> {
        let scan = if self.one { Scan::one(&self.collection) } else { Scan::under(&self.collection) };
        let scan = scan.prefix(&self.prefix).limit(self.limit);
        let scan = if self.skip_damaged { scan.skip_damaged() } else { scan };
        if self.values { scan.values() } else { scan }
    }
}

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// A page on its way.
struct Draft<'a> {
    scan: Scan<'a>,
    namespace: &'a Namespace,
    range: &'a ScanRange<'a>,
    now: u64,
    items: Vec<Item>,
    room: Room,
    damaged: Vec<Damaged>,
    bytes: usize,
    seen: usize,
    /// The last key that was looked at.
    last: Vec<u8>,
    /// Where to go on, past keys that the scan does not admit.
    seek: Option<Vec<u8>>,
    /// Whether there is a next page, or why there is none of this.
    more: Result<bool>,
}

impl<'a> Draft<'a> {
    fn new(scan: Scan<'a>, namespace: &'a Namespace, range: &'a ScanRange<'a>, now: u64) -> Self {
        Self {
            scan,
            namespace,
            range,
            now,
            items: Vec::new(),
            room: Room::default(),
            damaged: Vec::new(),
            bytes: 0,
            seen: 0,
            last: Vec::new(),
            seek: None,
            more: Ok(false),
        }
    }

    fn see(&mut self, shown: &Shown<'_>) -> ControlFlow<()> {
        let found = self.items.len() + self.damaged.len();
        if found >= self.scan.limit || self.bytes >= Scan::MAX_PAGE_BYTES || self.seen >= MAX_SEEN {
            self.more = Ok(true);
            return ControlFlow::Break(());
        }
        self.seen += 1;
        self.last.clear();
        self.last.extend_from_slice(shown.key);
        match self.item(shown) {
            Ok(Some(item)) => self.add(item),
            Ok(None) => {}
            Err(e) => self.more = Err(e),
        }
        if self.more.is_err() || self.seek.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn add(&mut self, item: Item) {
        if self.items.len() == SHORT {
            self.items.reserve_exact(self.scan.limit - SHORT); // it is not at its limit, or would not have seen this one
        }
        self.items.push(item);
    }

    /// The item, if its entry is alive and asked for. Checked whole even if only its name is wanted: a flipped bit
    /// may have hit the name.
    fn item(&mut self, shown: &Shown<'_>) -> Result<Option<Item>> {
        let key = shown.key;
        let Some((collection, id)) = self.namespace.names(key) else {
            self.damaged.push(self.scan.pass_over(None, error::damaged_entry())?);
            return Ok(None);
        };
        if !self.range.admits(id) {
            self.seek = Some(self.range.seek(&collection, id));
            return Ok(None);
        }
        let value = |at| if self.scan.values { self.room.value(shown, at) } else { Bytes::new() };
        let entry = match stored::listed(key, shown.stored, self.now, value) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(None),
            Err(e) => {
                self.damaged.push(self.scan.pass_over(Some(Key::new(&collection, id)), e)?);
                return Ok(None);
            }
        };
        self.bytes += entry.value.len();
        let (collection, id) = (self.room.collection(&collection), self.room.name(id));
        Ok(Some(Item::new(collection, id, self.scan.values.then_some(entry))))
    }

    fn finish(self) -> Result<Page> {
        let next = self.more?.then(|| self.range.cursor(&self.last));
        Ok(Page::new(self.items, next).passed_over(self.damaged))
    }
}
