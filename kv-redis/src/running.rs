//! Tasks of which there is one at a time, and which end with their executor while who needs them lives on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Id};

/// Whether the task runs, and on which executor.
#[derive(Debug, Default)]
pub(crate) struct Running(Arc<Place>);

/// Held by the task: it runs until this is dropped, which an executor does that ends.
#[derive(Debug)]
pub(crate) struct Run(Arc<Place>);

#[derive(Debug, Default)]
struct Place(Mutex<Option<Id>>);

impl Running {
    /// What a task is to hold that begins now, on this executor; `None` while one runs.
    pub(crate) fn begin(&self) -> Option<Run> {
        let mut place = self.0.lock();
        let begins = place.is_none();
        place.get_or_insert_with(|| Handle::current().id());
        begins.then(|| Run(Arc::clone(&self.0)))
    }

    /// Whether it runs on this executor.
    pub(crate) fn runs_on(&self, executor: Id) -> bool {
        *self.0.lock() == Some(executor)
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Option<Id>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        *self.0.lock() = None;
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
