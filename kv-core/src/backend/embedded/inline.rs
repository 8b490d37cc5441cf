//! What is done on the executor's own thread, and whether it took too long.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest that anything is meant to hold the executor's thread.
const BUDGET: Duration = Duration::from_millis(1);
/// One in so many reads of a single entry is timed.
const SAMPLE: u64 = 16;

/// Counts what held its executor's thread for more than the millisecond that is meant as the bound.
#[derive(Debug, Default)]
pub(super) struct Inline {
    slow: AtomicU64,
}

impl Inline {
    /// Does something short here and now, timed.
    pub(super) fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = work();
        self.note(started, 1);
        done
    }

    /// Does something here and now that takes less time than two looks at the clock: one in 16 of a thread is timed,
    /// and counts for all of them.
    pub(super) fn sampled<T>(&self, work: impl FnOnce() -> T) -> T {
        thread_local!(static DONE: Cell<u64> = const { Cell::new(0) });
        let done = DONE.get();
        DONE.set(done.wrapping_add(1));
        let started = done.is_multiple_of(SAMPLE).then(Instant::now);
        let answer = work();
        if let Some(started) = started {
            self.note(started, SAMPLE);
        }
        answer
    }

    /// How often it took too long, so far.
    pub(super) fn slow(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    fn note(&self, started: Instant, times: u64) {
        if started.elapsed() > BUDGET {
            self.slow.fetch_add(times, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Inline, SAMPLE};

    #[test]
    fn what_takes_too_long_is_counted_and_a_sample_counts_for_all() {
        let slow = || std::thread::sleep(Duration::from_millis(2));
        let inline = Inline::default();
        inline.timed(slow);
        assert_eq!(inline.slow(), 1);
        for _ in 0..2 * SAMPLE {
            inline.sampled(slow);
        }
        assert_eq!(inline.slow(), 1 + 2 * SAMPLE);
    }
}
