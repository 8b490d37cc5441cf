//! The sessions that this process opened or served lately, by whom they belong to: what the caps count.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
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

/// Whose a session is, as it is counted: also where another process tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Owner {
    /// A user, by the key of the principal.
    User([u8; 32]),
    /// Nobody in particular.
    Anonymous,
    /// Whoever started the process.
    Local,
}

impl Owner {
    fn key(self) -> [u8; 32] {
        match self {
            Self::User(key) => key,
            Self::Anonymous => Principal::anonymous().key(),
            Self::Local => Principal::local().key(),
        }
    }
}

impl From<&Principal> for Owner {
    fn from(principal: &Principal) -> Self {
        if principal.is_user() {
            Self::User(principal.key())
        } else if principal.is_anonymous() {
            Self::Anonymous
        } else {
            Self::Local
        }
    }
}

/// Anonymous callers, whoever started the process, and users are counted apart: no kind takes the place of another.
pub(super) struct Counted {
    limits: SessionLimits,
    pools: Mutex<[Pool; 3]>,
    /// How often a session was forgotten, by the first byte of its digest: what the store said before may be out of date.
    forgotten: [AtomicU64; 256],
    /// What moments are counted from.
    begun: Instant,
}

/// A moment, in tenths of a second since counting began: it stands beside each session, and the clock's own kind takes
/// four times the room. It ends after 13 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(u32);

impl Moment {
    fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(100 * u64::from(self.0.saturating_sub(earlier.0)))
    }

    fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(tenths(time)))
    }
}

fn tenths(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / 100).unwrap_or(u32::MAX)
}

/// When the store was asked for a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked(u64);

/// The principals of one kind, and when each of their sessions was last counted.
#[derive(Default)]
struct Pool {
    by_principal: HashMap<[u8; 32], Seen>,
    sessions: usize,
    /// While the pool is full: before this none can have ended by itself, and nobody looks through it again.
    full_until: Option<Moment>,
}

/// By the digests of their keys.
type Seen = HashMap<u64, Moment>;

impl Counted {
    pub(super) fn new(limits: SessionLimits) -> Self {
        let forgotten = std::array::from_fn(|_| AtomicU64::new(0));
        Self { limits, pools: Mutex::default(), forgotten, begun: Instant::now() }
    }

    /// Counts a session of `owner` as active, unless it is a new one and a cap is reached.
    pub(super) fn count(&self, owner: Owner, key: &str) -> Result<(), Full> {
        self.with_pool(owner, |pool| self.count_in(pool, owner, key))
    }

    fn count_in(&self, pool: &mut Pool, owner: Owner, key: &str) -> Result<(), Full> {
        let Some(session) = digest(key) else { return Ok(()) };
        let now = Moment(tenths(self.begun.elapsed()));
        let SessionLimits { idle, all, .. } = self.limits;
        let share = self.share(owner);
        let owner = owner.key();
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
    }

    /// To be called before the store is asked for a session that [`Counted::serve`] is to count.
    pub(super) fn asking(&self, key: &str) -> Asked {
        Asked(self.forgotten(key).map_or(0, |forgotten| forgotten.load(Ordering::Acquire)))
    }

    /// Counts a session that the store has, whoever opened it: it is served, however many there are. Not if it may have
    /// been forgotten since the store was asked; where it is still there the next request counts it.
    pub(super) fn serve(&self, owner: Owner, key: &str, asked: Asked) {
        self.with_pool(owner, |pool| {
            if self.asking(key).0 == asked.0 {
                let _ = self.count_in(pool, owner, key);
            }
        });
    }

    pub(super) fn forget(&self, owner: Owner, key: &str) {
        let Some(session) = digest(key) else { return };
        self.with_pool(owner, |pool| {
            if let Some(forgotten) = self.forgotten(key) {
                forgotten.fetch_add(1, Ordering::AcqRel);
            }
            pool.forget(&owner.key(), session);
        });
    }

    fn forgotten(&self, key: &str) -> Option<&AtomicU64> {
        let [first, ..] = digest(key)?.to_be_bytes();
        self.forgotten.get(usize::from(first))
    }

    /// The cap on the sessions of this owner alone. Those that are nobody in particular are not told apart.
    fn share(&self, owner: Owner) -> Option<usize> {
        let SessionLimits { all, one, .. } = self.limits;
        matches!(owner, Owner::User(_)).then(|| one.unwrap_or((all / 10).max(1)))
    }

    fn with_pool<T>(&self, owner: Owner, work: impl FnOnce(&mut Pool) -> T) -> T {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let [users, anonymous, local] = &mut *pools;
        work(match owner {
            Owner::User(_) => users,
            Owner::Anonymous => anonymous,
            Owner::Local => local,
        })
    }
}

impl Pool {
    /// Whether this principal has less than `cap` sessions; else how long the first of them has at most.
    fn room_of(&mut self, owner: &[u8; 32], cap: usize, idle: Duration, now: Moment) -> Result<(), Duration> {
        let Some(seen) = self.by_principal.get_mut(owner).filter(|seen| seen.len() >= cap) else {
            return if cap > 0 { Ok(()) } else { Err(idle) };
        };
        let before = seen.len();
        seen.retain(|_, seen| now.since(*seen) < idle);
        self.sessions -= before - seen.len();
        if seen.len() < cap { Ok(()) } else { Err(left(seen.values(), idle, now)) }
    }

