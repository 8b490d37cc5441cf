//! Whose clock judges, and the expressions by which it does.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kv_core::{Clock, Judge, ttl};
use mongodb::bson::{Bson, DateTime, Document, doc};

use crate::wire::DEADLINE;

/// 9999-12-31: the deadline of what never expires. It must be a date, and one above all others, for conditions and the
/// TTL index alike.
pub(crate) const NEVER_MS: i64 = 253_402_214_400_000;

/// An estimate of the server's time may be too low by what two clocks of whole milliseconds cut off.
const CUT_OFF_MS: i64 = 2;

/// The clock that judges.
#[derive(Debug)]
pub(crate) enum Time {
    /// The server's, asked within each command.
    Server(Ahead),
    /// The caller's wall clock.
    Caller(Clock),
}

/// This moment, within one command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Now {
    Server,
    Caller(i64),
}

impl Time {
    pub(crate) fn judge(&self) -> Judge {
        match self {
            Self::Server(_) => Judge::Server,
            Self::Caller(_) => Judge::Caller,
        }
    }

    pub(crate) fn now(&self) -> Now {
        match self {
            Self::Server(_) => Now::Server,
            Self::Caller(clock) => Now::Caller(signed(clock.unix_ms())),
        }
    }

    /// The moment a command is sent, to be given to [`Time::learn`].
    pub(crate) fn sent(&self) -> u64 {
        match self {
            Self::Server(ahead) => ahead.clock.monotonic_ms(),
            Self::Caller(_) => 0,
        }
    }

    /// Notes that an answer to a command sent at `sent` told this time of the server.
    pub(crate) fn learn(&self, sent: u64, server_ms: i64) {
        if let Self::Server(ahead) = self {
            ahead.learn(sent, server_ms);
        }
    }

    /// What was left of an entry that a command removed at `now`. A remove cannot tell the server's time, so that is
    /// estimated, never too early: no more is told than was left.
    pub(crate) fn left_of_removed(&self, deadline_ms: i64, now: Now) -> Option<Duration> {
        let now_ms = match (self, now) {
            (_, Now::Caller(now_ms)) => now_ms,
            (Self::Server(ahead), Now::Server) => ahead.estimate(),
            (Self::Caller(clock), Now::Server) => signed(clock.unix_ms()),
        };
        // It was alive when it was removed, however late the answer came.
        left(deadline_ms, deadline_ms.saturating_sub(now_ms).max(1))
    }
}

/// How far the server's wall clock is ahead of this process's monotonic one.
#[derive(Debug)]
pub(crate) struct Ahead {
    clock: Clock,
    ms: AtomicI64,
}

impl Ahead {
    /// Knows nothing yet but this machine's own wall clock.
    pub(crate) fn new() -> Self {
        let clock = Clock::system();
        let ms = signed(clock.unix_ms()) - signed(clock.monotonic_ms());
        Self { clock, ms: AtomicI64::new(ms) }
    }

    fn learn(&self, sent: u64, server_ms: i64) {
        self.ms.store(server_ms.saturating_sub(signed(sent)), Ordering::Relaxed);
    }

    /// The server's time: never too early, too late by the time that the sample was under way.
    fn estimate(&self) -> i64 {
        let ahead = self.ms.load(Ordering::Relaxed);
        signed(self.clock.monotonic_ms()).saturating_add(ahead).saturating_add(CUT_OFF_MS)
    }
}

impl Now {
    /// Whether an entry is alive; one without a date for a deadline is, so that whoever reads it finds the damage. Both
    /// sides are numbers: MongoDB would compare dates as well, its stand-in does not.
    pub(crate) fn alive(self) -> Document {
        doc! { "$gte": [deadline_in_ms(), self.in_ms()] }
    }

    /// What is left of an entry, in milliseconds.
    pub(crate) fn left(self) -> Document {
        doc! { "$subtract": [deadline_in_ms(), self.in_ms()] }
    }

    /// The deadline of an entry that lives for so many milliseconds; `None` never expires.
    pub(crate) fn deadline(self, ttl_ms: Option<u64>) -> Bson {
        let Some(ttl_ms) = ttl_ms.map(signed) else { return never() };
        match self {
            Self::Server => doc! { "$add": ["$$NOW", ttl_ms] }.into(),
            Self::Caller(now_ms) => DateTime::from_millis(now_ms.saturating_add(ttl_ms)).into(),
        }
    }

    /// This moment, in milliseconds since the epoch.
    pub(crate) fn in_ms(self) -> Bson {
        match self {
            Self::Server => doc! { "$toLong": "$$NOW" }.into(),
            Self::Caller(now_ms) => now_ms.into(),
        }
    }
}

/// The deadline of what never expires.
pub(crate) fn never() -> Bson {
    DateTime::from_millis(NEVER_MS).into()
}

/// What is left, as an entry tells it.
pub(crate) fn left(deadline_ms: i64, left_ms: i64) -> Option<Duration> {
    if deadline_ms >= NEVER_MS {
        return None;
    }
    Some(ttl::remaining(u64::try_from(left_ms).unwrap_or(0), 0).unwrap_or(Duration::from_millis(1)))
}

/// Whether an entry has a date for a deadline, so that it can be told whether it is alive.
pub(crate) fn is_dated() -> Document {
    doc! { "$eq": [{ "$type": format!("${DEADLINE}") }, "date"] }
}

/// No conversion may fail: the server would refuse the whole command for one document.
fn deadline_in_ms() -> Document {
    doc! { "$cond": [is_dated(), { "$toLong": format!("${DEADLINE}") }, NEVER_MS] }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::Clock;

    use super::{Ahead, NEVER_MS, Now, Time, left};

    #[test]
    fn never_is_a_date_and_told_as_no_ttl() {
        assert_eq!(Now::Server.deadline(None), Now::Caller(5).deadline(None));
        assert_eq!(left(NEVER_MS, NEVER_MS - 1), None);
        assert_eq!(left(1_000, 0), Some(Duration::from_millis(1)));
        assert_eq!(left(1_000, 7), Some(Duration::from_millis(7)));
    }

    #[test]
    fn what_was_left_of_a_removed_entry_is_never_more_than_it_was() {
        let time = Time::Server(Ahead::new());
        let sent = time.sent();
        time.learn(sent, 1_000_000);
        let told = time.left_of_removed(1_000_500, time.now()).unwrap();
        assert!(told <= Duration::from_millis(500) && told >= Duration::from_millis(1), "{told:?}");
        assert_eq!(time.left_of_removed(999_000, time.now()), Some(Duration::from_millis(1)));
        assert_eq!(time.left_of_removed(NEVER_MS, time.now()), None);
    }

    #[test]
    fn where_the_caller_judges_it_is_the_callers_clock_alone() {
        let clock = Clock::manual();
        let time = Time::Caller(clock.clone());
        let now = time.now();
        let Now::Caller(now_ms) = now else { panic!("{now:?}") };
        clock.advance(Duration::from_secs(9));
        assert_eq!(time.left_of_removed(now_ms + 40, now), Some(Duration::from_millis(40)));
    }
}
