//! Giving other tasks their turn: nothing here ever waits, so the executor would not notice.

use std::cell::Cell;

use kv_core::each;

/// After so many entries a task yields.
pub(crate) const EVERY: usize = each::EVERY;

/// Counts one operation of this thread, and yields after each 64, whatever tasks they were of.
pub(crate) async fn breathe() {
    thread_local!(static SINCE: Cell<usize> = const { Cell::new(0) });
    let since = SINCE.get() + 1;
    SINCE.set(since % EVERY);
    if since == EVERY {
        pause().await;
    }
}

/// Yields once. tokio runs what else is ready first and wakes no other worker for it, which a task that wakes itself
/// does: that would cost more than the operations in between. On another executor it is a plain yield.
pub(crate) async fn pause() {
    tokio::task::yield_now().await;
}
