//! Expired entries are freed without anybody asking: an ordered tree of deadlines and one thread that sweeps it.
//!
//! For backends that judge expiry themselves (memory, embedded disk). Reads never depend on it: an expired entry is
//! absent from the moment of its deadline; this only gives its room back.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::Clock;
use crate::ttl::is_expired;

/// At most so many keys a round: what one round of the sweeper may hold up.
pub const ROUND: usize = 256;

/// Deadlines that are this near are swept together, so that a steady stream of them wakes the thread rarely.
const SLACK_MS: u64 = 16;
/// The wall clock may be set: the thread looks again after so long, whatever it waits for.
const LONGEST_WAIT_MS: u64 = 60_000;
/// In place of the time until which the sweeper sleeps: it has a round in hand and will look again by itself.
const SWEEPING: u64 = 0;
/// The pause after keys that could not be removed.
const SETBACK_MS: u64 = 1_000;

/// A store whose expired entries are to be freed.
pub trait Reclaim<K>: Send + Sync {
    /// Removes each entry that still has the deadline named beside it; one that was written anew stays.
    ///
    /// Called on the sweeper's thread with at most [`ROUND`] keys, without any lock. Answers those that could not be
    /// removed now; they are tried again a second later.
    fn reclaim(&self, expired: Vec<(u64, K)>) -> Vec<(u64, K)>;
}

/// The deadlines of a store's entries, in order, in milliseconds of the clock that judges.
///
/// The sweeper's thread starts with the first deadline, holds the store weakly, and ends with it.
pub struct Deadlines<K: Send + Ord>(Arc<Shared<K>>, Mutex<Option<thread::JoinHandle<()>>>);

struct Shared<K> {
    clock: Clock,
    now: fn(&Clock) -> u64,
    owner: Weak<dyn Reclaim<K>>,
    ties: RandomState,
    state: Mutex<State<K>>,
    wake: Condvar,
}

struct State<K> {
    tree: BTreeSet<Item<K>>,
    /// The sweeper sleeps until then; an earlier deadline wakes it.
    asleep_until: u64,
    started: bool,
    stopped: bool,
}

/// A deadline and whose it is. The tie stands before the key, since many entries share a deadline and comparing keys
/// means following pointers.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Item<K> {
    deadline: u64,
    tie: u64,
    key: K,
}

impl<K> Deadlines<K>
where
    K: AsRef<[u8]> + Clone + Ord + Send + Sync + 'static,
{
    /// No deadlines yet. `now` picks the clock that judges: `Clock::monotonic_ms` or `Clock::unix_ms`.
    pub fn new(clock: Clock, now: fn(&Clock) -> u64, owner: Weak<dyn Reclaim<K>>) -> Self {
        let state = State { tree: BTreeSet::new(), asleep_until: u64::MAX, started: false, stopped: false };
        let (ties, state, wake) = (RandomState::new(), Mutex::new(state), Condvar::new());
        Self(Arc::new(Shared { clock, now, owner, ties, state, wake }), Mutex::default())
    }

    /// Moves `key` from its old deadline to its new one; `None` is none. Both together, in one step.
    pub fn set(&self, key: &K, old: Option<u64>, new: Option<u64>) {
        if old == new {
            return;
        }
        let tie = self.0.ties.hash_one(key.as_ref());
        let mut state = self.0.state();
        if let Some(deadline) = old {
            state.tree.remove(&Item { deadline, tie, key: key.clone() });
        }
        if let Some(deadline) = new {
            state.tree.insert(Item { deadline, tie, key: key.clone() });
            self.attend(state, deadline);
        }
    }

    /// How many entries have a deadline.
    pub fn len(&self) -> usize {
        self.0.state().tree.len()
    }

    /// Whether no entry has one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes at most [`ROUND`] expired keys off the tree, for a caller that needs room at once; beside them whether
    /// the sweeper has others in hand at this moment. None and false: all that has expired was freed.
    pub fn expired(&self) -> (Vec<(u64, K)>, bool) {
        let now = self.0.now();
        let mut state = self.0.state();
        let sweeping = state.asleep_until == SWEEPING && !state.stopped;
        (state.take_expired(now), sweeping)
    }

    /// Ends the sweeper and forgets all deadlines. A round under way still ends: [`Deadlines::join`] waits for it.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Stops, and waits until the thread has ended; it blocks for one round at most.
    pub fn join(&self) {
        self.stop();
        let thread = self.1.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            drop(thread.join()); // a panic in there is the store's to report
        }
    }

    /// Wakes the sweeper for an earlier deadline than it waits for, or starts it.
    fn attend(&self, mut state: MutexGuard<'_, State<K>>, deadline: u64) {
        if !state.started && !state.stopped {
            state.started = self.start();
        } else if deadline < state.asleep_until {
            state.asleep_until = deadline;
            drop(state);
            self.0.wake.notify_one();
        }
    }

    /// Whether the thread runs now. Where the system has none to give, the next deadline tries again.
    fn start(&self) -> bool {
        let shared = Arc::clone(&self.0);
        let Ok(thread) = thread::Builder::new().name("larder-sweep".into()).spawn(move || shared.sweep())
        else {
            return false;
        };
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        let shared = Arc::downgrade(&self.0);
        self.0.clock.on_move(move || {
            if let Some(shared) = shared.upgrade() {
                drop(shared.state()); // the sweeper has either not read the clock yet or is waiting
                shared.wake.notify_one();
            }
        });
        true
    }
}

