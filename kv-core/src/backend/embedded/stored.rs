//! Entries as engines hold them: the stored form under a stored key.

use bytes::{Buf as _, Bytes};

use super::error;
use crate::{Entry, NewEntry, Result, Version, header, ttl};

/// What the fixed head of an entry says.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The identity of the write.
    pub version: Version,
    /// The last millisecond in which the entry lives; `None` never expires.
    pub deadline: Option<u64>,
}

impl Head {
    /// Whether the entry is alive at `now`.
    pub fn is_live(&self, now: u64) -> bool {
        self.deadline.is_none_or(|deadline| !ttl::is_expired(deadline, now))
    }
}

/// The stored form of `entry`.
///
/// # Errors
/// `TooLarge` for tags above 16 MiB.
pub fn seal(key: &[u8], entry: &NewEntry, deadline: Option<u64>) -> Result<Vec<u8>> {
    header::encode(key, entry, deadline, None)
}

/// The head, unchecked; `None` for what is no stored entry.
pub fn head(stored: &[u8]) -> Option<Head> {
    Some(Head { version: header::peek_version(stored)?, deadline: header::peek_deadline(stored)? })
}

/// The head of an entry that is whole.
///
/// # Errors
/// `Corrupt` for a damaged one.
pub fn check(key: &[u8], stored: &[u8]) -> Result<Head> {
    let checked = whole(key, stored)?;
    Ok(Head { version: checked.version, deadline: checked.deadline_ms })
}

/// The entry if it is alive at `now`; its value is what `keep` makes of the stored bytes from the place it is told on.
///
/// # Errors
/// `Corrupt` for a damaged one.
pub(super) fn listed(
    key: &[u8],
    stored: &[u8],
    now: u64,
    keep: impl FnOnce(usize) -> Bytes,
) -> Result<Option<Entry>> {
    Ok(living(whole(key, stored)?, |_| now, keep))
}

/// The entry if it is alive; the clock is read only if it has a deadline.
///
/// # Errors
/// `Corrupt` for a damaged one.
pub fn open(key: &[u8], stored: Bytes, now: impl FnOnce() -> u64) -> Result<Option<Entry>> {
    Ok(living(whole(key, &stored)?, |_| now(), |at| behind(stored, at)))
}

/// The entry that a take removed, judged when the take was: it does not expire on its way to the caller.
///
/// # Errors
/// `Corrupt` for a damaged one.
pub fn open_taken(key: &[u8], stored: Bytes, now: u64) -> Result<Option<Entry>> {
    Ok(living(whole(key, &stored)?, |deadline| now.min(deadline), |at| behind(stored, at)))
}

/// The entry if it is alive at the time that `now` makes of its deadline.
fn living(
    checked: header::Checked,
    now: impl FnOnce(u64) -> u64,
    keep: impl FnOnce(usize) -> Bytes,
) -> Option<Entry> {
    let header::Checked { version, deadline_ms, meta, value_at, .. } = checked;
    let ttl = match deadline_ms {
        Some(deadline) => Some(ttl::remaining(deadline, now(deadline))?),
        None => None,
    };
    Some(Entry::new(keep(value_at), version, ttl, meta))
}

fn behind(mut stored: Bytes, at: usize) -> Bytes {
    stored.advance(at);
    stored
}

fn whole(key: &[u8], stored: &[u8]) -> Result<header::Checked> {
    header::check(key, stored).map_err(|cause| error::damaged_entry().because(cause))
}
