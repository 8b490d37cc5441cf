//! What was counted, to be shown.

use std::time::Duration;

use crate::ErrorKind;

/// The counts of a [`Stats`](crate::Stats) at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StatsSnapshot {
    /// One for each operation that was called.
    pub operations: Vec<OperationStats>,
}

/// The counts of one operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OperationStats {
    /// Its name, such as `get`.
    pub operation: &'static str,
    /// Calls that were answered; of batches those that were sent, whatever became of single keys.
    pub ok: u64,
    /// Calls that failed, by kind; kinds that never came are left out.
    pub errors: Vec<(ErrorKind, u64)>,
    /// Calls whose caller went away before there was an answer.
    pub dropped: u64,
    /// Calls that run at this moment.
    pub in_flight: u64,
    /// Keys that were named; in single operations one a call.
    pub keys: u64,
    /// Keys of batches that failed by themselves.
    pub failed_keys: u64,
    /// Keys that `get`, `get_many` and `take` found.
    pub hits: u64,
    /// Keys that they did not find.
    pub misses: u64,
    /// Bytes of values that were handed in.
    pub bytes_in: u64,
    /// Bytes of values that were handed out.
    pub bytes_out: u64,
    /// How long the calls took that were answered or failed.
    pub latency: Latency,
}

/// How long calls took. All zero before the first one ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// The mean.
    pub mean: Duration,
    /// Half of the calls were faster; known to a quarter of itself, as are the next two.
    pub p50: Duration,
    /// Nine of ten were faster.
    pub p90: Duration,
    /// Ninety-nine of a hundred were faster.
    pub p99: Duration,
    /// The slowest, exactly.
    pub max: Duration,
}

impl StatsSnapshot {
    pub(super) const fn new(operations: Vec<OperationStats>) -> Self {
        Self { operations }
    }

    /// The counts of the operation of this name, such as `get`; `None` if it was never called.
    pub fn operation(&self, name: &str) -> Option<&OperationStats> {
        self.operations.iter().find(|counted| counted.operation == name)
    }

    /// Which part of the keys that were read (`get`, `get_many`) was found, 0 to 1; `None` before the first read.
    pub fn hit_rate(&self) -> Option<f64> {
        let read = |counted: &&OperationStats| matches!(counted.operation, "get" | "get_many");
        let (hits, misses) = self
            .operations
            .iter()
            .filter(read)
            .fold((0, 0), |(hits, misses), counted| (hits + counted.hits, misses + counted.misses));
        rate(hits, misses)
    }
}

impl OperationStats {
    /// How many calls failed, of whatever kind.
    pub fn failed(&self) -> u64 {
        self.errors.iter().map(|(_, count)| count).sum()
    }

    /// Which part of the keys looked for was found, 0 to 1; `None` where nothing was looked for.
    pub fn hit_rate(&self) -> Option<f64> {
        rate(self.hits, self.misses)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio to be shown")]
fn rate(hits: u64, misses: u64) -> Option<f64> {
    let looked = hits + misses;
    (looked > 0).then(|| hits as f64 / looked as f64)
}
