//! The end of an open store.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Answer, Applied, error};
use crate::Result;

/// Flushes and closes on a thread of its own, also if nobody waits for it any more: the runtime may have none to spare.
///
/// `flush` asks for the last commit; its outcome is the answer. Dropping `open` closes it, once nobody else holds it.
pub(super) fn end<O: Send + Sync + 'static>(
    open: Arc<O>,
    flush: impl FnOnce(&O) -> Result<oneshot::Receiver<Answer<Applied>>> + Send + 'static,
) -> oneshot::Receiver<Result<()>> {
    let (answer, flushed) = oneshot::channel();
    let end = move || {
        let done =
            flush(&open).and_then(|flush| flush.blocking_recv().unwrap_or_else(|_| Err(error::lost())));
        drop(answer.send(done.map(drop)));
        // A step on an executor still holds the store for microseconds at most, and what runs elsewhere is waited for.
        while Arc::strong_count(&open) > 1 {
            thread::sleep(Duration::from_micros(100));
        }
    };
    // Without a thread to be had it is closed here and now, by the drop.
    drop(thread::Builder::new().name("larder-close".into()).spawn(end));
    flushed
}
