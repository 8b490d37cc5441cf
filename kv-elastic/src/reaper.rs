//! Expired entries are deleted without anybody asking: one task for each store, off every request's path.
//!
//! Nothing depends on it: an expired entry is absent from its deadline on. It deletes what has been expired for a while
//! by this process's clock, so that a caller whose clock is behind is not cut short; and what was taken a while ago.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use kv_core::{ErrorKind, Result};
use rand::RngExt as _;
use serde::Deserialize;
use serde_json::json;
use tokio::task::AbortHandle;

use crate::http::Content;
use crate::inner::Inner;
use crate::wire::{CLAIMS_BELOW, claimed_at};

/// At most so many documents a round; a round that found as many is soon followed by another one.
const ROUND: u64 = 5_000;
const SOON: Duration = Duration::from_secs(1);
/// Whatever is asked for, it comes round after so long.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What the reaper has done since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reaped {
    /// Expired entries, and the places of taken ones, that it deleted.
    pub entries: u64,
    /// Rounds that failed, for want of a right or of the server. It goes on all the same.
    pub failures: u64,
}

/// The same while it changes.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    entries: AtomicU64,
    failures: AtomicU64,
}

impl Counts {
    pub(crate) fn read(&self) -> Reaped {
        let (entries, failures) = (&self.entries, &self.failures);
        Reaped { entries: entries.load(Ordering::Relaxed), failures: failures.load(Ordering::Relaxed) }
    }
}

/// Starts the task. It holds the store weakly and ends with it.
pub(crate) fn start(inner: &Arc<Inner>, every: Duration, after: Duration) -> AbortHandle {
    let store = Arc::downgrade(inner);
    tokio::spawn(rounds(store, every, after)).abort_handle()
}

async fn rounds(store: Weak<Inner>, every: Duration, after: Duration) {
    let mut pause = every;
    loop {
        tokio::time::sleep(spread(pause)).await;
        let Some(inner) = store.upgrade() else { return };
        pause = match inner.round(after).await {
            Ok(ROUND..) => SOON.min(every),
            Ok(_) => every,
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(_) => {
                inner.counts.failures.fetch_add(1, Ordering::Relaxed);
                every
            }
        };
    }
}

/// Many processes share an index: they do not all begin at the same moment.
fn spread(pause: Duration) -> Duration {
    pause.min(LONGEST).mul_f64(rand::rng().random_range(0.75..1.25))
}

impl Inner {
    /// One round: deletes what has been expired, or taken, for longer than `after`; how many documents that were. By what was
    /// taken just now a write is known again: whoever took it may be about to look.
    async fn round(&self, after: Duration) -> Result<u64> {
        #[derive(Deserialize)]
        struct Deleted {
            #[serde(default)]
            deleted: u64,
        }
        let _inside = self.gate.enter()?;
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let before = self.clock.unix_ms().saturating_sub(after);
        // A document that was written since the search saw it is a conflict, and stays.
        let path = format!("_delete_by_query?conflicts=proceed&max_docs={ROUND}&filter_path=deleted");
        let deadlines = [
            json!({ "range": { "deadline": { "gte": CLAIMS_BELOW, "lt": before } } }),
            json!({ "range": { "deadline": { "lt": claimed_at(before) } } }),
        ];
        let namespace = json!({ "term": { "namespace": self.namespace } });
        let query =
            json!({ "query": { "bool": { "filter": [namespace, { "bool": { "should": deadlines } }] } } });
        let answer: Deleted = self.http.post(&self.path(&path), Content::json(&query)).await?.json()?;
        self.counts.entries.fetch_add(answer.deleted, Ordering::Relaxed);
        Ok(answer.deleted)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, spread};

    #[test]
    fn a_pause_is_spread_by_a_quarter_and_never_overflows() {
        let minute = Duration::from_secs(60);
        for _ in 0..100 {
            assert!((minute * 3 / 4..=minute * 5 / 4).contains(&spread(minute)));
            assert!(spread(Duration::MAX) <= LONGEST * 5 / 4);
        }
    }
}
