//! One stored entry.

use std::sync::Arc;

use bytes::Bytes;
use kv_core::backend::with_encoded;
use kv_core::{Clock, Entry, Key, Meta, NewEntry, Result, Version, ttl};

use crate::name::Name;

/// An entry as the map holds it, by value: a box of its own would cost every read one more miss of the cache.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: Name,
    pub(crate) version: Version,
    deadline_ms: u64,
    value: Bytes,
    codec: u16,
    /// Few entries have any.
    tags: Option<Arc<Tags>>,
}

type Tags = Vec<(Box<str>, [u8; 16])>;

/// The deadline of what never expires.
const NEVER: u64 = u64::MAX;
/// Shorter values are copied.
const COPIED: usize = 16 << 10;

impl Slot {
    /// # Errors
    /// `Invalid` for a bad ttl.
    pub(crate) fn new(name: Name, entry: NewEntry, now_ms: u64) -> Result<Self> {
        let (value, version, lifetime, meta) = entry.into_parts();
        let deadline_ms = ttl::checked_ttl(lifetime)?.map_or(NEVER, |ms| ttl::deadline(now_ms, ms));
        let Meta { codec, tags, .. } = meta;
        let tags = (!tags.is_empty()).then(|| Arc::new(tags));
        Ok(Self { name, version, deadline_ms, value: alone(value), codec, tags })
    }

    /// The last millisecond of the monotonic clock in which it lives; `None` never expires.
    pub(crate) fn deadline(&self) -> Option<u64> {
        (self.deadline_ms != NEVER).then_some(self.deadline_ms)
    }

    /// Whether it is gone; the clock is read only if it has a deadline.
    pub(crate) fn has_expired(&self, clock: &Clock) -> bool {
        self.deadline_ms != NEVER && ttl::is_expired(self.deadline_ms, clock.monotonic_ms())
    }

    /// What it counts for under `max_bytes`.
    pub(crate) fn bytes(&self) -> u64 {
        let tags = self.tags.as_ref().map_or(0, |tags| tags.iter().map(|(tag, _)| tag.len() + 16).sum());
        (self.name.len() + self.value.len() + tags) as u64
    }

    /// The entry as callers see it; `None` once expired.
    pub(crate) fn into_entry(self, clock: &Clock) -> Option<Entry> {
        let left = match self.deadline() {
            Some(deadline) => Some(ttl::remaining(deadline, clock.monotonic_ms())?),
            None => None,
        };
        let mut meta = Meta::codec(self.codec);
        meta.tags = self.tags.map(Arc::unwrap_or_clone).unwrap_or_default();
        Some(Entry::new(self.value, self.version, left, meta))
    }
}

/// The value without what surrounds it: a slice of a larger buffer, as requests are read into, would keep all of that.
fn alone(value: Bytes) -> Bytes {
    if value.len() < COPIED { Bytes::copy_from_slice(&value) } else { value }
}

/// Calls `then` with the stored name of `key`.
pub(crate) fn with_name<T>(key: Key<'_>, then: impl FnOnce(&[u8]) -> T) -> T {
    with_encoded(&[], &[key.collection], key.id, then)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kv_core::{Clock, Key, NewEntry};

    use super::{COPIED, Slot, with_name};

    #[test]
    fn a_short_value_keeps_no_buffer_that_it_was_a_slice_of_and_a_long_one_is_not_copied() {
        let read = Bytes::from(vec![7; 2 * COPIED]);
        for (length, shared) in [(0, false), (50, false), (COPIED, true)] {
            let name = with_name(Key::new("c", "i"), |name| name.into());
            let slot = Slot::new(name, NewEntry::new(read.slice(..length)), 0).unwrap();
            let entry = slot.into_entry(&Clock::system()).unwrap();
            assert_eq!(entry.value, read.slice(..length));
            assert_eq!(entry.value.as_ptr() == read.as_ptr(), shared, "{length} bytes");
        }
    }
}
