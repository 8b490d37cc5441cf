//! The transports that serve a replica: with the last of them it leaves, and with the next one it may join anew.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Inner, Replica};

/// How long leaving may take: a store that hangs must not keep a process from ending.
const FAREWELL: Duration = Duration::from_secs(2);
/// What is counted once the last transport has ended.
const ENDED: usize = usize::MAX;

/// How many serve. Before the first there is no end: a replica without transports joins.
#[derive(Default)]
pub(super) struct Transports(AtomicUsize);

/// A transport that serves, until this is closed or dropped.
#[must_use = "the replica leaves when the last of these is dropped"]
pub(crate) struct Serving(Option<Arc<Inner>>);

impl Replica {
    /// A transport begins to serve.
    pub(crate) fn open(&self) -> Serving {
        if let Some(inner) = &self.0 {
            inner.transports.begin();
        }
        Serving(self.0.clone())
    }
}

impl Serving {
    /// The transport has ended; the last one takes the process away from among the others.
    pub(crate) async fn close(mut self) {
        if let Some(inner) = self.0.take()
            && inner.transports.end()
        {
            inner.leave_in_time().await;
        }
    }
}

impl Drop for Serving {
    /// As [`Serving::close`], but nobody waits for it. Outside of a runtime the process stays among the others until its
    /// server is gone.
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else { return };
        if !inner.transports.end() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { inner.leave_in_time().await });
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serving")
    }
}

impl Transports {
    fn begin(&self) {
        self.change(|count| if count == ENDED { 1 } else { count + 1 });
    }

    /// Tells whether it was the last.
    fn end(&self) -> bool {
        self.change(|count| if matches!(count, 0 | 1 | ENDED) { ENDED } else { count - 1 }) == 1
    }

    /// Whether there were some, and the last has ended.
    pub(super) fn have_ended(&self) -> bool {
        self.0.load(Ordering::SeqCst) == ENDED
    }

    /// Answers what was counted before.
    fn change(&self, next: impl Fn(usize) -> usize) -> usize {
        let changed = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| Some(next(count)));
        changed.unwrap_or_else(|count| count)
    }
}

impl Inner {
    async fn leave_in_time(&self) {
        if tokio::time::timeout(FAREWELL, self.leave()).await.is_err() {
            tracing::warn!("the store hangs: other replicas will miss this one in a while");
        }
    }

    async fn leave(&self) {
        self.send_updates().await;
        let mut keeper = self.keeper.lock().await; // who joins meanwhile does so afterwards
        let joined = self.joined.swap(false, Ordering::SeqCst);
        if !self.transports.have_ended() {
            // Whoever began meanwhile either sees that nobody has joined, and waits, or is seen here.
            self.joined.store(joined, Ordering::SeqCst);
            return;
        }
        if let Some(keeper) = keeper.take() {
            keeper.abort();
            drop(keeper.await);
            self.vanish().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Transports;

    #[test]
    fn the_last_transport_ends_the_service_and_the_next_one_begins_it_anew() {
        let transports = Transports::default();
        assert!(!transports.have_ended(), "none has begun");
        for _ in 0..2 {
            transports.begin();
            transports.begin();
            assert!(!transports.end() && !transports.have_ended());
            assert!(transports.end() && transports.have_ended());
        }
    }
}
