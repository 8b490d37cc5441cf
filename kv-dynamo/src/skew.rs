//! How far this machine's clock is from the service's: told by the date of an answer that is asked for anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use kv_core::Clock;

/// Clocks that differ by less are not worth a word.
const WORTH_TELLING_MS: u64 = 1_000;
/// A date has whole seconds.
const SECOND_MS: i64 = 1_000;
const UNKNOWN: i64 = i64::MIN;

/// Reads the date of the answer that passes by.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    clock: Clock,
    sent_ms: Arc<AtomicI64>,
    ahead_ms: Arc<AtomicI64>,
}

impl Watch {
    pub(crate) fn by(clock: &Clock) -> Self {
        let unknown = || Arc::new(AtomicI64::new(UNKNOWN));
        Self { clock: clock.clone(), sent_ms: unknown(), ahead_ms: unknown() }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.clock.unix_ms()).unwrap_or(i64::MAX)
    }

    /// How far the clock is ahead of the service's at least, below zero behind; `None` if no answer had a date.
    pub(crate) fn ahead_ms(&self) -> Option<i64> {
        Some(self.ahead_ms.load(Ordering::Relaxed)).filter(|ms| *ms != UNKNOWN)
    }

    /// What to tell whoever runs this machine.
    pub(crate) fn warning(&self) -> Option<String> {
        let ahead = self.ahead_ms().filter(|ms| ms.unsigned_abs() >= WORTH_TELLING_MS)?;
        let (seconds, where_, when) = match ahead {
            0.. => (
                ahead.unsigned_abs() / 1_000,
                "ahead of",
                "early here, and what is written here ends late elsewhere",
            ),
            _ => (
                ahead.unsigned_abs() / 1_000,
                "behind",
                "late here, and what is written here ends early elsewhere",
            ),
        };
        Some(format!(
            "the clock of this machine is {seconds} s or more {where_} DynamoDB's: entries of others end that much {when}; \
             synchronise it"
        ))
    }
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "date of the answer"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.sent_ms.store(self.now_ms(), Ordering::Relaxed);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date_ms) = context.response().headers().get("date").and_then(milliseconds) {
            let sent_ms = self.sent_ms.load(Ordering::Relaxed);
            self.ahead_ms.store(ahead(sent_ms, date_ms, self.now_ms()), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The date was written after the request was sent and before its answer was here: what contradicts that is the
/// difference of the clocks, at least, however slow the network is.
const fn ahead(sent_ms: i64, date_ms: i64, received_ms: i64) -> i64 {
    if sent_ms > date_ms + SECOND_MS {
        sent_ms - date_ms - SECOND_MS
    } else if received_ms < date_ms {
        received_ms - date_ms
    } else {
        0
    }
}

/// The beginning of the second that a date names (RFC 9110 §5.6.7).
fn milliseconds(date: &str) -> Option<i64> {
    DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?.to_millis().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use kv_core::Clock;

    use super::{Watch, ahead, milliseconds};

    #[test]
    fn a_date_is_read_and_garbage_is_not() {
        assert_eq!(milliseconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(milliseconds("yesterday"), None);
    }

    #[test]
    fn a_slow_network_is_not_taken_for_a_wrong_clock() {
        for (sent, date, received) in
            [(10_300, 10_000, 10_301), (10_900, 11_000, 25_000), (9_000, 20_000, 25_000)]
        {
            assert_eq!(ahead(sent, date, received), 0);
        }
        assert_eq!(ahead(15_300, 10_000, 15_400), 4_300);
        assert_eq!(ahead(5_300, 10_000, 5_400), -4_600);
    }

    #[test]
    fn only_a_clock_that_is_seconds_off_is_told_of() {
        let watch = Watch::by(&Clock::system());
        assert_eq!((watch.ahead_ms(), watch.warning()), (None, None));
        for (ms, told) in [
            (0, None),
            (900, None),
            (-900, None),
            (7_300, Some("7 s or more ahead")),
            (-7_300, Some("7 s or more behind")),
        ] {
            watch.ahead_ms.store(ms, Ordering::Relaxed);
            assert_eq!(watch.ahead_ms(), Some(ms));
            match (watch.warning(), told) {
                (None, None) => (),
                (Some(text), Some(part)) => assert!(text.contains(part), "{text}"),
                (text, told) => panic!("{text:?} instead of {told:?}"),
            }
        }
    }
}
