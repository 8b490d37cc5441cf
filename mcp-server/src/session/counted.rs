//! The sessions that this process opened or served lately, by whom they belong to: what the caps count.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Principal;
use crate::protocol::{Failure, code};

/// How long sessions live and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLimits {
    /// How long a session lives without a request.
    pub(crate) idle: Duration,
    /// The cap on those of one kind of principal.
    pub(crate) all: usize,
    /// The cap on those of one user; `None` is a tenth of all, at least one.
    pub(crate) one: Option<usize>,
    /// How long a request may go by what was read of its session before.
    pub(crate) copies: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30 * 60), all: 10_000, one: None, copies: Duration::ZERO }
    }
}

/// A cap that is reached, with the time after which the first of the counted sessions may have ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The share of this user.
    One { cap: usize, wait: Duration },
    /// That of all principals of a kind together.
    All { wait: Duration },
}

impl Full {
    /// What the client is told.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::One { cap, .. } => Failure::new(
                code::INVALID_REQUEST,
                format!(
                    "one user may have {cap} sessions at once: end one by DELETE, use one that is open, or try again \
                     after Retry-After"
                ),
            ),
            Self::All { .. } => Failure::new(
                code::INTERNAL_ERROR,
                "the server has as many sessions as it may: try again after Retry-After",
            ),
        }
    }

    /// What the operator is told.
    pub(crate) fn report(self) {
        match self {
            Self::One { cap, .. } => {
                tracing::info!(cap, "a user has as many sessions as .max_sessions_per_user(..) allows");
            }
            Self::All { .. } => tracing::warn!("there are as many sessions as .max_sessions(..) allows"),
        }
    }

    /// For `Retry-After`: whole seconds, at least one.
    pub(crate) fn seconds(self) -> u64 {
        let (Self::One { wait, .. } | Self::All { wait }) = self;
        wait.as_secs() + 1
    }
}

/// Anonymous callers, whoever started the process, and users are counted apart: no kind takes the place of another.
pub(super) struct Counted {
    limits: SessionLimits,
    pools: Mutex<[Pool; 3]>,
}

/// The principals of one kind, and when each of their sessions was last counted.
#[derive(Default)]
struct Pool {
    by_principal: HashMap<[u8; 32], Seen>,
    sessions: usize,
    /// While the pool is full: before this none can have ended by itself, and nobody looks through it again.
    full_until: Option<Instant>,
}

/// By the digests of their keys.
type Seen = HashMap<u64, Instant>;

impl Counted {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self { limits, pools: Mutex::default() }
    }

    /// Counts a session of `principal` as active, unless it is a new one and a cap is reached.
    pub(super) fn count(&self, principal: &Principal, key: &str) -> Result<(), Full> {
        let Some(session) = digest(key) else { return Ok(()) };
        let now = Instant::now();
        let SessionLimits { idle, all, .. } = self.limits;
        let (owner, share) = (principal.key(), self.share(principal));
        self.with_pool(principal, |pool| {
            if let Some(seen) = pool.by_principal.get_mut(&owner).and_then(|seen| seen.get_mut(&session)) {
                *seen = now;
                return Ok(());
            }
            if let Some(cap) = share {
                pool.room_of(&owner, cap, idle, now).map_err(|wait| Full::One { cap, wait })?;
            }
            pool.room(all, idle, now).map_err(|wait| Full::All { wait })?;
            pool.by_principal.entry(owner).or_default().insert(session, now);
            pool.sessions += 1;
            Ok(())
        })
    }

    pub(super) fn forget(&self, principal: &Principal, key: &str) {
        let Some(session) = digest(key) else { return };
        self.with_pool(principal, |pool| pool.forget(&principal.key(), session));
    }

    /// The cap on the sessions of this principal alone. Those that are nobody in particular are not told apart.
    fn share(&self, principal: &Principal) -> Option<usize> {
        let SessionLimits { all, one, .. } = self.limits;
        principal.is_user().then(|| one.unwrap_or((all / 10).max(1)))
    }

    fn with_pool<T>(&self, principal: &Principal, work: impl FnOnce(&mut Pool) -> T) -> T {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let [users, anonymous, local] = &mut *pools;
        work(if principal.is_user() {
            users
        } else if principal.is_anonymous() {
            anonymous
        } else {
            local
        })
    }
}

impl Pool {
    /// Whether this principal has less than `cap` sessions; else how long the first of them has at most.
    fn room_of(
        &mut self,
        owner: &[u8; 32],
        cap: usize,
        idle: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        let Some(seen) = self.by_principal.get_mut(owner).filter(|seen| seen.len() >= cap) else {
            return if cap > 0 { Ok(()) } else { Err(idle) };
        };
        let before = seen.len();
        seen.retain(|_, seen| now.duration_since(*seen) < idle);
        self.sessions -= before - seen.len();
        if seen.len() < cap { Ok(()) } else { Err(left(seen.values(), idle, now)) }
    }

