//! Counts and latencies of what a store is asked.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use self::counter::Counter;
pub use self::snapshot::{Latency, OperationStats, StatsSnapshot};
use super::watched::{Call, Operation, Tells, watched_store};
use crate::{AnyStore, Result, Store};

mod counter;
mod snapshot;

/// Counts since it was made. Clones share the counts; several stores may count into one.
///
/// ```
/// # use kv_core::{Key, Stats, Store, StoreExt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> kv_core::Result<()> {
/// let stats = Stats::new();
/// let store = kv_memory::MemoryStore::new().counted(&stats);
/// store.get(Key::new("pages", "home")).await?;
/// let now = stats.snapshot();
/// let gets = now.operation("get").expect("called once");
/// assert_eq!((gets.ok, gets.misses), (1, 1));
/// assert_eq!(now.hit_rate(), Some(0.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Stats(Arc<[Counter; Operation::ALL.len()]>);

impl Stats {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counts at this moment. Each count is exact; taken while calls run, two counts may stand a call apart.
    pub fn snapshot(&self) -> StatsSnapshot {
        let counted = Operation::ALL.iter().zip(self.0.iter());
        StatsSnapshot::new(
            counted.filter_map(|(operation, counter)| counter.read(operation.name())).collect(),
        )
    }

    fn of(&self, operation: Operation) -> Option<&Counter> {
        self.0.get(operation as usize)
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stats")
    }
}

/// Counts each operation into a [`Stats`]: calls, errors by kind, hits and misses, bytes, latencies.
///
/// It changes nothing; all laws hold as they hold below. It stands outside all but tracing, and so counts what callers
/// asked for; inside a retry it would count tries.
#[derive(Clone, Debug)]
pub struct Counted<S = AnyStore> {
    inner: S,
    stats: Stats,
}

impl<S: Store> Counted<S> {
    /// Counts what `inner` is asked into `stats`.
    pub fn new(inner: S, stats: &Stats) -> Self {
        Self { inner, stats: stats.clone() }
    }

    async fn watched<T: Tells + Send>(
        &self,
        call: Call<'_>,
        running: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let Some(counter) = self.stats.of(call.operation) else { return running.await };
        let started = Instant::now();
        let running_now = counter.begin(call.batch.unwrap_or(1), call.bytes);
        let answer = running.await;
        running_now.end(started.elapsed(), answer.as_ref().map(Tells::told));
        answer
    }
}

watched_store!(Counted);

#[cfg(test)]
mod tests {
    use super::Operation;

    #[test]
    fn each_operation_has_its_own_place() {
        for (place, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(*operation as usize, place);
        }
    }
}
