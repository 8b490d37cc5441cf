//! Giving other tasks their turn: nothing here ever waits, so the executor would not notice.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kv_core::each;

/// After so many entries of a batch a task yields.
pub(crate) const EVERY: usize = each::EVERY;

/// After so many operations on one entry it does, within a millisecond: on an idle executor a turn that nobody wants
/// costs as much as 20 of them.
const OPERATIONS: usize = 4 * EVERY;

/// The longest that anything is meant to hold the executor's thread.
const BUDGET: Duration = Duration::from_millis(1);

/// How often the executor's thread was held for longer than that.
#[derive(Debug, Default)]
pub(crate) struct Slow(AtomicU64);

impl Slow {
    /// Does `work`, and counts it if it took too long.
    pub(crate) fn watch<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = work();
        self.note(started);
        done
    }

    /// Counts what began at `started` and ends now if it took too long.
    pub(crate) fn note(&self, started: Instant) {
        if started.elapsed() > BUDGET {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts one operation on one entry.
pub(crate) async fn breathe() {
    spend(1).await;
}

/// Counts `entries` of a batch.
pub(crate) async fn breathe_in_batch(entries: usize) {
    spend(entries * OPERATIONS / EVERY).await;
}

/// Counts for this thread, whatever tasks it was of.
async fn spend(parts: usize) {
    thread_local!(static SPENT: Cell<usize> = const { Cell::new(0) });
    let spent = SPENT.get() + parts;
    SPENT.set(spent % OPERATIONS);
    if spent >= OPERATIONS {
        pause().await;
    }
}

/// Yields once. tokio runs what else is ready first and wakes no other worker for it, which a task that wakes itself
/// does: that would cost more than the operations in between. On another executor it is a plain yield.
pub(crate) async fn pause() {
    tokio::task::yield_now().await;
}

#[cfg(test)]
mod tests {
    use super::{BUDGET, Slow};

    #[test]
    fn what_takes_longer_than_a_millisecond_is_counted() {
        let slow = Slow::default();
        slow.watch(|| std::thread::sleep(2 * BUDGET));
        assert_eq!(slow.count(), 1);
    }
}
