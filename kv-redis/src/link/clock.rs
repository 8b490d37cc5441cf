//! The server's clock as seen from here.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kv_core::Result;
use redis::{Cmd, Value};

use super::Live;
use crate::error::{self, Fault};
use crate::wire;

/// The difference between the server's clock and ours, read when a connection is made and each minute from then on.
///
/// It serves to report what is left of a ttl; the server alone decides what has expired. Two processes may differ by half
/// a round trip each.
#[derive(Debug)]
pub(crate) struct ServerClock {
    start: Instant,
    /// Server's microseconds since the epoch, less ours since `start`.
    ahead: AtomicI64,
}

impl ServerClock {
    /// One that no server has told anything yet: that of this machine.
    pub(crate) fn unread() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ahead = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        Self { start: Instant::now(), ahead: AtomicI64::new(ahead) }
    }

    /// The server's milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from((self.local() + self.ahead.load(Ordering::Relaxed)) / 1_000).unwrap_or(0)
    }

    /// Asks the server for its time. A user who may not ask gets by with the clock of this machine.
    pub(super) async fn read(&self, mut live: Live) -> Result<()> {
        let mut time = Cmd::new();
        time.arg("TIME");
        let from = self.local();
        let answer = live.send(&time).await.map_err(Fault::Lost)?;
        let by = self.local();
        match answer {
            Value::Array(parts) => {
                let part =
                    |at: usize| parts.get(at).and_then(wire::text).and_then(|text| text.parse::<i64>().ok());
                let (Some(seconds), Some(micros)) = (part(0), part(1)) else { return Err(error::nonsense()) };
                self.learn(seconds.saturating_mul(1_000_000).saturating_add(micros), from, by);
                Ok(())
            }
            Value::ServerError(refusal) if refusal.code() == "NOPERM" => Ok(()),
            Value::ServerError(refusal) => Err(error::refused(&refusal)),
            _ => Err(error::nonsense()),
        }
    }

    /// The server's clock showed `server` between `from` and `by` of ours. What was believed stays if that fits: a
    /// remaining ttl then never grows because somebody looked again.
    fn learn(&self, server: i64, from: i64, by: i64) {
        let (least, most) = (server - by, server - from);
        if !(least..=most).contains(&self.ahead.load(Ordering::Relaxed)) {
            self.ahead.store(least + (most - least) / 2, Ordering::Relaxed);
        }
    }

    fn local(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::ServerClock;

    #[test]
    fn a_belief_that_fits_is_kept_and_one_that_does_not_is_replaced() {
        let clock = ServerClock::unread();
        clock.learn(5_000_000, 1_000, 3_000);
        let ahead = |clock: &ServerClock| clock.ahead.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(ahead(&clock), 4_998_000);
        clock.learn(5_010_000, 11_500, 12_500);
        assert_eq!(ahead(&clock), 4_998_000, "it lies between");
        clock.learn(9_000_000, 12_000, 14_000);
        assert_eq!(ahead(&clock), 8_987_000, "the server's clock was set");
    }
}