    /// As [`Pool::room_of`], for all together.
    fn room(&mut self, cap: usize, idle: Duration, now: Instant) -> Result<(), Duration> {
        if self.sessions < cap {
            return Ok(());
        }
        if let Some(until) = self.full_until.filter(|until| now < *until) {
            return Err(until - now);
        }
        for seen in self.by_principal.values_mut() {
            seen.retain(|_, seen| now.duration_since(*seen) < idle);
        }
        self.by_principal.retain(|_, seen| !seen.is_empty());
        self.sessions = self.by_principal.values().map(HashMap::len).sum();
        if self.sessions < cap {
            return Ok(());
        }
        let wait = left(self.by_principal.values().flat_map(HashMap::values), idle, now);
        self.full_until = Some(now + wait);
        Err(wait)
    }

    fn forget(&mut self, owner: &[u8; 32], session: u64) {
        let Some(seen) = self.by_principal.get_mut(owner) else { return };
        if seen.remove(&session).is_some() {
            self.sessions -= 1;
        }
        if seen.is_empty() {
            self.by_principal.remove(owner);
        }
    }
}

/// How long the oldest of `seen` has at most, if nobody uses it.
fn left<'a>(seen: impl Iterator<Item = &'a Instant>, idle: Duration, now: Instant) -> Duration {
    seen.min().map_or(idle, |oldest| idle.saturating_sub(now.duration_since(*oldest)))
}

/// The first quarter of a session's key: enough to count it by, and nobody chooses it.
fn digest(key: &str) -> Option<u64> {
    u64::from_str_radix(key.get(..16)?, 16).ok()
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Counted, Full, SessionLimits};
    use crate::Principal;

    const IDLE: Duration = Duration::from_secs(60);

    fn counted(all: usize, one: Option<usize>) -> Counted {
        Counted::new(SessionLimits { idle: IDLE, all, one, ..SessionLimits::default() })
    }

    fn key(number: u32) -> String {
        format!("{number:064x}").chars().rev().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_who_takes_all_that_is_allowed_leaves_the_others_their_share() {
        let counted = counted(100, None);
        let (ada, bob) = (Principal::user("test", "ada"), Principal::user("test", "bob"));
        for number in 0..10 {
            counted.count(&ada, &key(number)).unwrap();
        }
        tokio::time::advance(IDLE / 2).await;
        assert_eq!(counted.count(&ada, &key(10)), Err(Full::One { cap: 10, wait: IDLE / 2 }));
        counted.count(&ada, &key(9)).unwrap(); // an open one is served on
        counted.count(&bob, &key(11)).unwrap();
        counted.forget(&ada, &key(0));
        counted.count(&ada, &key(10)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn anonymous_callers_users_and_the_local_one_do_not_take_each_others_place() {
        let counted = counted(2, Some(2));
        for principal in [Principal::anonymous(), Principal::user("test", "ada"), Principal::local()] {
            for number in 0..2 {
                counted.count(&principal, &key(number)).unwrap();
            }
            assert!(counted.count(&principal, &key(2)).is_err(), "{principal:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_server_has_room_when_one_ends_or_is_idle_and_says_when_that_may_be() {
        let counted = counted(2, Some(1));
        let user = |name| Principal::user("test", name);
        counted.count(&user("a"), &key(0)).unwrap();
        tokio::time::advance(IDLE / 4).await;
        counted.count(&user("b"), &key(1)).unwrap();
        let full = counted.count(&user("c"), &key(2)).unwrap_err();
        assert_eq!((full, full.seconds()), (Full::All { wait: IDLE / 4 * 3 }, 46));
        tokio::time::advance(IDLE / 4).await;
        assert_eq!(counted.count(&user("c"), &key(2)), Err(Full::All { wait: IDLE / 2 }));
        counted.forget(&user("b"), &key(1));
        counted.count(&user("c"), &key(2)).unwrap();
        counted.count(&user("a"), &key(0)).unwrap();
        tokio::time::advance(IDLE / 4 * 3).await; // "c" is in use no more than "a"
        assert!(counted.count(&user("d"), &key(3)).is_err());
        tokio::time::advance(IDLE / 4).await;
        counted.count(&user("d"), &key(3)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn idle_sessions_of_a_user_do_not_count() {
        let counted = counted(100, Some(2));
        let ada = Principal::user("test", "ada");
        for round in 0..5 {
            counted.count(&ada, &key(2 * round)).unwrap();
            counted.count(&ada, &key(2 * round + 1)).unwrap();
            assert!(counted.count(&ada, &key(99)).is_err());
            tokio::time::advance(IDLE).await;
        }
    }

    #[test]
    fn a_cap_of_zero_refuses_everybody() {
        let full = |counted: &Counted, principal: &Principal| counted.count(principal, &key(0)).unwrap_err();
        let ada = Principal::user("test", "ada");
        assert_eq!(full(&counted(10, Some(0)), &ada), Full::One { cap: 0, wait: IDLE });
        assert_eq!(full(&counted(0, None), &Principal::anonymous()), Full::All { wait: IDLE });
    }
}
