//! At most so many entries a second.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Counts entries and waits until the next ones may go.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<NonZeroU32>,
    started: Instant,
    entries: u64,
}

/// Without a limit a whole page is written in one go.
const UNLIMITED: usize = 1_000;

impl Pace {
    /// `None` never waits.
    pub(super) fn new(rate: Option<NonZeroU32>) -> Self {
        Self { rate, started: Instant::now(), entries: 0 }
    }

    /// How many entries to write in one go: about a tenth of a second's.
    pub(super) fn step(&self) -> usize {
        let rate = self.rate.map(|rate| usize::try_from(rate.get()).unwrap_or(usize::MAX));
        rate.map_or(UNLIMITED, |rate| (rate / 10).clamp(1, UNLIMITED))
    }

    /// Waits, after these entries, until the rate allows more. What took longer by itself is not made up for.
    pub(super) async fn after(&mut self, entries: u64) {
        let Some(rate) = self.rate else { return };
        self.entries += entries;
        let due = self.started + Duration::from_secs_f64(precise(self.entries) / f64::from(rate.get()));
        let now = Instant::now();
        if due > now {
            sleep_until(due).await;
        } else {
            (self.started, self.entries) = (now, 0);
        }
    }
}

/// Exact up to 2^32 entries in one stretch, and near enough beyond.
fn precise(entries: u64) -> f64 {
    u32::try_from(entries).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Pace;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_entries_at_a_hundred_a_second_take_ten_seconds() {
        let (mut pace, started) = (Pace::new(NonZeroU32::new(100)), Instant::now());
        for _ in 0..100 {
            assert_eq!(pace.step(), 10);
            pace.after(10).await;
        }
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(11), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_made_up_for_and_no_limit_never_waits() {
        let mut pace = Pace::new(NonZeroU32::new(10));
        tokio::time::advance(Duration::from_secs(60)).await;
        pace.after(1).await;
        let started = Instant::now();
        pace.after(10).await;
        assert!(started.elapsed() >= Duration::from_secs(1));
        let mut free = Pace::new(None);
        let started = Instant::now();
        free.after(1_000_000).await;
        assert!(started.elapsed().is_zero());
    }
}
