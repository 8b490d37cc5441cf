//! Copies of sessions that were read a moment ago, where `.session_cache(..)` asks for them.
//!
//! By hand, since neither cache of the family does it: what was read before a change must not be kept behind it
//! ([`Copies::asking`]), which moka cannot be told, and `kv_cache::NearCache` keeps bytes, which each request would decode
//! anew, and follows the store's news, which is what these copies are without. What is left is two maps.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Handshake;

/// What this process remembers of its store. A copy is dropped by everything that this process does to its session, or
/// hears of it; of what others do it may know nothing for as long as a copy lives.
pub(super) struct Copies {
    life: Duration,
    most: usize,
    kept: Mutex<Kept>,
}

/// Two ages, so that what has ended goes without anybody looking through all of them.
#[derive(Default)]
struct Kept {
    young: HashMap<String, Copied>,
    old: HashMap<String, Copied>,
    turned: Option<Instant>,
    /// How often anything was dropped: what was read before may be out of date.
    dropped: u64,
}

struct Copied {
    session: Handshake,
    until: Instant,
}

/// When the store was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked(u64);

/// Drops the copy of a session once what changes it is over, however that ends.
pub(super) struct Dropping<'a> {
    copies: &'a Copies,
    key: &'a str,
}

impl Copies {
    /// Copies that live so long, and about so many of them at most. Without a life there are none.
    pub(super) fn new(life: Duration, most: usize) -> Self {
        Self { life, most, kept: Mutex::default() }
    }

    /// The session as it was read a moment ago.
    pub(super) fn get(&self, key: &str) -> Option<Handshake> {
        if self.life.is_zero() {
            return None;
        }
        let (kept, now) = (self.kept(), Instant::now());
        let copy = kept.young.get(key).or_else(|| kept.old.get(key));
        copy.filter(|copy| now < copy.until).map(|copy| copy.session.clone())
    }

    /// To be called before the store is asked for what [`Copies::keep`] is to keep.
    pub(super) fn asking(&self) -> Asked {
        Asked(if self.life.is_zero() { 0 } else { self.kept().dropped })
    }

    /// Keeps what the store said, for at most `left`; not if anything was dropped since it was asked.
    pub(super) fn keep(&self, key: &str, session: &Handshake, left: Duration, asked: Asked) {
        let life = self.life.min(left);
        if life.is_zero() {
            return;
        }
        let (mut kept, now) = (self.kept(), Instant::now());
        kept.turn(self.life, now);
        if kept.dropped == asked.0 && kept.young.len() < self.most {
            kept.old.remove(key);
            kept.young.insert(key.to_owned(), Copied { session: session.clone(), until: now + life });
        }
    }

    /// Drops the copy of a session now.
    pub(super) fn forget(&self, key: &str) {
        if self.life.is_zero() {
            return;
        }
        let mut kept = self.kept();
        kept.dropped += 1;
        kept.young.remove(key);
        kept.old.remove(key);
    }

    /// Drops the copy of a session when what this gives is dropped.
    pub(super) fn dropping<'a>(&'a self, key: &'a str) -> Dropping<'a> {
        Dropping { copies: self, key }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// What is older than a life has ended.
    fn turn(&mut self, life: Duration, now: Instant) {
        let since = *self.turned.get_or_insert(now);
        if now.duration_since(since) >= life {
            self.old = std::mem::take(&mut self.young);
            self.turned = Some(now);
        }
    }
}

impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        self.copies.forget(self.key);
    }
}

impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies").field("life", &self.life).field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use kv_core::{AnyStore, Clock};
    use kv_memory::{MemoryConfig, MemoryStore};

    use super::{Copies, Handshake};
    use crate::Principal;
    use crate::protocol::{Json, Level};
    use crate::session::{SessionId, SessionLimits, Sessions};

    const LIFE: Duration = Duration::from_secs(2);

    fn session() -> Handshake {
        Handshake::from_params(&Json::parse(r#"{"protocolVersion":"2025-11-25"}"#.into()).unwrap()).unwrap()
    }

    fn keep(copies: &Copies, key: &str) {
        copies.keep(key, &session(), Duration::MAX, copies.asking());
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_lives_as_long_as_it_may_and_no_longer_than_its_session() {
        let copies = Copies::new(LIFE, 10);
        keep(&copies, "a");
        copies.keep("short", &session(), Duration::from_secs(1), copies.asking());
        copies.keep("over", &session(), Duration::ZERO, copies.asking());
        assert!(copies.get("a").is_some() && copies.get("short").is_some() && copies.get("over").is_none());
        advance(Duration::from_secs(1)).await;
        assert!(copies.get("a").is_some() && copies.get("short").is_none());
        advance(Duration::from_secs(1)).await;
        assert!(copies.get("a").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_before_a_change_is_not_kept_behind_it() {
        let copies = Copies::new(LIFE, 10);
        let asked = copies.asking();
        drop(copies.dropping("a"));
        copies.keep("a", &session(), Duration::MAX, asked);
        assert!(copies.get("a").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn copies_take_a_bounded_room_and_give_it_back() {
        let copies = Copies::new(LIFE, 2);
        for key in ["a", "b", "c"] {
            keep(&copies, key);
        }
        assert!(copies.get("b").is_some() && copies.get("c").is_none());
        advance(LIFE).await;
        for key in ["d", "e"] {
            keep(&copies, key);
        }
        advance(LIFE).await;
        keep(&copies, "f");
        let kept = copies.kept();
        assert_eq!((kept.young.len(), kept.old.len()), (1, 2), "the first two are gone for good");
    }

    #[test]
    fn without_a_life_nothing_is_kept() {
        let copies = Copies::new(Duration::ZERO, 10);
        keep(&copies, "a");
        assert!(copies.get("a").is_none() && copies.kept().young.is_empty());
    }

    /// Two processes on one store, with copies of this life, and a session that the first began and the second knows.
    struct Two {
        here: Sessions,
        there: Sessions,
        principal: Principal,
        id: SessionId,
    }

    impl Two {
        async fn new(life: Duration, clock: Clock) -> Self {
            let store = AnyStore::new(MemoryStore::open(MemoryConfig::default().clock(clock)).unwrap());
            let limits = SessionLimits { copies: life, ..SessionLimits::default() };
            let (here, there) = (Sessions::new(store.clone(), limits), Sessions::new(store, limits));
            let (principal, id) = (Principal::user("test", "ada"), SessionId::random());
            here.begin(&principal, &id, &session()).await.unwrap();
            let two = Self { here, there, principal, id };
            assert!(two.knows(&two.there).await);
            two
        }

        async fn presented(&self, at: &Sessions) -> Option<Handshake> {
            at.presented(&self.principal, &self.id).await.unwrap()
        }

        async fn knows(&self, at: &Sessions) -> bool {
            self.presented(at).await.is_some()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_process_does_is_known_when_the_copy_ends_and_at_once_without_one() {
        for life in [Duration::ZERO, LIFE] {
            let two = Two::new(life, Clock::manual()).await;
            assert!(two.here.close(&two.principal, &two.id).await.unwrap());
            assert!(!two.knows(&two.here).await, "where it ended it is known at once");
            assert_eq!(two.knows(&two.there).await, !life.is_zero());
            assert!(two.there.find(&two.principal, &two.id).await.unwrap().is_none(), "who must know asks");
            assert!(!two.knows(&two.there).await, "and then it is known");
            let two = Two::new(life, Clock::manual()).await;
            two.here.close(&two.principal, &two.id).await.unwrap();
            advance(LIFE).await;
            assert!(!two.knows(&two.there).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_here_is_seen_by_the_next_request_here() {
        let two = Two::new(LIFE, Clock::manual()).await;
        assert!(two.there.set_level(&two.principal, &two.id, Level::Error).await.unwrap());
        assert_eq!(two.presented(&two.there).await.unwrap().level, Some(Level::Error));
        two.there.subscribe(&two.principal, &two.id, "a://b").await.unwrap();
        assert_eq!(two.presented(&two.there).await.unwrap().subscriptions().count(), 1);
        two.there.initialized(&two.principal, &two.id).await.unwrap();
        assert!(two.presented(&two.there).await.unwrap().is_initialized());
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_is_its_principals_alone() {
        let two = Two::new(LIFE, Clock::manual()).await;
        for other in [Principal::user("test", "bob"), Principal::anonymous(), Principal::local()] {
            assert!(two.there.presented(&other, &two.id).await.unwrap().is_none());
        }
        assert!(two.knows(&two.there).await);
    }

    #[tokio::test(start_paused = true)]
    async fn that_there_is_no_session_is_not_remembered() {
        let two = Two::new(LIFE, Clock::manual()).await;
        let later = SessionId::random();
        assert!(two.there.presented(&two.principal, &later).await.unwrap().is_none());
        two.here.begin(&two.principal, &later, &session()).await.unwrap();
        assert!(two.there.presented(&two.principal, &later).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_to_be_extended_is_not_copied() {
        let clock = Clock::manual();
        let two = Two::new(Duration::from_secs(3_600), clock.clone()).await;
        let quarter = two.here.idle() / 4;
        clock.advance(quarter);
        advance(quarter).await; // the copy ends before the session wants to be extended
        clock.advance(Duration::from_secs(1));
        for _ in 0..12 {
            assert!(two.knows(&two.there).await);
            tokio::time::sleep(Duration::from_millis(1)).await; // it is extended meanwhile
            clock.advance(quarter);
            advance(quarter).await;
        }
    }
}
