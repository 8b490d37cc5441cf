//! A copy of an entry, as the near tier holds it: a head of four numbers, then the value.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kv_core::{Entry, Version};

use std::time::Duration;

/// Version 16, epoch 8, time left when the copy was made 8, time that the copy is kept 8, the times in milliseconds.
const HEAD: usize = 40;

/// What is left of an entry that never expires.
const NEVER: u64 = u64::MAX;

/// How long a copy is used, and what was left of its entry when it was made; in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) kept: u64,
    pub(super) left: Option<u64>,
}

impl Times {
    /// The times of a copy that may be used for `longest`, of an entry that had `ttl` to live at most `elapsed` ago.
    /// `None` where nothing is left. Both run from before the entry was read.
    pub(super) fn of(ttl: Option<Duration>, longest: Duration, elapsed: u64) -> Option<Self> {
        let left = ttl.map(|ttl| millis(ttl).saturating_sub(elapsed));
        let kept = millis(longest).saturating_sub(elapsed).min(left.unwrap_or(NEVER));
        (kept > 0).then_some(Self { kept, left })
    }
}

pub(super) fn encode(entry: &Entry, epoch: u64, times: Times) -> Bytes {
    let mut copy = BytesMut::with_capacity(HEAD + entry.value.len());
    copy.put_slice(entry.version.as_bytes());
    copy.put_u64(epoch);
    copy.put_u64(times.left.unwrap_or(NEVER));
    copy.put_u64(times.kept);
    copy.put_slice(&entry.value);
    copy.freeze()
}

/// The entry that `copy` holds, if it was made in `epoch`. Nothing is copied.
pub(super) fn decode(copy: Entry, epoch: u64) -> Option<Entry> {
    let Entry { mut value, ttl, meta, .. } = copy;
    if value.len() < HEAD {
        return None;
    }
    let mut version = [0; 16];
    value.copy_to_slice(&mut version);
    if value.get_u64() != epoch {
        return None;
    }
    let (left, kept) = (value.get_u64(), value.get_u64());
    let since = kept.saturating_sub(ttl.map_or(0, millis));
    let left = (left != NEVER).then(|| Duration::from_millis(left.saturating_sub(since).max(1)));
    Some(Entry::new(value, Version::from_bytes(version), left, meta))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER - 1)
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

    /// `copy` as the near tier hands it out, `left` before it would be dropped.
    fn held(copy: Bytes, left: u64) -> Entry {
        Entry::new(copy, Version::random(), Some(ms(left)), Meta::codec(1))
    }

    #[test]
    fn a_copy_tells_value_version_and_meta_as_they_were() {
        let entry = entry(None);
        let times = Times::of(None, ms(5_000), 0).unwrap();
        let copy = encode(&entry, 7, times);
        assert_eq!(decode(held(copy.clone(), 5_000), 7).unwrap(), entry);
        assert_eq!(decode(held(copy, 5_000), 8), None, "it is of another epoch");
    }

    #[test]
    fn the_time_left_runs_on_while_a_copy_is_held() {
        let times = Times::of(Some(ms(60_000)), ms(5_000), 100).unwrap();
        assert_eq!(times, Times { kept: 4_900, left: Some(59_900) });
        let copy = encode(&entry(Some(ms(60_000))), 0, times);
        assert_eq!(decode(held(copy.clone(), 4_900), 0).unwrap().ttl, Some(ms(59_900)));
        assert_eq!(decode(held(copy, 900), 0).unwrap().ttl, Some(ms(55_900)));
    }

    #[test]
    fn a_copy_is_kept_no_longer_than_its_entry_lives_and_not_at_all_if_it_took_too_long() {
        assert_eq!(Times::of(Some(ms(50)), ms(5_000), 20).unwrap().kept, 30);
        assert_eq!(Times::of(Some(ms(50)), ms(5_000), 50), None);
        assert_eq!(Times::of(None, ms(5_000), 5_000), None);
    }

    #[test]
    fn what_is_shorter_than_a_head_is_no_copy() {
        for short in [&b""[..], &[0; HEAD - 1]] {
            assert_eq!(decode(held(Bytes::copy_from_slice(short), 1), 0), None);
        }
    }
}
