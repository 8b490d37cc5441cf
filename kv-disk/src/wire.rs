//! Bytes as the engines hold them: the key is the namespace's number, collection and id in order, the value the stored form.

use bytes::Bytes;
use kv_core::{Entry, NewEntry, Result, Version, header, ttl};

use crate::error;

/// What the fixed head of an entry says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) version: Version,
    /// The last millisecond in which the entry lives; `None` never expires.
    pub(crate) deadline: Option<u64>,
}

impl Head {
    pub(crate) fn is_live(&self, now: u64) -> bool {
        self.deadline.is_none_or(|deadline| !ttl::is_expired(deadline, now))
    }
}

/// The stored form of `entry`.
pub(crate) fn seal(key: &[u8], entry: &NewEntry, deadline: Option<u64>) -> Result<Vec<u8>> {
    header::encode(key, entry, deadline, None)
}

/// The head, unchecked; `None` for what is no stored entry.
pub(crate) fn head(stored: &[u8]) -> Option<Head> {
    Some(Head { version: header::peek_version(stored)?, deadline: header::peek_deadline(stored)? })
}

/// The head of an entry that is whole.
pub(crate) fn check(key: &[u8], stored: &[u8]) -> Result<Head> {
    let stored = decoded(key, Bytes::copy_from_slice(stored))?;
    Ok(Head { version: stored.entry.version, deadline: stored.deadline_ms })
}

/// The entry if it is alive; the clock is read only if it has a deadline.
pub(crate) fn open(key: &[u8], stored: Bytes, now: impl FnOnce() -> u64) -> Result<Option<Entry>> {
    let stored = decoded(key, stored)?;
    let now = stored.deadline_ms.map_or(0, |_| now());
    Ok(stored.at(now))
}

/// The entry that a take removed, judged when the take was: it does not expire on its way to the caller.
pub(crate) fn open_taken(key: &[u8], stored: Bytes, now: u64) -> Result<Option<Entry>> {
    let stored = decoded(key, stored)?;
    let now = stored.deadline_ms.map_or(now, |deadline| deadline.min(now));
    Ok(stored.at(now))
}

fn decoded(key: &[u8], stored: Bytes) -> Result<header::Stored> {
    header::decode(key, stored).map_err(|cause| error::damaged_entry().because(cause))
}
