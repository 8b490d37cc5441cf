//! What a backend says of the database that it stands on: for `larder doctor`.

use std::borrow::Cow;
use std::future::Future;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but whoever runs it should know.
    Notice,
    /// Something will fail, or fails already.
    Bad,
}

/// One thing that was looked at, what was found, and what to do about it. Never a value and never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at, in a few words, such as `eviction policy`.
    pub about: Cow<'static, str>,
    /// How good it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: Cow<'static, str>,
    /// What to do about it; `None` where there is nothing to do.
    pub advice: Option<Cow<'static, str>>,
}

impl Finding {
    /// As it should be.
    pub fn good(about: impl Into<Cow<'static, str>>, found: impl Into<Cow<'static, str>>) -> Self {
        Self { about: about.into(), verdict: Verdict::Good, found: found.into(), advice: None }
    }

    /// It works, but has a price.
    pub fn notice(
        about: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { verdict: Verdict::Notice, advice: Some(advice.into()), ..Self::good(about, found) }
    }

    /// It fails, or will.
    pub fn bad(
        about: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { verdict: Verdict::Bad, advice: Some(advice.into()), ..Self::good(about, found) }
    }

    /// What a clock of another machine, `ahead_ms` milliseconds ahead of ours (behind if negative), means.
    ///
    /// `judges`: whether our clock decides about expiry there, so that a difference moves the end of lifetimes.
    pub fn clock(ahead_ms: i64, judges: bool) -> Self {
        let found = match ahead_ms {
            0 => "the server's clock agrees with ours".to_owned(),
            ahead => {
                let direction = if ahead > 0 { "ahead of" } else { "behind" };
                format!("the server's clock is {} ms {direction} ours", ahead.unsigned_abs())
            }
        };
        if ahead_ms.unsigned_abs() < CLOCKS_AGREE_MS {
            return Self::good("clock", found);
        }
        let advice = if judges {
            "each caller judges expiry by its own clock: synchronise the clocks of all machines (NTP), else entries \
             end early or late by the difference"
        } else {
            "the server judges expiry, so entries end in time; synchronise the clocks all the same (NTP)"
        };
        Self::notice("clock", found, advice)
    }
}

/// Clocks that differ by less agree: a `Date` header is whole seconds, and an answer takes its time.
const CLOCKS_AGREE_MS: u64 = 1_500;

/// A backend that can say how its database is set up.
pub trait Diagnose {
    /// What there is to say: versions, settings that matter here, clocks, room. One or a few requests; what may not be
    /// asked (a user without rights) is a notice, not an error.
    fn diagnose(&self) -> impl Future<Output = Vec<Finding>> + Send;
}

/// Nothing: what stands behind it is not known any more. Ask before erasing.
impl Diagnose for crate::AnyStore {
    async fn diagnose(&self) -> Vec<Finding> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Verdict};

    #[test]
    fn a_clock_that_is_off_is_a_notice_that_says_what_it_means() {
        assert_eq!(Finding::clock(900, true).verdict, Verdict::Good);
        let off = Finding::clock(-3_000, true);
        assert_eq!(off.verdict, Verdict::Notice);
        assert!(off.found.contains("3000 ms behind") && off.advice.unwrap().contains("NTP"));
        assert!(Finding::clock(3_000, false).advice.unwrap().contains("server judges"));
    }
}
