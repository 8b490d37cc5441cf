//! How many tries a call has, how long it waits between them, and when it ends.

use std::future::Future;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep, timeout_at};

#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) tries: u32,
    pub(super) deadline: Duration,
    /// Whether a try that runs at the deadline is dropped.
    pub(super) cuts_tries: bool,
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

/// What is left of one call.
#[derive(Debug)]
pub(super) struct Pace {
    tries_left: u32,
    /// `None` is never: a deadline beyond what the clock can count.
    until: Option<Instant>,
    cuts_tries: bool,
    pause: Duration,
    longest: Duration,
}

impl Policy {
    pub(super) const DEFAULT: Self = Self {
        tries: 3,
        deadline: Duration::from_secs(10),
        cuts_tries: true,
        first: Duration::from_millis(50),
        longest: Duration::from_secs(1),
    };

    pub(super) fn start(&self) -> Pace {
        Pace {
            tries_left: self.tries.saturating_sub(1),
            until: Instant::now().checked_add(self.deadline),
            cuts_tries: self.cuts_tries,
            pause: self.first,
            longest: self.longest,
        }
    }
}

impl Pace {
    /// What `call` answers; `None` when the time ran out, and `call` was dropped.
    pub(super) async fn within<T: Send>(&self, call: impl Future<Output = T> + Send) -> Option<T> {
        match self.until.filter(|_| self.cuts_tries) {
            Some(until) => timeout_at(until, call).await.ok(),
            None => Some(call.await),
        }
    }

    /// Waits until it is time for another try; false, at once, if there is none or it would come too late.
    pub(super) async fn again(&mut self) -> bool {
        let Some(left) = self.tries_left.checked_sub(1) else { return false };
        let pause = by_chance(self.pause.min(self.longest));
        if self.until.is_some_and(|until| Instant::now().checked_add(pause).is_none_or(|then| then >= until))
        {
            return false;
        }
        self.tries_left = left;
        self.pause = self.pause.saturating_mul(2).min(self.longest);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        true
    }
}

/// Between the half and the whole of `pause`, so that those who failed together do not come back together.
fn by_chance(pause: Duration) -> Duration {
    pause / 2 + (pause / 2).mul_f64(rand::rng().random())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Policy;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest_and_are_never_shorter_than_half() {
        let policy = Policy { tries: 8, deadline: Duration::MAX, ..Policy::DEFAULT };
        let mut pace = policy.start();
        for whole in [50, 100, 200, 400, 800, 1_000, 1_000] {
            let before = Instant::now();
            assert!(pace.again().await);
            let paused = before.elapsed();
            let whole = Duration::from_millis(whole);
            // tokio's timer counts whole milliseconds
            assert!(
                paused >= whole / 2 && paused <= whole + Duration::from_millis(1),
                "{paused:?} of {whole:?}"
            );
        }
        assert!(!pace.again().await, "eight tries are seven pauses");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_would_pass_the_deadline_is_not_begun() {
        let policy = Policy { deadline: Duration::from_millis(20), ..Policy::DEFAULT };
        let before = Instant::now();
        assert!(!policy.start().again().await);
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
