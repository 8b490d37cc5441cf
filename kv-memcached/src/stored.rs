//! Entries as items: the stored form with the full name in it, since the key is a hash.

use bytes::Bytes;
use kv_core::{Clock, Entry, Error, ErrorKind, Key, NewEntry, Result, header, ttl};

use crate::error;
use crate::lifetime::exptime;
use crate::name::Name;

/// What the server adds to key and data of an item, rounded up: its head, the number for `C`, a line end.
const BOOKKEEPING: usize = 128;
/// Of `max_value` subtracted for names and tags: what is longer takes from the value.
const ROOM_FOR_NAMES: usize = 3_500;

/// The largest value with a name of usual length, where an item may have `item_size` bytes.
pub(crate) fn max_value(item_size: usize) -> usize {
    item_size.saturating_sub(BOOKKEEPING + header::HEAD_BYTES + ROOM_FOR_NAMES)
}

/// An entry on its way to a server.
pub(crate) struct Item {
    pub(crate) data: Vec<u8>,
    pub(crate) exptime: u32,
}

/// The item for `entry`; `TooLarge` if the server would refuse it, since it drops the earlier one then.
pub(crate) fn seal(
    name: &Name,
    key: Key<'_>,
    entry: &NewEntry,
    clock: &Clock,
    item_size: usize,
) -> Result<Item> {
    if entry.value().len() > max_value(item_size) {
        return Err(error::too_large());
    }
    let ttl = entry.lifetime();
    let checked = ttl::checked_ttl(ttl)?;
    let now = clock.unix_ms();
    let deadline = checked.map(|ms| ttl::deadline(now, ms));
    let data = header::encode(name.stored.as_bytes(), entry, deadline, Some(key))?;
    if name.stored.len() + data.len() + BOOKKEEPING > item_size {
        return Err(error::too_large());
    }
    Ok(Item { data, exptime: exptime(ttl, now) })
}

/// The entry in an item, if it is alive.
pub(crate) fn open(name: &Name, key: Key<'_>, data: Bytes, clock: &Clock) -> Result<Option<Entry>> {
    let damaged = "the stored bytes are not what was written under this name; write the entry anew";
    let damaged = || Error::new(ErrorKind::Corrupt, damaged);
    let stored = header::decode(name.stored.as_bytes(), data).map_err(|cause| damaged().because(cause))?;
    match &stored.name {
        Some((collection, id)) if (collection.as_str(), id.as_str()) == (key.collection, key.id) => {
            Ok(stored.at(clock.unix_ms()))
        }
        _ => Err(damaged()),
    }
}
