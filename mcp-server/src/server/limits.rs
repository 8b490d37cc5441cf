//! What a server bounds, and the bounds' defaults.

use std::time::Duration;

use crate::places::PlaceLimits;
use crate::rate::Rate;
use crate::session::SessionLimits;
use crate::{Error, Result};

/// The longest lifetime that can be asked for.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(crate) struct Limits {
    pub(crate) sessions: SessionLimits,
    pub(crate) user_state: Duration,
    pub(crate) opened_sessions: Duration,
    pub(crate) handler_timeout: Duration,
    pub(crate) calls: PlaceLimits,
    pub(crate) listening: PlaceLimits,
    pub(crate) completing: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: SessionLimits::default(),
            user_state: Duration::from_secs(30 * 24 * 3600),
            opened_sessions: Duration::from_secs(24 * 3600),
            handler_timeout: Duration::from_secs(10 * 60),
            calls: PlaceLimits::default(),
            listening: PlaceLimits::default(),
            completing: Rate::of_requests(50),
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<()> {
        if self.completing.per_second == 0 {
            return Err(Error::new(
                ".max_completions_per_second(..) must be more than zero: without completers there are no completions",
            ));
        }
        if self.sessions.copies > LONGEST {
            return Err(Error::new(".session_cache(..) must be at most 100 years; zero turns it off"));
        }
        let lifetimes = [
            (self.sessions.idle, ".session_idle_timeout(..)"),
            (self.user_state, ".state_ttl(..)"),
            (self.opened_sessions, ".opened_session_ttl(..)"),
            (self.handler_timeout, ".handler_timeout(..)"),
        ];
        match lifetimes.iter().find(|(lifetime, _)| lifetime.is_zero() || *lifetime > LONGEST) {
            Some((_, setting)) => {
                Err(Error::new(format!("{setting} must be more than zero and at most 100 years")))
            }
            None => Ok(()),
        }
    }
}
