//! From the times of single operations to a rate and percentiles.

use std::time::Duration;

use serde_json::{Value, json};

/// The times of one task's operations.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<Duration>);

/// A task that has done so many has done enough: they are kept until the end.
const MOST: usize = 1_000_000;

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    pub(super) fn total(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// What many tasks measured together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) operations: usize,
    pub(super) per_second: f64,
    pub(super) p50: Duration,
    pub(super) p90: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

impl Figures {
    /// The rate is that of all tasks while they were at it: what was prepared in between does not count.
    pub(super) fn of(tasks: Vec<Times>) -> Self {
        let per_second = tasks.iter().map(rate).sum();
        let mut all: Vec<_> = tasks.into_iter().flat_map(|times| times.0).collect();
        all.sort_unstable();
        let at = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(rank).copied().unwrap_or_default()
        };
        Self {
            operations: all.len(),
            per_second,
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: all.last().copied().unwrap_or_default(),
        }
    }

    pub(super) fn to_json(self) -> Value {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        json!({
            "operations": self.operations, "per_second": self.per_second, "p50_us": micros(self.p50),
            "p90_us": micros(self.p90), "p99_us": micros(self.p99), "max_us": micros(self.max),
        })
    }
}

fn rate(times: &Times) -> f64 {
    let seconds = times.total().as_secs_f64();
    let count = u32::try_from(times.0.len()).map_or(f64::from(u32::MAX), f64::from);
    if seconds > 0.0 { count / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figures, Times};

    #[test]
    fn percentiles_are_times_that_were_measured_and_rates_of_tasks_add_up() {
        let task = |from: u64| Times((from..from + 50).map(Duration::from_millis).collect());
        let figures = Figures::of(vec![task(1), task(51)]);
        let ms = Duration::from_millis;
        assert_eq!((figures.operations, figures.p50, figures.p90), (100, ms(50), ms(90)));
        assert_eq!((figures.p99, figures.max), (ms(99), ms(100)));
        let expected = 50.0 / 1.275 + 50.0 / 3.775;
        assert!((figures.per_second - expected).abs() < 1e-6, "{}", figures.per_second);
        assert_eq!(Figures::of(Vec::new()).operations, 0);
    }
}
