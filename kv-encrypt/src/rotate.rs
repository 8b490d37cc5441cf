//! Bringing a store to the active key while it is in use.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use kv_core::each::Pause;
use kv_core::{
    Cursor, Damaged, Entry, Error, ErrorKind, Item, Key, NewEntry, Page, PutMode, Result, Scan, Store,
};

use crate::seal::{Form, Opened, PACE};
use crate::{Encrypted, KeyId, note};

/// What [`Encrypted::rotate`] has done so far, in entries.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Rotation {
    /// Sealed anew.
    pub rotated: u64,
    /// Sealed by the active key in the chosen form, or rewritten so by somebody else meanwhile.
    pub already: u64,
    /// Attempts that met a concurrent write and were made again.
    pub conflicts: u64,
    /// Gone before their turn: expired or removed.
    pub gone: u64,
    /// Left as they are, since no key opens them or they are damaged.
    pub unreadable: u64,
    /// Left as they are, since others kept rewriting them by an older key.
    pub contended: u64,
    /// Left as they are, since the store does not take them as they would be sealed: they are too large then.
    pub refused: u64,
    /// Why some were left as they are, each by its name: the first hundred.
    pub left: Vec<Error>,
}

/// So many of those that were left are named.
const NAMED: usize = 100;

impl Rotation {
    /// Whether every entry that was listed is now sealed by the active key.
    pub fn is_complete(&self) -> bool {
        self.unreadable == 0 && self.contended == 0 && self.refused == 0
    }
}

/// Which keys the entries of a store need, from [`Encrypted::keys_in_use`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeysInUse {
    /// Entries by the key that opens them; keys of the ring that open none are missing.
    pub entries: BTreeMap<KeyId, u64>,
    /// Fernet tokens among them that are not bound to their name. Counted in migration mode only.
    pub unbound: u64,
    /// Entries that are not sealed. Counted in migration mode only.
    pub plain: u64,
    /// Entries that do not open.
    pub unreadable: u64,
    /// [Notes](kv_core::note), which are no entries, by the key that they name: without it `larder::open` opens no store.
    pub notes: BTreeMap<KeyId, u64>,
}

impl<S: Store> Encrypted<S> {
    /// Seals anew, by the active key and in the chosen form, every entry that is sealed otherwise.
    ///
    /// It covers all that the inner store lists, whatever its collection. A [note](kv_core::note) on its way that names
    /// another key of the ring names the active one afterwards; it is no entry, and in no count. Readers and writers go on meanwhile: an
    /// entry is replaced only if nobody wrote it since it was read, else it is read again. Lifetime and meta stay:
    /// an entry with a ttl is read once more right before it is replaced, since a page tells its ttl as of before it
    /// arrived. The version changes, so whoever holds an older one gets `Conflict` as from any write. `progress` is called
    /// after each page with the counts so far; on stores that list unordered an entry may be counted twice. Dropped
    /// or failed midway it leaves a store whose entries all open; call it again.
    ///
    /// # Errors
    /// What `scan`, `get` and `put` of the inner store answer: `Unsupported` where it cannot list.
    pub async fn rotate(&self, mut progress: impl FnMut(&Rotation) + Send) -> Result<Rotation> {
        let mut counts = Rotation::default();
        let mut pages = Pages::default();
        while let Some(Page { items, damaged, .. }) = pages.next(&self.inner).await? {
            counts.unreadable += damaged.len() as u64;
            for damaged in &damaged {
                counts.name(named(damaged));
            }
            self.rotate_page(items, &mut counts).await?;
            progress(&counts);
        }
        Ok(counts)
    }

    /// Counts the entries by the key that opens each: a key that opens none can leave the ring.
    ///
    /// # Errors
    /// What `scan` of the inner store answers: `Unsupported` where it cannot list.
    pub async fn keys_in_use(&self) -> Result<KeysInUse> {
        let mut found = KeysInUse::default();
        let mut pages = Pages::default();
        while let Some(Page { items, damaged, .. }) = pages.next(&self.inner).await? {
            found.unreadable += damaged.len() as u64;
            let mut pause = Pause::every(PACE);
            for (item, entry) in with_entries(items) {
                if let Some(named) = note::named(&item, &entry) {
                    found.note(self.keys().ids().find(|id| id.to_string() == named));
                    continue;
                }
                found.count(self, self.opened(&item, &entry).await.ok().as_ref());
                pause.after(entry.value.len()).await;
            }
        }
        Ok(found)
    }

