//! The settings of a near tier.

use std::time::Duration;

use kv_core::{Capabilities, Clock};

/// How long copies are kept near, and how many.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Near {
    /// The longest that a copy is used, 1 ms to a day: how stale a read may be where news of a change got lost, or
    /// the store sends none. 5 s by default. Over a store that reads elsewhere it is [`Near::MAX_ELSEWHERE_TTL`] at most.
    pub ttl: Duration,
    /// The most bytes of names and copies; what was not used for longest makes room. 64 MiB by default.
    pub max_bytes: u64,
    /// The largest value that is copied, in bytes. 1 MiB by default.
    pub max_item_bytes: usize,
    /// The clock whose monotonic side judges how old a copy is.
    pub clock: Clock,
}

impl Near {
    /// The longest that a copy of a tag is used, whatever [`Near::ttl`] is.
    pub const MAX_TAG_TTL: Duration = Duration::from_secs(1);

    /// The longest that any copy is used, whatever [`Near::ttl`] is, over a store that
    /// [reads elsewhere](Capabilities::reads_elsewhere), such as a [`Fallback`](kv_core::Fallback): a copy of what was old when
    /// it was read is corrected by no news.
    pub const MAX_ELSEWHERE_TTL: Duration = Duration::from_secs(1);

    const MAX_TTL: Duration = Duration::from_secs(86_400);

    /// Uses copies for at most this long, 1 ms to a day; over a store that reads elsewhere for
    /// [`Near::MAX_ELSEWHERE_TTL`] at most.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Keeps at most so many bytes of names and copies.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Copies no value of more bytes than this.
    #[must_use]
    pub fn max_item_bytes(mut self, bytes: usize) -> Self {
        self.max_item_bytes = bytes;
        self
    }

    /// The clock whose monotonic side judges how old a copy is.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    pub(super) fn longest(&self) -> Duration {
        self.ttl.clamp(Duration::from_millis(1), Self::MAX_TTL)
    }

    /// As [`Near::longest`], for copies of what such a store answers.
    pub(super) fn longest_over(&self, store: &Capabilities) -> Duration {
        let most = if store.reads_elsewhere { Self::MAX_ELSEWHERE_TTL } else { Self::MAX_TTL };
        self.longest().min(most)
    }
}

impl Default for Near {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(5),
            max_bytes: 64 << 20,
            max_item_bytes: 1 << 20,
            clock: Clock::system(),
        }
    }
}
