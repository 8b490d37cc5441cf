//! What a server bounds, and the bounds' defaults.

use std::time::Duration;

use crate::places::PlaceLimits;
use crate::session::SessionLimits;
use crate::{Error, Result};

/// The longest lifetime that can be asked for.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) struct Limits {
    pub(super) sessions: SessionLimits,
    pub(super) user_state: Duration,
    pub(super) handler_timeout: Duration,
    pub(super) calls: PlaceLimits,
    pub(super) listening: PlaceLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: SessionLimits::default(),
            user_state: Duration::from_secs(30 * 24 * 3600),
            handler_timeout: Duration::from_secs(10 * 60),
            calls: PlaceLimits::default(),
            listening: PlaceLimits::default(),
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<()> {
        let lifetimes = [
            (self.sessions.idle, ".session_idle_timeout(..)"),
            (self.user_state, ".state_ttl(..)"),
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
