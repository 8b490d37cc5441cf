//! How long entries stay, and what is left of them means.
//!
//! The store alone has a clock: an entry lives for its ttl and the longest stale time, and it is fresh while what is
//! left exceeds the stale time.

use std::time::Duration;

use rand::RngExt as _;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lifetimes {
    pub(crate) ttl: Option<Duration>,
    pub(crate) while_revalidate: Duration,
    pub(crate) if_error: Duration,
    pub(crate) negative: Duration,
    /// The largest part of a ttl that chance may take away, in millionths.
    jitter_ppm: u32,
}

/// How old a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// Good for so long.
    Fresh(Option<Duration>),
    /// Good while another is fetched.
    Stale,
    /// Good if no other can be had.
    Spare,
}

impl Lifetimes {
    pub(crate) fn jitter(&mut self, percent: u8) {
        self.jitter_ppm = u32::from(percent.min(100)) * 10_000;
    }

    /// How long an entry lives that is to be fresh for `ttl`.
    pub(crate) fn lifetime(&self, ttl: Option<Duration>) -> Option<Duration> {
        ttl.map(|ttl| self.jittered(ttl).saturating_add(self.stale()))
    }

    /// How long a negative entry lives; `None` is not at all.
    pub(crate) fn negative(&self) -> Option<Duration> {
        (!self.negative.is_zero()).then(|| self.jittered(self.negative))
    }

    /// The longest that an entry of this cache's own ttl lives; `None` for ever.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.ttl.map(|ttl| ttl.saturating_add(self.stale()))
    }

    /// The age of a value whose entry has `left` to live.
    pub(crate) fn age(&self, left: Option<Duration>) -> Age {
        let Some(left) = left else { return Age::Fresh(None) };
        let fresh = left.saturating_sub(self.stale());
        if !fresh.is_zero() {
            return Age::Fresh(Some(fresh));
        }
        let past = self.stale().saturating_sub(left);
        if past < self.while_revalidate { Age::Stale } else { Age::Spare }
    }

    fn stale(&self) -> Duration {
        self.while_revalidate.max(self.if_error)
    }

    fn jittered(&self, ttl: Duration) -> Duration {
        if self.jitter_ppm == 0 {
            return ttl;
        }
        let off = ttl / 1_000_000 * rand::rng().random_range(0..=self.jitter_ppm);
        ttl.saturating_sub(off).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_left_tells_how_old_a_value_is() {
        let lifetimes =
            Lifetimes { ttl: Some(s(60)), while_revalidate: s(10), if_error: s(100), ..Lifetimes::default() };
        assert_eq!(lifetimes.lifetime(lifetimes.ttl), Some(s(160)));
        for (left, age) in [
            (s(160), Age::Fresh(Some(s(60)))),
            (s(101), Age::Fresh(Some(s(1)))),
            (s(100), Age::Stale),
            (s(91), Age::Stale),
            (s(90), Age::Spare),
            (s(1), Age::Spare),
        ] {
            assert_eq!(lifetimes.age(Some(left)), age, "{left:?} left");
        }
        assert_eq!(lifetimes.age(None), Age::Fresh(None));
    }

    #[test]
    fn without_stale_times_a_value_is_fresh_to_its_end() {
        let lifetimes = Lifetimes { ttl: Some(s(60)), ..Lifetimes::default() };
        assert_eq!(lifetimes.lifetime(lifetimes.ttl), Some(s(60)));
        let last = Duration::from_millis(1);
        assert_eq!(lifetimes.age(Some(last)), Age::Fresh(Some(last)));
    }

    #[test]
    fn jitter_takes_up_to_its_part_off_the_ttl_and_nothing_off_the_stale_time() {
        let mut lifetimes = Lifetimes { ttl: Some(s(1_000)), if_error: s(500), ..Lifetimes::default() };
        lifetimes.jitter(20);
        let drawn: Vec<_> = (0..2_000).filter_map(|_| lifetimes.lifetime(lifetimes.ttl)).collect();
        let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
        assert!(*least >= s(1_300) && *most <= s(1_500), "{least:?} to {most:?}");
        assert!(*least < s(1_310) && *most > s(1_490), "it hardly varies: {least:?} to {most:?}");
        lifetimes.jitter(200);
        assert!(lifetimes.lifetime(Some(Duration::from_millis(1))).unwrap() > s(500), "never nothing");
        assert_eq!(lifetimes.lifetime(None), None);
    }
}
