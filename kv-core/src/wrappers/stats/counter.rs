//! The counts of one operation, in atomics: nobody waits for a lock to count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::snapshot::{Latency, OperationStats};
use crate::wrappers::watched::Told;
use crate::{Error, ErrorKind};

/// Latencies are kept in four steps to each power of two of nanoseconds, the last one open: each is known to a quarter.
const STEPS: usize = 160;

const KINDS: [ErrorKind; 13] = [
    ErrorKind::AlreadyExists,
    ErrorKind::Conflict,
    ErrorKind::Corrupt,
    ErrorKind::Denied,
    ErrorKind::Full,
    ErrorKind::Invalid,
    ErrorKind::TooLarge,
    ErrorKind::Throttled,
    ErrorKind::Timeout,
    ErrorKind::Unavailable,
    ErrorKind::Closed,
    ErrorKind::Unsupported,
    ErrorKind::Unexpected,
];

pub(super) struct Counter {
    begun: AtomicU64,
    ok: AtomicU64,
    dropped: AtomicU64,
    errors: [AtomicU64; KINDS.len()],
    keys: AtomicU64,
    failed_keys: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    nanos: AtomicU64,
    slowest: AtomicU64,
    steps: [AtomicU64; STEPS],
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            begun: AtomicU64::default(),
            ok: AtomicU64::default(),
            dropped: AtomicU64::default(),
            errors: std::array::from_fn(|_| AtomicU64::default()),
            keys: AtomicU64::default(),
            failed_keys: AtomicU64::default(),
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            bytes_in: AtomicU64::default(),
            bytes_out: AtomicU64::default(),
            nanos: AtomicU64::default(),
            slowest: AtomicU64::default(),
            steps: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

/// A call on its way. Dropped without an end, it counts as dropped.
pub(super) struct Running<'a>(Option<&'a Counter>);

impl Counter {
    pub(super) fn begin(&self, keys: usize, bytes: usize) -> Running<'_> {
        self.begun.fetch_add(1, Relaxed);
        self.keys.fetch_add(keys as u64, Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
        Running(Some(self))
    }

    fn end(&self, took: Duration, told: Result<Told, &Error>) {
        match told {
            Ok(Told { hits, misses, bytes, failed, .. }) => {
                self.ok.fetch_add(1, Relaxed);
                self.hits.fetch_add(hits, Relaxed);
                self.misses.fetch_add(misses, Relaxed);
                self.bytes_out.fetch_add(bytes, Relaxed);
                self.failed_keys.fetch_add(failed, Relaxed);
            }
            Err(error) => {
                let place = KINDS.iter().position(|kind| *kind == error.kind());
                if let Some(count) = place.and_then(|place| self.errors.get(place)) {
                    count.fetch_add(1, Relaxed);
                }
            }
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Relaxed);
        self.slowest.fetch_max(nanos, Relaxed);
        if let Some(step) = self.steps.get(step_of(nanos).min(STEPS - 1)) {
            step.fetch_add(1, Relaxed);
        }
    }

    /// The counts under this name; `None` if there was no call yet.
    pub(super) fn read(&self, operation: &'static str) -> Option<OperationStats> {
        let count = |count: &AtomicU64| count.load(Relaxed);
        let ok = count(&self.ok);
        let dropped = count(&self.dropped);
        let errors: Vec<_> = KINDS.iter().copied().zip(self.errors.iter().map(count)).collect();
        let ended = ok + errors.iter().map(|(_, count)| count).sum::<u64>();
        let begun = count(&self.begun).max(ended + dropped); // they end while we read
        (begun > 0).then(|| OperationStats {
            operation,
            ok,
            errors: errors.into_iter().filter(|(_, count)| *count > 0).collect(),
            dropped,
            in_flight: begun - ended - dropped,
            keys: count(&self.keys),
            failed_keys: count(&self.failed_keys),
            hits: count(&self.hits),
            misses: count(&self.misses),
            bytes_in: count(&self.bytes_in),
            bytes_out: count(&self.bytes_out),
            latency: self.latency(),
        })
    }

    fn latency(&self) -> Latency {
        let steps: Vec<u64> = self.steps.iter().map(|step| step.load(Relaxed)).collect();
        let total: u64 = steps.iter().sum();
        let slowest = self.slowest.load(Relaxed);
        let below = |part: f64| quantile(&steps, total, part).min(slowest);
        let nanos = Duration::from_nanos;
        Latency {
            mean: nanos(self.nanos.load(Relaxed).checked_div(total).unwrap_or(0)),
            p50: nanos(below(0.5)),
            p90: nanos(below(0.9)),
            p99: nanos(below(0.99)),
            max: nanos(slowest),
        }
    }
}

impl Running<'_> {
    pub(super) fn end(mut self, took: Duration, told: Result<Told, &Error>) {
        if let Some(counter) = self.0.take() {
            counter.end(took, told);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(counter) = self.0.take() {
            counter.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// The step that holds `nanos`: itself below 4, then by its highest three bits.
fn step_of(nanos: u64) -> usize {
    if nanos < 4 {
        return usize::try_from(nanos).unwrap_or(0);
    }
    let power = nanos.ilog2();
    let quarter = (nanos >> (power - 2)) & 3;
    (power as usize - 1) * 4 + usize::try_from(quarter).unwrap_or(0)
}

/// The first value that is above the step.
fn end_of(step: usize) -> u64 {
    if step < 4 {
        return step as u64 + 1;
    }
    let power = u32::try_from(step / 4 + 1).unwrap_or(u32::MAX);
    let quarter = step as u64 % 4;
    (4 + quarter + 1).checked_shl(power - 2).unwrap_or(u64::MAX)
}

/// What `part` of all latencies stay below, to a quarter.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank, rounded up: 2^53 calls are more than there will be"
)]
fn quantile(steps: &[u64], total: u64, part: f64) -> u64 {
    let rank = (total as f64 * part).ceil() as u64;
    let mut seen = 0;
    let step = steps.iter().position(|count| {
        seen += count;
        seen >= rank.max(1)
    });
    step.map_or(0, end_of)
}

#[cfg(test)]
mod tests {
    use super::{end_of, quantile, step_of};

    #[test]
    fn each_latency_is_in_the_step_that_ends_above_it_by_a_quarter_at_most() {
        let powers = (0..40).map(|power| 1_u64 << power);
        for nanos in powers.flat_map(|power| [power - 1, power, power + power / 3, power * 2 - 1]) {
            let step = step_of(nanos);
            assert!(end_of(step) > nanos, "{nanos} is not below the end of step {step}");
            assert!(step == 0 || end_of(step - 1) <= nanos, "{nanos} fits into an earlier step than {step}");
            assert!(end_of(step) <= nanos + nanos / 4 + 1, "step {step} is too wide for {nanos}");
        }
    }

    #[test]
    fn half_of_what_was_counted_is_below_the_median() {
        let mut steps = [0; 40];
        (steps[10], steps[20], steps[30]) = (49, 49, 2);
        assert_eq!(quantile(&steps, 100, 0.5), end_of(20));
        assert_eq!(quantile(&steps, 100, 0.49), end_of(10));
        assert_eq!(quantile(&steps, 100, 0.99), end_of(30));
        assert_eq!(quantile(&[0; 40], 0, 0.5), 0, "nothing counted yet");
    }
}
