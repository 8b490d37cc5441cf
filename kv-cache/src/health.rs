//! What the log hears of a store that fails: its first error and its recovery, not each one between.

use std::sync::atomic::{AtomicBool, Ordering};

use kv_core::Error;

#[derive(Debug, Default)]
pub(crate) struct Health {
    failing: AtomicBool,
}

impl Health {
    pub(crate) fn failed(&self, cache: &str, error: &Error) {
        if self.failing.swap(true, Ordering::Relaxed) {
            tracing::debug!(cache, %error, "the cache's store fails still");
        } else {
            tracing::warn!(cache, %error, "the cache's store fails: answers are fetched and not cached");
        }
    }

    pub(crate) fn answered(&self, cache: &str) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(cache, "the cache's store answers again");
        }
    }
}
