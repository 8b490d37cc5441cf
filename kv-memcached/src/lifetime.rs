//! When the server may drop an item, in its own counting. It only frees room: the deadline in the head decides.

use std::time::Duration;

/// A larger number is a date, in seconds since the epoch: `doc/protocol.txt`, "Expiration times".
const LONGEST_RELATIVE: u64 = 30 * 86_400;
/// The server counts in whole seconds, and its second may be nearly over.
const MARGIN: u64 = 1;
/// A date is on the server's clock and ours may be ahead of it or behind.
const SKEW: u64 = 86_400;
/// It keeps dates in 32 bits; zero never expires.
const NEVER: u32 = 0;

/// The `exptime` of an item with this ttl, put at `now_ms`: never too early, by up to a day too late.
pub(crate) fn exptime(ttl: Option<Duration>, now_ms: u64) -> u32 {
    let Some(ttl) = ttl else { return NEVER };
    let seconds = u64::try_from(ttl.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).saturating_add(MARGIN);
    if seconds <= LONGEST_RELATIVE {
        return u32::try_from(seconds).unwrap_or(NEVER);
    }
    let date = (now_ms / 1_000).saturating_add(seconds).saturating_add(SKEW);
    i32::try_from(date).ok().and_then(|date| u32::try_from(date).ok()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::exptime;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn seconds_are_rounded_up_and_one_is_added() {
        for (ms, seconds) in [(1, 2), (1_000, 2), (1_001, 3), (60_000, 61), (2_591_999_000, 2_592_000)] {
            assert_eq!(exptime(Some(Duration::from_millis(ms)), NOW), seconds, "{ms} ms");
        }
        assert_eq!(exptime(None, NOW), 0);
    }

    #[test]
    fn beyond_30_days_it_is_a_date_a_day_too_late() {
        let ttl = Duration::from_secs(2_592_000);
        assert_eq!(exptime(Some(ttl), NOW), 1_800_000_000 + 2_592_001 + 86_400);
    }

    #[test]
    fn beyond_2038_the_server_frees_nothing() {
        let century = Duration::from_secs(100 * 365 * 86_400);
        assert_eq!(exptime(Some(century), NOW), 0);
        let last = Duration::from_secs(2_147_483_647 - 1_800_000_000 - 1 - 86_400);
        assert_eq!(exptime(Some(last), NOW), 2_147_483_647);
        assert_eq!(exptime(Some(last + Duration::from_secs(1)), NOW), 0);
    }
}
