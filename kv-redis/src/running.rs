//! Tasks of which there is one at a time, and which end with their executor while who needs them lives on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the task runs.
#[derive(Debug, Default)]
pub(crate) struct Running(Arc<AtomicBool>);

/// Held by the task: it runs until this is dropped, which an executor does that ends.
#[derive(Debug)]
pub(crate) struct Run(Arc<AtomicBool>);

impl Running {
    /// What a task is to hold that begins now; `None` while one runs.
    pub(crate) fn begin(&self) -> Option<Run> {
        let runs = self.0.load(Ordering::Relaxed) || self.0.swap(true, Ordering::AcqRel);
        (!runs).then(|| Run(Arc::clone(&self.0)))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::Running;

    #[test]
    fn one_runs_at_a_time_and_another_once_it_has_ended() {
        let running = Running::default();
        let run = running.begin().unwrap();
        assert!(running.begin().is_none());
        drop(run);
        assert!(running.begin().is_some());
    }
}
