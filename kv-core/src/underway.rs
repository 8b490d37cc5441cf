//! How long a server may seem silent while something long is on its way to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A slow network carries so much in a millisecond, 2 Mbit/s: before a request has arrived, nothing can be heard of it.
const BYTES_A_MS: u64 = 256;

/// What a kernel takes and keeps back until the network has room (Linux, `tcp_wmem`: at most 4 MiB) takes so long to arrive.
const KEPT_BACK: Duration = Duration::from_millis((4 << 20) / BYTES_A_MS);

/// What is shorter has arrived long before silence could be noticed, and each moves what is heard: it is not counted, which
/// would cost each of many callers a counter that all of them write to.
const SHORT: usize = 4 << 10;

/// The bytes of one connection that are sent and not answered, those of short requests left out. Answers come in the order of
/// what was sent, so that one of them answers for all that was sent before it.
#[derive(Debug, Default)]
pub struct Underway {
    sent: AtomicU64,
    answered: AtomicU64,
}

impl Underway {
    /// Where in all that was ever sent the next so many bytes end, short requests left out.
    pub fn enter(&self, bytes: usize) -> u64 {
        if bytes < SHORT {
            return self.sent.load(Ordering::Relaxed);
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.sent.fetch_add(bytes, Ordering::Relaxed).wrapping_add(bytes)
    }

    /// What ends at `place` was answered, and so was all before it.
    pub fn answered(&self, place: u64) {
        if self.answered.load(Ordering::Relaxed) < place {
            self.answered.fetch_max(place, Ordering::Relaxed);
        }
    }

    /// The longest of such a time in which the kernel takes nothing of what is to be sent, though there is more. The network is at
    /// an end then, however much was to be sent.
    pub fn standstill(time: Duration) -> Duration {
        time.min(KEPT_BACK)
    }

    /// How long all of it that is not answered, up to what ends at `place`, may take to arrive.
    pub fn time_to(&self, place: u64) -> Duration {
        let bytes = place.saturating_sub(self.answered.load(Ordering::Relaxed));
        Duration::from_millis(bytes / BYTES_A_MS)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Underway;

    #[test]
    fn what_is_not_answered_takes_its_time_to_arrive() {
        let underway = Underway::default();
        let (long, short) = (underway.enter(256_000), underway.enter(100));
        assert_eq!(underway.time_to(long), Duration::from_secs(1));
        assert_eq!(underway.time_to(short), Duration::from_secs(1), "it comes behind the long one");
        underway.answered(long);
        assert_eq!(underway.time_to(short), Duration::ZERO);
        underway.answered(short);
        underway.answered(long); // late, and no step back
        assert_eq!(underway.time_to(short), Duration::ZERO);
    }

    #[test]
    fn what_is_short_takes_no_time_however_much_of_it_there_is() {
        let underway = Underway::default();
        let last = (0..10_000).map(|_| underway.enter(200)).last().unwrap();
        assert_eq!(underway.time_to(last), Duration::ZERO);
        let long = underway.enter(256_000);
        assert_eq!(
            (underway.time_to(last), underway.time_to(long)),
            (Duration::ZERO, Duration::from_secs(1))
        );
    }

    #[test]
    fn what_comes_after_is_not_behind() {
        let underway = Underway::default();
        let short = underway.enter(100);
        underway.enter(256_000);
        assert_eq!(underway.time_to(short), Duration::ZERO);
    }
}
