//! Writing a page of entries into the target.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use kv_core::{AnyStore, Entry, Error, ErrorKind, Item, Key, NewEntry, PutMode, Store as _};

use crate::Failure;
use crate::kv::export::tell;
use crate::kv::failed_of;

/// So many entries are created at once: there is no batch of conditional writes.
const AT_ONCE: usize = 64;

/// What becomes of an entry that `DST` has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Present {
    Replaced,
    Kept,
}

/// What became of the entries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) copied: u64,
    /// They stand in `DST` already.
    pub(super) kept: u64,
    /// Their time was over before they were written.
    pub(super) expired: u64,
    /// `DST` cannot hold them.
    pub(super) refused: u64,
    /// They cannot be read.
    pub(super) damaged: u64,
}

/// Writes these items, which were read at this time; without a target it only counts them.
pub(super) async fn write(
    target: Option<&AnyStore>,
    present: Present,
    items: Vec<Item>,
    read: Instant,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let (mut names, mut entries) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for item in items {
        match item.entry.and_then(|entry| renewed(entry, read.elapsed())) {
            Some(entry) => {
                names.push((item.collection, item.id));
                entries.push(entry);
            }
            None => counts.expired += 1,
        }
    }
    let Some(target) = target.filter(|_| !entries.is_empty()) else {
        counts.copied += entries.len() as u64;
        return Ok(());
    };
    let keys = names.iter().map(|(collection, id)| Key::new(collection, id));
    for answer in put(target, present, keys.zip(entries).collect()).await? {
        match answer {
            Ok(()) => counts.copied += 1,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => counts.kept += 1,
            Err(error) if is_about_the_entry(error.kind()) => {
                tell(&format!("left out: {error}"));
                counts.refused += 1;
            }
            Err(error) => return Err(failed_of("DST", error)),
        }
    }
    Ok(())
}

async fn put(
    target: &AnyStore,
    present: Present,
    entries: Vec<(Key<'_>, NewEntry)>,
) -> Result<Vec<Result<(), Error>>, Failure> {
    if present == Present::Replaced {
        let written = target.put_many(entries).await.map_err(|error| failed_of("DST", error))?;
        return Ok(written.into_iter().map(|answer| answer.map(drop)).collect());
    }
    let creations = entries
        .into_iter()
        .map(|(key, entry)| async move { target.put(key, entry, PutMode::Create).await.map(drop) });
    Ok(stream::iter(creations).buffered(AT_ONCE).collect().await)
}

/// The entry to be written, if its time is not over.
fn renewed(entry: Entry, since: Duration) -> Option<NewEntry> {
    let left = match entry.ttl {
        Some(ttl) => Some(ttl.checked_sub(since).filter(|left| !left.is_zero())?),
        None => None,
    };
    Some(NewEntry::new(entry.value).ttl(left).meta(entry.meta))
}

/// Whether another entry may well be taken.
const fn is_about_the_entry(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TooLarge | ErrorKind::Invalid)
}
