//! The figures of one backend: a row for each fault.

use std::time::Duration;

use crate::TIMEOUT;
use crate::cell::Seen;
use crate::fault::Fault;

/// From the end of a fault to the first success, in the middle of all operations.
const SOON: Duration = Duration::from_secs(1);
/// The same for the slowest of them, on a machine that is busy with other tests.
const AT_LAST: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(crate) struct Report {
    backend: &'static str,
    rows: Vec<(Fault, Vec<Seen>)>,
}

impl Report {
    pub(crate) fn new(backend: &'static str) -> Self {
        Self { backend, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, fault: Fault, seen: Vec<Seen>) {
        self.rows.push((fault, seen));
    }

    /// As a table of Markdown on stderr, for `--nocapture`.
    pub(crate) fn print(&self) {
        eprintln!(
            "| {} | succeeded, but not | failed, not done | slowest call | recovery, middle | slowest |",
            self.backend
        );
        eprintln!("|---|---|---|---|---|---|");
        for (fault, all) in &self.rows {
            let succeeded = all.iter().filter(|seen| seen.succeeded).count();
            let failed = all.iter().filter(|seen| !seen.succeeded && succeeded > 0);
            let failed: Vec<_> = failed.map(|seen| seen.operation).collect();
            let not_done = all.iter().filter(|seen| seen.not_done).count();
            let call = all.iter().map(|seen| seen.call).max().unwrap_or_default();
            let (middle, slowest) = recoveries(all);
            let after = all.iter().max_by_key(|seen| seen.recovery).map(|seen| seen.operation);
            let count = all.len();
            eprintln!(
                "| {} | {succeeded} of {count} {failed:?} | {not_done} | {call:.1?} | {middle:.1?} | {slowest:.1?} {after:?} |",
                fault.name
            );
        }
    }

    /// Calls end with their timeout, and the store works again within a second of the network.
    pub(crate) fn check(&self) {
        for (fault, all) in &self.rows {
            let call = middle(all, |seen| seen.call);
            assert!(call <= TIMEOUT + SOON / 2, "{}: calls while {}: {call:?}", self.backend, fault.name);
            let (middle, slowest) = recoveries(all);
            assert!(middle <= SOON, "{}: after {}: {middle:?}", self.backend, fault.name);
            assert!(slowest <= AT_LAST, "{}: after {}: {all:?}", self.backend, fault.name);
        }
    }
}

/// The middle one and the slowest.
fn recoveries(all: &[Seen]) -> (Duration, Duration) {
    let slowest = all.iter().map(|seen| seen.recovery).max();
    (middle(all, |seen| seen.recovery), slowest.unwrap_or_default())
}

fn middle(all: &[Seen], time: impl Fn(&Seen) -> Duration) -> Duration {
    let mut times: Vec<_> = all.iter().map(time).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
