//! Streams that have ended, kept in the memory of the one process that there is, or until their log is written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::live::Live;
use super::{KEPT, Streams};

/// What all that have ended may take together: of more, those that ended first are gone.
pub(crate) const MAX_KEPT: usize = 64 << 20;
/// What each takes beside its events.
const OVERHEAD: usize = 512;

/// Those that have ended, in that order.
#[derive(Default)]
pub(super) struct Kept(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    ended: VecDeque<Ended>,
    bytes: usize,
    /// Whether a task waits for the first to be forgotten.
    watched: bool,
}

struct Ended {
    key: String,
    bytes: usize,
    until: Instant,
}

impl Streams {
    /// Keeps a stream for a while.
    pub(super) fn keep(&self, key: &str, live: &Arc<Live>) {
        let bytes = live.bytes() + OVERHEAD;
        let mut queue = self.0.kept.lock();
        queue.bytes += bytes;
        queue.ended.push_back(Ended { key: key.to_owned(), bytes, until: Instant::now() + KEPT });
        let watched = std::mem::replace(&mut queue.watched, true);
        let too_much = queue.pop_while(|queue, _| queue.bytes > MAX_KEPT);
        drop(queue);
        self.forget(&too_much);
        if !watched {
            self.watch_over_kept();
        }
    }

    /// One task, for as long as something is kept.
    fn watch_over_kept(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let streams = self.clone();
        runtime.spawn(async move {
            while let Some(until) = streams.0.kept.next() {
                tokio::time::sleep_until(until).await;
                let now = Instant::now();
                let old = streams.0.kept.lock().pop_while(|_, ended| ended.until <= now);
                streams.forget(&old);
            }
        });
    }

    fn forget(&self, keys: &[String]) {
        let mut known = self.known();
        for key in keys {
            known.here.remove(key);
        }
    }
}

impl Kept {
    /// When the first is to be forgotten; nobody watches any more where there is none.
    fn next(&self) -> Option<Instant> {
        let mut queue = self.lock();
        let until = queue.ended.front().map(|ended| ended.until);
        queue.watched = until.is_some();
        until
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn pop_while(&mut self, goes: impl Fn(&Self, &Ended) -> bool) -> Vec<String> {
        let mut gone = Vec::new();
        while self.ended.front().is_some_and(|ended| goes(self, ended)) {
            if let Some(ended) = self.ended.pop_front() {
                self.bytes -= ended.bytes;
                gone.push(ended.key);
            }
        }
        gone
    }
}
