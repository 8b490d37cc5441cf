//! The arithmetic of lifetimes, one for all backends that judge expiry themselves.
//!
//! A clock that counts whole milliseconds shows up to one millisecond too little. So a deadline is the last
//! millisecond in which the entry lives: nothing leaves early, and it leaves at most 2 ms late.

use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// The longest ttl: 100 years of 365.25 days, in milliseconds.
const MAX_MS: u64 = 36_525 * 86_400_000;

/// A ttl in whole milliseconds, rounded up; `None` never expires.
///
/// # Errors
/// `Invalid` for zero and for more than 100 years.
pub fn checked_ttl(ttl: Option<Duration>) -> Result<Option<u64>> {
    let Some(ttl) = ttl else { return Ok(None) };
    let ms = u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    if (1..=MAX_MS).contains(&ms) {
        return Ok(Some(ms));
    }
    Err(Error::new(ErrorKind::Invalid, "a ttl must be above zero and at most 100 years; none never expires"))
}

/// The last millisecond, on the clock that said `now_ms`, in which an entry with this ttl lives.
pub const fn deadline(now_ms: u64, ttl_ms: u64) -> u64 {
    now_ms.saturating_add(ttl_ms)
}

/// Whether an entry with this deadline is gone at `now_ms`.
pub const fn is_expired(deadline_ms: u64, now_ms: u64) -> bool {
    now_ms > deadline_ms
}

/// What is left to live: never zero, never more than was asked; `None` once expired.
///
/// At most 100 years whatever the deadline says, so that what was read can be written again.
pub const fn remaining(deadline_ms: u64, now_ms: u64) -> Option<Duration> {
    match deadline_ms.checked_sub(now_ms) {
        None => None,
        Some(0) => Some(Duration::from_millis(1)),
        Some(ms) if ms > MAX_MS => Some(Duration::from_millis(MAX_MS)),
        Some(ms) => Some(Duration::from_millis(ms)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MAX_MS, checked_ttl, deadline, is_expired, remaining};
    use crate::ErrorKind;

    #[test]
    fn a_ttl_is_rounded_up_to_milliseconds() {
        for (ttl, ms) in [
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(1), 1),
            (Duration::from_micros(1_001), 2),
            (Duration::from_secs(60), 60_000),
            (Duration::from_millis(MAX_MS), MAX_MS),
        ] {
            assert_eq!(checked_ttl(Some(ttl)).unwrap(), Some(ms));
        }
        assert_eq!(checked_ttl(None).unwrap(), None);
    }

    #[test]
    fn zero_and_more_than_a_century_are_invalid() {
        for ttl in [
            Duration::ZERO,
            Duration::from_millis(MAX_MS + 1),
            Duration::from_nanos(MAX_MS * 1_000_000 + 1),
            Duration::MAX,
        ] {
            assert_eq!(checked_ttl(Some(ttl)).unwrap_err().kind(), ErrorKind::Invalid, "{ttl:?}");
        }
    }

    #[test]
    fn nothing_leaves_early_on_a_clock_of_whole_milliseconds() {
        // Put at 1000.9 (the clock says 1000) with 1 ms to live: at 1001.8 (it says 1001) it must still be there.
        let deadline = deadline(1_000, 1);
        assert!(!is_expired(deadline, 1_001));
        assert!(is_expired(deadline, 1_002));
    }

    #[test]
    fn what_is_left_can_be_written_again_though_the_clock_was_set_back_or_the_deadline_forged() {
        for deadline in [deadline(1_000_000, MAX_MS), u64::MAX] {
            let left = remaining(deadline, 0);
            assert_eq!(checked_ttl(left).unwrap(), Some(MAX_MS));
        }
    }

    #[test]
    fn what_is_left_is_never_zero_and_never_more_than_was_asked() {
        let deadline = deadline(1_000, 5);
        let left: Vec<_> = (1_000..1_007).map(|now| remaining(deadline, now)).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(left, [ms(5), ms(4), ms(3), ms(2), ms(1), ms(1), None]);
        for now in 1_000..1_007 {
            assert_eq!(remaining(deadline, now).is_none(), is_expired(deadline, now));
        }
    }
}
