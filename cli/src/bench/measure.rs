//! From the times of single operations to a rate and percentiles.

use std::time::Duration;

use serde_json::{Value, json};

/// The times of one task's operations, and of all it did.
#[derive(Debug, Default)]
pub(super) struct Times {
    operations: Vec<Duration>,
    /// Entries that were looked for and not there.
    misses: u64,
    turns: usize,
    all: Duration,
}

/// One operation: how long it took, and how many of the entries that it looked for were there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) took: Duration,
    pub(super) sought: usize,
    pub(super) found: usize,
}

impl Turn {
    /// An operation that looks for nothing.
    pub(super) const fn of(took: Duration) -> Self {
        Self { took, sought: 0, found: 0 }
    }
}

/// A task that has done so many has done enough: they are kept until the end.
const MOST: usize = 200_000;

impl Times {
    /// One operation, which took `all` with what it needed. One that found nothing is none of those that are measured: to learn
    /// that nothing is there is less work.
    pub(super) fn add(&mut self, Turn { took, sought, found }: Turn, all: Duration) {
        if sought == 0 || found > 0 {
            self.operations.push(took);
        }
        self.misses += sought.saturating_sub(found) as u64;
        self.turns += 1;
        self.all += all;
    }

    pub(super) fn is_full(&self) -> bool {
        self.operations.len() >= MOST
    }

    pub(super) fn turns(&self) -> usize {
        self.turns
    }
}

/// What many tasks measured together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) operations: usize,
    /// Entries that were looked for and not there.
    pub(super) misses: u64,
    pub(super) per_second: f64,
    pub(super) p50: Duration,
    pub(super) p90: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

impl Figures {
    /// The rate is that of all tasks together over `wall`, less the share of it in which they prepared something or found nothing.
    pub(super) fn of(tasks: Vec<Times>, wall: Duration) -> Self {
        let spent: Duration = tasks.iter().map(|times| times.all).sum();
        let misses = tasks.iter().map(|times| times.misses).sum();
        let mut all: Vec<_> = tasks.into_iter().flat_map(|times| times.operations).collect();
        let timed: Duration = all.iter().sum();
        let share = timed.as_secs_f64() / spent.as_secs_f64().max(f64::MIN_POSITIVE);
        let seconds = wall.as_secs_f64() * share;
        let count = u32::try_from(all.len()).map_or(f64::from(u32::MAX), f64::from);
        let per_second = if seconds > 0.0 { count / seconds } else { 0.0 };
        all.sort_unstable();
        let at = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(rank).copied().unwrap_or_default()
        };
        Self {
            operations: all.len(),
            misses,
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
            "operations": self.operations, "misses": self.misses, "per_second": self.per_second,
            "p50_us": micros(self.p50), "p90_us": micros(self.p90), "p99_us": micros(self.p99), "max_us": micros(self.max),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figures, Times, Turn};

    #[test]
    fn percentiles_are_times_that_were_measured_and_what_was_prepared_does_not_count() {
        let ms = Duration::from_millis;
        let task = |from: u64| {
            let mut times = Times::default();
            (from..from + 50).for_each(|time| times.add(Turn::of(ms(time)), ms(2 * time)));
            times
        };
        let figures = Figures::of(vec![task(1), task(51)], Duration::from_secs(10));
        assert_eq!((figures.operations, figures.p50, figures.p90), (100, ms(50), ms(90)));
        assert_eq!((figures.p99, figures.max), (ms(99), ms(100)));
        assert!((figures.per_second - 20.0).abs() < 1e-6, "100 in half of 10 s: {}", figures.per_second);
        let none = Figures::of(Vec::new(), ms(1));
        assert!(none.operations == 0 && none.per_second == 0.0);
    }

    #[test]
    fn what_was_not_there_is_counted_and_makes_nothing_look_quicker() {
        let ms = Duration::from_millis;
        let mut times = Times::default();
        for (took, sought, found) in [(10, 1, 1), (1, 1, 0), (1, 1, 0), (8, 1, 1), (20, 50, 20)] {
            times.add(Turn { took: ms(took), sought, found }, ms(took));
        }
        assert_eq!(times.turns(), 5);
        let figures = Figures::of(vec![times], ms(40));
        assert_eq!((figures.operations, figures.misses, figures.p50), (3, 32, ms(10)));
        assert!((figures.per_second - 3.0 / 0.038).abs() < 1e-6, "3 in 38 ms: {}", figures.per_second);
    }
}
