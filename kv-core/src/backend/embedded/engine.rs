//! What a store in a directory asks of the engine that keeps its files.

use std::fmt;
use std::future::Future;

use bytes::Bytes;

use super::{Applied, Bounds, Op, See};
use crate::Result;

/// An open engine. Its calls may panic on damaged files; the store calls it behind a [`Poison`](super::Poison).
pub trait Engine: fmt::Debug + Send + Sync + Sized + 'static {
    /// So many deadlines are remembered, about 100 bytes each; what expires beside them the engine frees by itself.
    const MAX_DEADLINES: usize = usize::MAX;

    /// The stored bytes under `key`.
    ///
    /// # Errors
    /// Those of the files.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// Shows keys and stored bytes of a range in order to `see`, until it breaks off or the range ends.
    ///
    /// # Errors
    /// Those of the files.
    fn visit(&self, range: Bounds<'_>, see: &mut See<'_>) -> Result<()>;

    /// Whether single writes may be done outside of a commit now.
    fn buffers(&self) -> bool;

    /// Does one write at once, without making it durable; `None`, and nothing was done, where that would hold up the caller.
    ///
    /// # Errors
    /// Those of the files and of the write's condition.
    fn try_apply(&self, op: &Op, now: u64) -> Result<Option<Applied>>;

    /// Whether what was applied still needs a commit to be as durable as is asked for.
    fn needs_commit(&self) -> bool;

    /// Does these writes, and makes them and all that were applied before as durable as is asked for. The outer error
    /// concerns all. Called by one thread at a time, and without writes after a [`Engine::get`] that failed: it may mend
    /// what no reader may wait for.
    ///
    /// # Errors
    /// Those of the files.
    fn commit(&self, ops: &[Op], now: impl Fn() -> u64) -> Result<Vec<Result<Applied>>>;

    /// Does this on a thread that may block: the executor is the backend's to know.
    ///
    /// # Errors
    /// `Unexpected` when that thread ended before it was done.
    fn elsewhere<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send;

    /// Closes the files; all that was written is in them.
    ///
    /// # Errors
    /// Those of the files.
    fn close(self) -> Result<()>;

    /// Whether a write failed in such a way that nothing can become durable any more, and a call, the one that closes
    /// included, may never come back. Asked after each call that failed.
    fn is_stuck(&self) -> bool {
        false
    }

    /// Drops an engine that has panicked, or is stuck.
    fn abandon(self) {}
}
