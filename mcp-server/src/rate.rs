//! How many requests of one kind a caller may send in a while: a bucket of tokens for each (MCP 2026-07-28,
//! server/utilities/completion, "Security").

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Principal;
use crate::protocol::{Failure, code};

/// How many requests one authenticated user may send per second in the long run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
}

/// So many seconds' worth may come at once.
const BURST: u32 = 4;
/// So many users' worth have all anonymous callers together, and so has whoever started the process.
const TOGETHER: u32 = 10;
/// Before there are so many buckets nobody looks for those that are full again.
const SWEPT_FROM: usize = 1_024;

/// A bucket for each caller. One that nobody draws from is full after some seconds, and as good as none.
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
    /// How many were there at `looked`.
    tokens: f64,
    looked: Instant,
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

    /// Draws one token of the bucket of `principal`.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn draw(&self, principal: &Principal) -> Result<(), TooMany> {
        let now = Instant::now();
        let alone = principal.is_user();
        let per_second = self.rate.per_second.saturating_mul(if alone { 1 } else { TOGETHER });
        let (rate, full) = (f64::from(per_second), f64::from(per_second.saturating_mul(BURST)));
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.sweep(now);
        let bucket = drawn.buckets.entry(principal.key()).or_insert(Bucket { tokens: full, looked: now });
        bucket.tokens = full.min(bucket.tokens + now.duration_since(bucket.looked).as_secs_f64() * rate);
        bucket.looked = now;
        if bucket.tokens < 1.0 {
            let wait = Duration::from_secs_f64((1.0 - bucket.tokens) / rate);
            return Err(TooMany { per_second, alone, wait });
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

impl Drawn {
    /// Forgets the buckets that are full again.
    fn sweep(&mut self, now: Instant) {
        if self.buckets.len() < self.sweep_at {
            return;
        }
        let full_after = Duration::from_secs(BURST.into());
        self.buckets.retain(|_, bucket| now.duration_since(bucket.looked) < full_after);
        self.sweep_at = SWEPT_FROM.max(self.buckets.len() * 2);
    }
}

impl TooMany {
    /// What the client is told of its `kind` of requests: a user has exceeded a share, all others a common limit.
    pub(crate) fn failure(self, kind: &str) -> Failure {
        let Self { per_second, alone, wait } = self;
        let wait = wait.as_millis() + 1;
        if alone {
            let message =
                format!("one user may ask for {per_second} {kind} per second: try again in {wait} ms");
            return Failure::new(code::INVALID_REQUEST, message);
        }
        let message = format!("more {kind} are asked for than the server answers: try again in {wait} ms");
        Failure::new(code::INTERNAL_ERROR, message)
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
        let buckets = Buckets::new(Rate { per_second: 5 });
        for _ in 0..20 {
            buckets.draw(&user("ada")).unwrap();
        }
        let failure = buckets.draw(&user("ada")).unwrap_err().failure("completions");
        assert_eq!(failure.code, code::INVALID_REQUEST);
        assert_eq!(failure.message, "one user may ask for 5 completions per second: try again in 201 ms");
        buckets.draw(&user("bob")).unwrap();
        tokio::time::advance(Duration::from_millis(201)).await;
        buckets.draw(&user("ada")).unwrap();
        assert!(buckets.draw(&user("ada")).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_nobody_tells_apart_share_a_larger_one() {
        let buckets = Buckets::new(Rate { per_second: 1 });
        for principal in [Principal::anonymous(), Principal::local()] {
            for _ in 0..40 {
                buckets.draw(&principal).unwrap();
            }
            let failure = buckets.draw(&principal).unwrap_err().failure("completions");
            assert_eq!(failure.code, code::INTERNAL_ERROR);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_never_holds_more_than_a_burst_and_a_full_one_is_forgotten() {
        let buckets = Buckets::new(Rate { per_second: 1 });
        buckets.draw(&user("ada")).unwrap();
        tokio::time::advance(Duration::from_secs(3600)).await;
        for _ in 0..4 {
            buckets.draw(&user("ada")).unwrap();
        }
        assert!(buckets.draw(&user("ada")).is_err());
        for number in 1..SWEPT_FROM {
            buckets.draw(&user(number.to_string())).unwrap();
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        buckets.draw(&user("bob")).unwrap();
        assert_eq!(buckets.drawn.lock().unwrap().buckets.len(), 1);
    }
}
