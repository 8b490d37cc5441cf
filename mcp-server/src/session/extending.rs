//! Sessions whose life is being extended.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

/// So many at once: many may be due after a pause.
pub(super) const AT_ONCE: usize = 64;
/// A store that takes longer is asked again by a later request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each session once at a time, and not too many of them.
#[derive(Clone)]
pub(super) struct Extending(Arc<Under>);

struct Under {
    way: Mutex<HashSet<String>>,
    turns: Semaphore,
}

/// A session that nobody else extends meanwhile.
pub(super) struct Due {
    extending: Extending,
    key: String,
}

impl Default for Extending {
    fn default() -> Self {
        Self(Arc::new(Under { way: Mutex::default(), turns: Semaphore::new(AT_ONCE) }))
    }
}

impl Extending {
    /// `None` while this session is being extended.
    pub(super) fn begin(&self, key: &str) -> Option<Due> {
        let began = self.way().insert(key.to_owned());
        began.then(|| Due { extending: self.clone(), key: key.to_owned() })
    }

    fn way(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Due {
    /// Does `work` once there is a turn for it.
    pub(super) async fn run(self, work: impl Future<Output = ()>) {
        let _turn = self.extending.0.turns.acquire().await; // it is never closed
        drop(tokio::time::timeout(PATIENCE, work).await);
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        self.extending.way().remove(&self.key);
    }
}
