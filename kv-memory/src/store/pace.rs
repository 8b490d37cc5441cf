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
        each::yield_now().await;
    }
}