impl<K: Send + Ord> Drop for Deadlines<K> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl<K: Send + Ord> fmt::Debug for Deadlines<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadlines").field("entries", &self.0.state().tree.len()).finish_non_exhaustive()
    }
}

impl<K: Ord> Shared<K> {
    fn now(&self) -> u64 {
        (self.now)(&self.clock)
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        let tree = std::mem::take(&mut state.tree);
        drop(state);
        self.wake.notify_all();
        drop(tree);
    }
}

impl<K: AsRef<[u8]> + Ord> Shared<K> {
    /// The sweeper's thread.
    fn sweep(&self) {
        while let Some(expired) = self.await_expired() {
            let Some(owner) = self.owner.upgrade() else { return };
            let left = owner.reclaim(expired);
            drop(owner);
            if !left.is_empty() {
                self.put_back(left);
            }
            thread::yield_now();
        }
    }

    /// Sleeps until something has expired; `None` when stopped.
    fn await_expired(&self) -> Option<Vec<(u64, K)>> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            let now = self.now();
            let expired = state.take_expired(now);
            if !expired.is_empty() {
                state.asleep_until = SWEEPING;
                return Some(expired);
            }
            let first = state.tree.first().map_or(u64::MAX, |item| item.deadline);
            state.asleep_until = first;
            state = self.sleep(state, first.saturating_sub(now).saturating_add(SLACK_MS));
        }
    }

    fn sleep<'a>(&self, state: MutexGuard<'a, State<K>>, ms: u64) -> MutexGuard<'a, State<K>> {
        if ms > LONGEST_WAIT_MS && state.tree.is_empty() {
            return self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let wait = Duration::from_millis(ms.min(LONGEST_WAIT_MS));
        self.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
    }

    fn put_back(&self, left: Vec<(u64, K)>) {
        let mut state = self.state();
        if state.stopped {
            return;
        }
        for (deadline, key) in left {
            let tie = self.ties.hash_one(key.as_ref());
            state.tree.insert(Item { deadline, tie, key });
        }
        drop(self.sleep_out(state, SETBACK_MS));
    }

    /// Waits in any case, but for a stop.
    fn sleep_out<'a>(&self, state: MutexGuard<'a, State<K>>, ms: u64) -> MutexGuard<'a, State<K>> {
        let waited = self.wake.wait_timeout_while(state, Duration::from_millis(ms), |state| !state.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<K: Ord> State<K> {
    fn take_expired(&mut self, now: u64) -> Vec<(u64, K)> {
        let mut expired = Vec::new();
        while expired.len() < ROUND && self.tree.first().is_some_and(|item| is_expired(item.deadline, now)) {
            expired.extend(self.tree.pop_first().map(|item| (item.deadline, item.key)));
        }
        expired
    }
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex, Weak};
    use std::time::Duration;

    use super::{Deadlines, ROUND, Reclaim};
    use crate::Clock;

    type Name = Arc<[u8]>;

    /// Sends every round it is given, and fails for as many rounds as asked.
    struct Rounds {
        rounds: Mutex<Sender<Vec<(u64, Name)>>>,
        failing: Mutex<usize>,
    }

    impl Reclaim<Name> for Rounds {
        fn reclaim(&self, expired: Vec<(u64, Name)>) -> Vec<(u64, Name)> {
            self.rounds.lock().unwrap().send(expired.clone()).unwrap();
            let mut failing = self.failing.lock().unwrap();
            if *failing == 0 {
                return Vec::new();
            }
            *failing -= 1;
            expired
        }
    }

    struct Bench {
        clock: Clock,
        owner: Arc<Rounds>,
        deadlines: Deadlines<Name>,
        rounds: Receiver<Vec<(u64, Name)>>,
    }

    fn bench(failing: usize) -> Bench {
        let (rounds, received) = channel();
        let owner = Arc::new(Rounds { rounds: Mutex::new(rounds), failing: Mutex::new(failing) });
        let weak: Weak<Rounds> = Arc::downgrade(&owner);
        let clock = Clock::manual();
        let deadlines = Deadlines::new(clock.clone(), Clock::monotonic_ms, weak);
        Bench { clock, owner, deadlines, rounds: received }
    }

    impl Bench {
        #[expect(clippy::unnecessary_wraps, reason = "as `Deadlines::set` takes it")]
        fn in_ms(&self, ms: u64) -> Option<u64> {
            Some(self.clock.monotonic_ms() + ms)
        }
        fn round(&self) -> Vec<(u64, Name)> {
            self.rounds.recv_timeout(Duration::from_secs(10)).unwrap()
        }
    }

    fn name(id: impl std::fmt::Display) -> Name {
        id.to_string().into_bytes().into()
    }

    #[test]
    fn what_expired_is_handed_over_when_the_clock_has_moved_and_nothing_else() {
        let bench = bench(0);
        bench.deadlines.set(&name("late"), None, bench.in_ms(2_000));
        bench.deadlines.set(&name("soon"), None, bench.in_ms(1_000));
        bench.deadlines.set(&name("moved"), None, bench.in_ms(1_000));
        bench.deadlines.set(&name("moved"), bench.in_ms(1_000), bench.in_ms(3_000));
        bench.deadlines.set(&name("gone"), None, bench.in_ms(1_000));
        bench.deadlines.set(&name("gone"), bench.in_ms(1_000), None);
        let due = bench.in_ms(1_000).unwrap();
        bench.clock.advance(Duration::from_millis(1_001));
        assert_eq!(bench.round(), [(due, name("soon"))]);
        assert_eq!(bench.deadlines.len(), 2);
    }

    #[test]
    fn an_earlier_deadline_wakes_the_sweeper() {
        let bench = bench(0);
        bench.deadlines.set(&name("never"), None, bench.in_ms(u64::MAX / 2));
        bench.deadlines.set(&name("due"), None, Some(0));
        assert_eq!(bench.round().len(), 1);
    }

    #[test]
    fn many_go_in_rounds_of_a_bounded_size() {
        let bench = bench(0);
        let due = bench.in_ms(5);
        (0..1_000).for_each(|id| bench.deadlines.set(&name(id), None, due));
        bench.clock.advance(Duration::from_millis(6));
        let mut seen = BTreeSet::new();
        while seen.len() < 1_000 {
            let round = bench.round();
            assert!(round.len() <= ROUND);
            seen.extend(round.into_iter().map(|(_, key)| key));
        }
        assert!(bench.deadlines.is_empty());
    }

    #[test]
    fn who_needs_room_learns_whether_the_sweeper_has_more_in_hand() {
        let bench = bench(0);
        assert_eq!(bench.deadlines.expired(), (Vec::new(), false));
        let held = bench.owner.failing.lock().unwrap(); // the sweeper's round ends when this is let go
        bench.deadlines.set(&name("swept"), None, Some(0));
        bench.round();
        assert_eq!(bench.deadlines.expired(), (Vec::new(), true));
        drop(held);
        while bench.deadlines.expired().1 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_could_not_be_removed_is_tried_again() {
        let bench = bench(1);
        bench.deadlines.set(&name("stuck"), None, Some(0));
        assert_eq!(bench.round(), bench.round());
    }

    #[test]
    fn the_thread_ends_with_its_store_and_on_join() {
        let first = bench(0);
        first.deadlines.set(&name("a"), None, first.in_ms(1));
        drop(first.owner);
        first.clock.advance(Duration::from_secs(1));
        first.deadlines.join();
        assert!(first.rounds.recv().is_err(), "nobody is left who could send");

        let second = bench(0);
        second.deadlines.set(&name("a"), None, second.in_ms(1_000));
        second.deadlines.join();
        second.clock.advance(Duration::from_secs(2));
        assert!(second.rounds.try_recv().is_err());
        assert!(second.deadlines.is_empty());
    }
}
