//! Giving other tasks their turn: nothing here ever waits, so the executor would not notice.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// After so many entries a task yields.
pub(crate) const EVERY: usize = 64;

/// Counts one operation of this thread, and yields after each 64, whatever tasks they were of.
pub(crate) async fn breathe() {
    thread_local!(static SINCE: Cell<usize> = const { Cell::new(0) });
    let since = SINCE.get() + 1;
    SINCE.set(since % EVERY);
    if since == EVERY {
        pause().await;
    }
}

/// Yields once.
pub(crate) async fn pause() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
