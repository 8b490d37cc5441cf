//! Tasks of which there is one at a time, and which end with their executor while who needs them lives on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Id};

/// Whether the task runs, and on which executor.
#[derive(Debug, Default)]
pub(crate) struct Running(Arc<Place>);

/// Held by the task: it runs until this is dropped, which an executor does that ends.
#[derive(Debug)]
pub(crate) struct Run(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    /// Whether there is an executor below: asked before each request to a cluster.
    runs: AtomicBool,
    executor: Mutex<Option<Id>>,
}

impl Running {
    /// What a task is to hold that begins now, on this executor; `None` while one runs.
    pub(crate) fn begin(&self) -> Option<Run> {
        if self.0.runs.load(Ordering::Acquire) {
            return None;
        }
        let mut executor = self.0.executor();
        if executor.is_some() {
            return None;
        }
        *executor = Some(Handle::current().id());
        self.0.runs.store(true, Ordering::Release);
        Some(Run(Arc::clone(&self.0)))
    }

    /// Whether it runs on this executor.
    pub(crate) fn runs_on(&self, executor: Id) -> bool {
        *self.0.executor() == Some(executor)
    }
}

impl Place {
    fn executor(&self) -> MutexGuard<'_, Option<Id>> {
        self.executor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut executor = self.0.executor();
        *executor = None;
        self.0.runs.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::Running;

    #[tokio::test]
    async fn one_runs_at_a_time_and_another_once_it_has_ended() {
        let running = Running::default();
        let run = running.begin().unwrap();
        assert!(running.begin().is_none());
        assert!(running.runs_on(Handle::current().id()));
        drop(run);
        assert!(!running.runs_on(Handle::current().id()));
        assert!(running.begin().is_some());
    }
}
