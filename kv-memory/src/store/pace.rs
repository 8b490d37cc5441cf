//! Giving other tasks their turn: nothing here ever waits, so the executor would not notice.

use std::cell::Cell;

use kv_core::each;

/// After so many entries of a batch a task yields.
pub(crate) const EVERY: usize = each::EVERY;

/// After so many operations on one entry it does, within a millisecond: on an idle executor a turn that nobody wants
/// costs as much as 20 of them.
const OPERATIONS: usize = 4 * EVERY;

/// Counts one operation on one entry.
pub(crate) async fn breathe() {
    spend(1).await;
}

/// Counts one entry of a batch.
pub(crate) async fn breathe_in_batch() {
    spend(OPERATIONS / EVERY).await;
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
