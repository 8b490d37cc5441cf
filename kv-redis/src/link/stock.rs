//! Handles of a connection between two requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kv_core::backend::Sharded;

use super::Live;

/// Of one thread; more of them are made for the moment.
const MOST: usize = 256;

/// Handles that were made already, for who asks next on the same thread: what is in them all threads count, and to make a
/// handle is to fight for these counters. Each also has its timer.
#[derive(Debug, Default)]
pub(super) struct Stock {
    shards: Sharded<Mutex<Vec<Live>>>,
    closed: AtomicBool,
}

impl Stock {
    pub(super) fn take(&self) -> Option<Live> {
        let one = || lock(self.shards.own()).pop();
        std::iter::from_fn(one).find(Live::is_alive) // those that are not alive are dropped, not under the lock
    }

    pub(super) fn put(&self, live: Live) {
        if live.is_alive() {
            let mut own = lock(self.shards.own());
            if own.len() < MOST && !self.closed.load(Ordering::Relaxed) {
                own.push(live);
            }
        }
    }

    /// Lets all go: another connection takes the place of theirs.
    pub(super) fn clear(&self) {
        for shard in self.shards.iter() {
            let gone = std::mem::take(&mut *lock(shard));
            drop(gone); // not under the lock
        }
    }

    /// Keeps nothing any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed); // seen by all who lock after `clear`
        self.clear();
    }
}

fn lock(shard: &Mutex<Vec<Live>>) -> MutexGuard<'_, Vec<Live>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
