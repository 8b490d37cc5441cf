//! How many requests of one kind a caller may send in a while: a bucket of tokens for each (MCP 2026-07-28,
//! server/utilities/completion, "Security").

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Principal;
use crate::protocol::{Failure, code};

/// How much of something one authenticated user may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// In the long run.
    pub(crate) per_second: u32,
    /// By whom nothing was asked for in a while.
    pub(crate) at_once: u32,
}

impl Rate {
    /// So many requests per second, and four seconds' worth at once.
    pub(crate) const fn of_requests(per_second: u32) -> Self {
        Self { per_second, at_once: per_second.saturating_mul(4) }
    }
}

/// So many users' worth have all anonymous callers together, and so has whoever started the process.
const TOGETHER: u32 = 10;
/// Before there are so many buckets nobody looks for those that are full again.
const SWEPT_FROM: usize = 1_024;

/// A bucket for each caller. One that nobody draws from is full after a while, and as good as none.
pub(crate) struct Buckets {
    rate: Rate,
    drawn: Mutex<Drawn>,
}

struct Drawn {
    buckets: HashMap<[u8; 32], Bucket>,
    /// Sweeping waits until there are so many, twice as many as the last sweep left: it costs each request a constant.
    sweep_at: usize,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// How many were there at `looked`; below zero, how many were drawn ahead.
    tokens: f64,
    looked: Instant,
    full_at: Instant,
}

/// A caller has drawn all that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    per_second: u32,
    alone: bool,
    wait: Duration,
}

impl Buckets {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, drawn: Mutex::new(Drawn { buckets: HashMap::new(), sweep_at: SWEPT_FROM }) }
    }

    /// Draws from the bucket of `principal`: as long as there is one token, so many, which the next draws wait for.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn draw(&self, principal: &Principal, tokens: u32) -> Result<(), TooMany> {
        let now = Instant::now();
        let alone = principal.is_user();
        let share = |one: u32| one.saturating_mul(if alone { 1 } else { TOGETHER });
        let per_second = share(self.rate.per_second);
        let (rate, full) = (f64::from(per_second), f64::from(share(self.rate.at_once)));
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.sweep(now);
        let fresh = Bucket { tokens: full, looked: now, full_at: now };
        let bucket = drawn.buckets.entry(principal.key()).or_insert(fresh);
        bucket.tokens = full.min(bucket.tokens + now.duration_since(bucket.looked).as_secs_f64() * rate);
        bucket.looked = now;
        if bucket.tokens < 1.0 {
            let wait = Duration::from_secs_f64((1.0 - bucket.tokens) / rate);
            return Err(TooMany { per_second, alone, wait });
        }
        bucket.tokens -= f64::from(tokens);
        bucket.full_at = now + Duration::from_secs_f64((full - bucket.tokens) / rate);
        Ok(())
    }
}

impl Drawn {
    /// Forgets the buckets that are full again.
    fn sweep(&mut self, now: Instant) {
        if self.buckets.len() < self.sweep_at {
            return;
        }
        self.buckets.retain(|_, bucket| now < bucket.full_at);
        self.sweep_at = SWEPT_FROM.max(self.buckets.len() * 2);
    }
}

impl TooMany {
    /// What the client is told of its `kind` of requests: a user has exceeded a share, all others a common limit.
    pub(crate) fn failure(self, kind: &str) -> Failure {
        self.told(
            &format!("one user may ask for {} {kind} per second", self.per_second),
            &format!("more {kind} are asked for than the server answers"),
        )
    }

    /// As [`TooMany::failure`], in these words for a user and for all others.
    pub(crate) fn told(self, user: &str, others: &str) -> Failure {
        let wait = self.wait.as_millis() + 1;
        if self.alone {
            Failure::new(code::INVALID_REQUEST, format!("{user}: try again in {wait} ms"))
        } else {
            Failure::new(code::INTERNAL_ERROR, format!("{others}: try again in {wait} ms"))
        }
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Buckets, Rate, SWEPT_FROM};
    use crate::Principal;
    use crate::protocol::code;

    fn user(name: impl Into<String>) -> Principal {
        Principal::user("test", name)
    }

    #[tokio::test(start_paused = true)]
    async fn who_draws_too_fast_waits_and_nobody_else_does() {
        let buckets = Buckets::new(Rate::of_requests(5));
        for _ in 0..20 {
            buckets.draw(&user("ada"), 1).unwrap();
        }
        let failure = buckets.draw(&user("ada"), 1).unwrap_err().failure("completions");
        assert_eq!(failure.code, code::INVALID_REQUEST);
        assert_eq!(failure.message, "one user may ask for 5 completions per second: try again in 201 ms");
        buckets.draw(&user("bob"), 1).unwrap();
        tokio::time::advance(Duration::from_millis(201)).await;
        buckets.draw(&user("ada"), 1).unwrap();
        assert!(buckets.draw(&user("ada"), 1).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_nobody_tells_apart_share_a_larger_one() {
        let buckets = Buckets::new(Rate::of_requests(1));
        for principal in [Principal::anonymous(), Principal::local()] {
            for _ in 0..40 {
                buckets.draw(&principal, 1).unwrap();
            }
            let failure = buckets.draw(&principal, 1).unwrap_err().failure("completions");
            assert_eq!(failure.code, code::INTERNAL_ERROR);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_draws_much_at_once_waits_until_all_of_it_has_come() {
        let buckets = Buckets::new(Rate { per_second: 10, at_once: 100 });
        buckets.draw(&user("ada"), 99).unwrap();
        buckets.draw(&user("ada"), 500).unwrap();
        tokio::time::advance(Duration::from_secs(49)).await;
        let failure = buckets.draw(&user("ada"), 1).unwrap_err().told("a user", "all");
        assert_eq!(failure.message, "a user: try again in 1001 ms");
        tokio::time::advance(Duration::from_millis(1_001)).await;
        buckets.draw(&user("ada"), 1).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_never_holds_more_than_a_burst_and_a_full_one_is_forgotten() {
        let buckets = Buckets::new(Rate::of_requests(1));
        buckets.draw(&user("ada"), 1).unwrap();
        tokio::time::advance(Duration::from_secs(3600)).await;
        for _ in 0..4 {
            buckets.draw(&user("ada"), 1).unwrap();
        }
        assert!(buckets.draw(&user("ada"), 1).is_err());
        for number in 1..SWEPT_FROM {
            buckets.draw(&user(number.to_string()), 1).unwrap();
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        buckets.draw(&user("bob"), 1).unwrap();
        assert_eq!(buckets.drawn.lock().unwrap().buckets.len(), 1);
    }
}