    /// As [`Pool::room_of`], for all together.
    fn room(&mut self, cap: usize, idle: Duration, now: Moment) -> Result<(), Duration> {
        if self.sessions < cap {
            return Ok(());
        }
        if let Some(until) = self.full_until.filter(|until| now < *until) {
            return Err(until.since(now));
        }
        for seen in self.by_principal.values_mut() {
            seen.retain(|_, seen| now.since(*seen) < idle);
        }
        self.by_principal.retain(|_, seen| !seen.is_empty());
        self.sessions = self.by_principal.values().map(HashMap::len).sum();
        if self.sessions < cap {
            return Ok(());
        }
        let wait = left(self.by_principal.values().flat_map(HashMap::values), idle, now);
        self.full_until = Some(now.plus(wait));
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
fn left<'a>(seen: impl Iterator<Item = &'a Moment>, idle: Duration, now: Moment) -> Duration {
    seen.min().map_or(idle, |oldest| idle.saturating_sub(now.since(*oldest)))
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

    use super::{Counted, Full, Owner, SessionLimits};
    use crate::Principal;

    const IDLE: Duration = Duration::from_secs(60);

    fn counted(all: usize, one: Option<usize>) -> Counted {
        Counted::new(SessionLimits { idle: IDLE, all, one, ..SessionLimits::default() })
    }

    fn user(name: &str) -> Owner {
        Owner::from(&Principal::user("test", name))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_served_counts_unless_it_may_have_ended_since_and_is_never_too_much() {
        let counted = counted(1, Some(1));
        let asked = counted.asking(&key(0));
        counted.forget(user("ada"), &key(0)); // it ends while the store is asked for it
        counted.serve(user("ada"), &key(0), asked);
        counted.count(user("ada"), &key(1)).unwrap();
        counted.serve(user("ada"), &key(2), counted.asking(&key(2)));
        counted.forget(user("ada"), &key(1));
        counted.serve(user("ada"), &key(2), counted.asking(&key(2)));
        assert!(counted.count(user("ada"), &key(3)).is_err());
    }

    fn key(number: u32) -> String {
        format!("{number:064x}").chars().rev().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_who_takes_all_that_is_allowed_leaves_the_others_their_share() {
        let counted = counted(100, None);
        let (ada, bob) = (user("ada"), user("bob"));
        for number in 0..10 {
            counted.count(ada, &key(number)).unwrap();
        }
        tokio::time::advance(IDLE / 2).await;
        assert_eq!(counted.count(ada, &key(10)), Err(Full::One { cap: 10, wait: IDLE / 2 }));
        counted.count(ada, &key(9)).unwrap(); // an open one is served on
        counted.count(bob, &key(11)).unwrap();
        counted.forget(ada, &key(0));
        counted.count(ada, &key(10)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn anonymous_callers_users_and_the_local_one_do_not_take_each_others_place() {
        let counted = counted(2, Some(2));
        for owner in [Owner::Anonymous, user("ada"), Owner::Local] {
            for number in 0..2 {
                counted.count(owner, &key(number)).unwrap();
            }
            assert!(counted.count(owner, &key(2)).is_err(), "{owner:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_server_has_room_when_one_ends_or_is_idle_and_says_when_that_may_be() {
        let counted = counted(2, Some(1));
        counted.count(user("a"), &key(0)).unwrap();
        tokio::time::advance(IDLE / 4).await;
        counted.count(user("b"), &key(1)).unwrap();
        let full = counted.count(user("c"), &key(2)).unwrap_err();
        assert_eq!((full, full.seconds()), (Full::All { wait: IDLE / 4 * 3 }, 46));
        tokio::time::advance(IDLE / 4).await;
        assert_eq!(counted.count(user("c"), &key(2)), Err(Full::All { wait: IDLE / 2 }));
        counted.forget(user("b"), &key(1));
        counted.count(user("c"), &key(2)).unwrap();
        counted.count(user("a"), &key(0)).unwrap();
        tokio::time::advance(IDLE / 4 * 3).await; // "c" is in use no more than "a"
        assert!(counted.count(user("d"), &key(3)).is_err());
        tokio::time::advance(IDLE / 4).await;
        counted.count(user("d"), &key(3)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn idle_sessions_of_a_user_do_not_count() {
        let counted = counted(100, Some(2));
        let ada = user("ada");
        for round in 0..5 {
            counted.count(ada, &key(2 * round)).unwrap();
            counted.count(ada, &key(2 * round + 1)).unwrap();
            assert!(counted.count(ada, &key(99)).is_err());
            tokio::time::advance(IDLE).await;
        }
    }

    #[test]
    fn a_cap_of_zero_refuses_everybody() {
        let full = |counted: &Counted, owner: Owner| counted.count(owner, &key(0)).unwrap_err();
        assert_eq!(full(&counted(10, Some(0)), user("ada")), Full::One { cap: 0, wait: IDLE });
        assert_eq!(full(&counted(0, None), Owner::Anonymous), Full::All { wait: IDLE });
    }
}
