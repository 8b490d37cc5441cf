//! A copy of an entry, as the near tier holds it: a head of four numbers, then the value.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kv_core::{Entry, Version};

use std::time::Duration;

/// Version 16, epoch 8, end of the entry 8, end of the copy 8, both in milliseconds of the near clock.
const HEAD: usize = 40;

/// The end of an entry that never expires.
const NEVER: u64 = u64::MAX;

/// The first milliseconds of the near clock in which an entry is gone, and in which its copy is used no more.
///
/// They stand in the copy as they are: however late it is put or found, none is answered past them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    entry_ms: u64,
    copy_ms: u64,
}

impl Ends {
    /// Of a copy that may be used for `longest`, of an entry that had `ttl` to live. Both times run from `since_ms`, before
    /// the entry was read.
    pub(super) fn of(ttl: Option<Duration>, longest: Duration, since_ms: u64) -> Self {
        let after = |time| since_ms.saturating_add(millis(time));
        let entry_ms = ttl.map_or(NEVER, after);
        Self { entry_ms, copy_ms: after(longest).min(entry_ms) }
    }

    /// How much longer the copy may be used; `None` if no more.
    pub(super) fn left(self, now_ms: u64) -> Option<Duration> {
        left(self.copy_ms, now_ms)
    }
}

pub(super) fn encode(entry: &Entry, epoch: u64, ends: Ends) -> Bytes {
    let mut copy = BytesMut::with_capacity(HEAD + entry.value.len());
    copy.put_slice(entry.version.as_bytes());
    copy.put_u64(epoch);
    copy.put_u64(ends.entry_ms);
    copy.put_u64(ends.copy_ms);
    copy.put_slice(&entry.value);
    copy.freeze()
}

/// The entry that `copy` holds, if it was made in `epoch` and is used still. Nothing is copied.
pub(super) fn decode(copy: Entry, epoch: u64, now_ms: u64) -> Option<Entry> {
    let Entry { mut value, meta, .. } = copy;
    if value.len() < HEAD {
        return None;
    }
    let mut version = [0; 16];
    value.copy_to_slice(&mut version);
    if value.get_u64() != epoch {
        return None;
    }
    let ends = Ends { entry_ms: value.get_u64(), copy_ms: value.get_u64() };
    ends.left(now_ms)?;
    let ttl = (ends.entry_ms != NEVER).then(|| left(ends.entry_ms, now_ms)).flatten();
    Some(Entry::new(value, Version::from_bytes(version), ttl, meta))
}

fn left(end_ms: u64, now_ms: u64) -> Option<Duration> {
    end_ms.checked_sub(now_ms).filter(|left| *left > 0).map(Duration::from_millis)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use kv_core::Meta;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn entry(ttl: Option<Duration>) -> Entry {
        Entry::new(Bytes::from_static(b"value"), Version::random(), ttl, Meta::codec(1))
    }

    /// `copy` as the near tier hands it out, which may hold it for longer than it is used.
    fn held(copy: Bytes) -> Entry {
        Entry::new(copy, Version::random(), Some(ms(100_000)), Meta::codec(1))
    }

    #[test]
    fn a_copy_tells_value_version_and_meta_as_they_were() {
        let entry = entry(None);
        let copy = encode(&entry, 7, Ends::of(None, ms(5_000), 1));
        assert_eq!(decode(held(copy.clone()), 7, 1).unwrap(), entry);
        assert_eq!(decode(held(copy), 8, 1), None, "it is of another epoch");
    }

    #[test]
    fn the_time_left_runs_on_while_a_copy_is_held() {
        let ends = Ends::of(Some(ms(60_000)), ms(5_000), 100);
        assert_eq!(ends, Ends { entry_ms: 60_100, copy_ms: 5_100 });
        let copy = encode(&entry(Some(ms(60_000))), 0, ends);
        assert_eq!(decode(held(copy.clone()), 0, 200).unwrap().ttl, Some(ms(59_900)));
        assert_eq!(decode(held(copy), 0, 4_100).unwrap().ttl, Some(ms(56_000)));
    }

    #[test]
    fn a_copy_is_used_no_longer_than_its_entry_lives_and_not_at_all_if_it_took_too_long() {
        let short = Ends::of(Some(ms(50)), ms(5_000), 100);
        assert_eq!(short.left(120), Some(ms(30)));
        assert_eq!(short.left(150), None);
        assert_eq!(Ends::of(None, ms(5_000), 100).left(5_100), None);
    }

    #[test]
    fn past_its_end_a_copy_is_none_however_long_it_is_held() {
        for ttl in [None, Some(ms(50))] {
            let ends = Ends::of(ttl, ms(50), 100);
            let copy = encode(&entry(ttl), 0, ends);
            assert!(decode(held(copy.clone()), 0, 149).is_some());
            assert_eq!(decode(held(copy), 0, 150), None);
        }
    }

    #[test]
    fn what_is_shorter_than_a_head_is_no_copy() {
        for short in [&b""[..], &[0; HEAD - 1]] {
            assert_eq!(decode(held(Bytes::copy_from_slice(short)), 0, 0), None);
        }
    }
}