    async fn rotate_page(&self, items: Vec<Item>, counts: &mut Rotation) -> Result<()> {
        let mut waiting = with_entries(items);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < AT_ONCE
                && let Some((item, entry)) = waiting.next()
            {
                running.push(self.rotate_entry(item, entry));
            }
            match running.next().await {
                Some(done) => counts.add(done?),
                None => return Ok(()),
            }
        }
    }

    async fn rotate_entry(&self, item: Item, mut entry: Entry) -> Result<Rotation> {
        let mut counts = Rotation::default();
        if note::named(&item, &entry).is_some() {
            if !self.rotate_note(key(&item), entry).await? {
                counts.contend(&item);
            }
            return Ok(counts);
        }
        let mut read = None; // a page may tell a ttl as of long before it arrives
        for _ in 0..ATTEMPTS {
            if self.settled(&item, &entry, read, &mut counts).await? {
                return Ok(counts);
            }
            let Some(now) = self.inner.get(key(&item)).await? else {
                counts.gone += 1;
                return Ok(counts);
            };
            (entry, read) = (now, Some(Instant::now())); // not before it was read: no entry may leave early
        }
        counts.contend(&item);
        Ok(counts)
    }

    /// Counts what becomes of the entry; `false` if it must be read, or read again, before it can be replaced.
    async fn settled(
        &self,
        item: &Item,
        entry: &Entry,
        read: Option<Instant>,
        counts: &mut Rotation,
    ) -> Result<bool> {
        let opened = match self.opened(item, entry).await {
            Ok(opened) => opened,
            Err(error) => {
                counts.unreadable += 1;
                counts.name(error.at(key(item)));
                return Ok(true);
            }
        };
        if self.sealer.is_current(opened.form) {
            counts.already += 1;
            return Ok(true);
        }
        if entry.ttl.is_some() && read.is_none() {
            return Ok(false);
        }
        match self.replace(item, entry, &opened, read).await {
            Ok(true) => counts.rotated += 1,
            Ok(false) => counts.gone += 1,
            Err(error) if error.kind() == ErrorKind::TooLarge => {
                counts.refused += 1;
                counts.name(error.at(key(item)));
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                counts.conflicts += 1;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Seals the entry anew, if it is still the one that was read: else `Conflict`. `false` once its ttl has run out.
    async fn replace(
        &self,
        item: &Item,
        entry: &Entry,
        opened: &Opened,
        read: Option<Instant>,
    ) -> Result<bool> {
        let sealed = self.sealer.seal_in_time(key(item), &entry.meta, &opened.value).await?;
        let Some(ttl) = left(entry.ttl, read) else { return Ok(false) };
        let renewed = NewEntry::new(sealed).ttl(ttl).meta(entry.meta.clone());
        self.inner.put(key(item), renewed, PutMode::Update(entry.version)).await?;
        Ok(true)
    }

    async fn opened(&self, item: &Item, entry: &Entry) -> Result<Opened> {
        self.sealer.open_in_time(key(item), &entry.meta, &entry.value).await
    }
}

impl Rotation {
    fn add(&mut self, other: Self) {
        let Self { rotated, already, conflicts, gone, unreadable, contended, refused, left } = other;
        self.rotated += rotated;
        self.already += already;
        self.conflicts += conflicts;
        self.gone += gone;
        self.unreadable += unreadable;
        self.contended += contended;
        self.refused += refused;
        for error in left {
            self.name(error);
        }
    }

    fn contend(&mut self, item: &Item) {
        self.contended += 1;
        self.name(Error::new(ErrorKind::Conflict, "others kept rewriting it").at(key(item)));
    }

    fn name(&mut self, error: Error) {
        if self.left.len() < NAMED {
            self.left.push(error);
        }
    }
}

fn named(damaged: &Damaged) -> Error {
    let error = damaged.error.clone();
    match damaged.key() {
        Some(key) => error.at(key),
        None => error,
    }
}

impl KeysInUse {
    fn note(&mut self, key: Option<KeyId>) {
        if let Some(id) = key {
            *self.notes.entry(id).or_default() += 1;
        }
    }

    fn count<S>(&mut self, store: &Encrypted<S>, opened: Option<&Opened>) {
        let Some(Opened { form, .. }) = opened else {
            self.unreadable += 1;
            return;
        };
        match store.sealer.key_of(*form) {
            Some(id) => *self.entries.entry(id).or_default() += 1,
            None => self.plain += 1,
        }
        if matches!(form, Form::Unbound(_)) {
            self.unbound += 1;
        }
    }
}

/// Entries sealed anew at the same time: enough that a disk groups their flushes.
const AT_ONCE: usize = 32;

/// Writers by the active key end the contest at once; only those by an older one go on.
pub(crate) const ATTEMPTS: usize = 64;

/// The pages of everything in a store, from the start again where the ground of the scan moved.
#[derive(Default)]
struct Pages {
    cursor: Option<Cursor>,
    complete: bool,
    restarts: usize,
}

impl Pages {
    const RESTARTS: usize = 8;

    async fn next(&mut self, store: &impl Store) -> Result<Option<Page>> {
        while !self.complete {
            match store.scan(Scan::under("").values().skip_damaged(), self.cursor.as_ref()).await {
                Ok(page) => {
                    self.complete = page.next.is_none();
                    self.cursor.clone_from(&page.next);
                    return Ok(Some(page));
                }
                Err(error) if error.kind() == ErrorKind::Conflict && self.restarts < Self::RESTARTS => {
                    self.restarts += 1;
                    self.cursor = None;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn with_entries(items: Vec<Item>) -> impl Iterator<Item = (Item, Entry)> + Send {
    items.into_iter().filter_map(|mut item| item.entry.take().map(|entry| (item, entry)))
}

fn key(item: &Item) -> Key<'_> {
    Key::new(&item.collection, &item.id)
}

/// What is left of a ttl that was read at `read`: `None` once it has run out, `Some(None)` never expires.
#[expect(clippy::option_option, reason = "the outer one is about the entry, the inner one is its ttl")]
fn left(ttl: Option<Duration>, read: Option<Instant>) -> Option<Option<Duration>> {
    let Some(ttl) = ttl else { return Some(None) };
    let passed = read.map_or(Duration::ZERO, |read| read.elapsed());
    ttl.checked_sub(passed).filter(|left| !left.is_zero()).map(Some)
}
