//! Which entries are being written, or may still be: no copy is made of them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kv_core::{Clock, Error, Key, Outcome, Result};

/// So many entries are remembered before the first look for those that may be forgotten.
const FEW: usize = 64;

/// The writes of one near tier that are under way, and those whose end nobody knows, which may land for a while.
///
/// Writes of one entry may overlap, so that none of them can tell by itself when it is quiet again: they are counted.
/// An entry stands for its key by a hash: two that share one keep each other from being copied, and nothing worse.
#[derive(Debug)]
pub(super) struct Writes {
    hasher: RandomState,
    clock: Clock,
    /// How long a write may land after its end was missed.
    lands_within_ms: u64,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    entries: HashMap<u64, Unsettled>,
    /// At this size those that have settled are looked for.
    full: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Unsettled {
    under_way: usize,
    /// Until then one that was missed may land.
    may_land_until_ms: Option<u64>,
}

/// A write, from before it is sent; one that is dropped without an answer may still land.
#[derive(Debug)]
pub(super) struct Write<'a> {
    writes: &'a Writes,
    entry: u64,
    has_ended: bool,
}

impl Writes {
    pub(super) fn new(clock: &Clock, lands_within: Duration) -> Self {
        Self {
            hasher: RandomState::new(),
            clock: clock.clone(),
            lands_within_ms: u64::try_from(lands_within.as_millis()).unwrap_or(u64::MAX),
            written: Mutex::new(Written { entries: HashMap::new(), full: FEW }),
        }
    }

    pub(super) fn begin(&self, key: Key<'_>) -> Write<'_> {
        let entry = self.entry(key);
        let mut written = self.lock();
        if written.entries.len() >= written.full {
            let now_ms = self.clock.monotonic_ms();
            written.entries.retain(|_, unsettled| !unsettled.is_settled(now_ms));
            written.full = FEW.max(2 * written.entries.len());
        }
        written.entries.entry(entry).or_default().under_way += 1;
        Write { writes: self, entry, has_ended: false }
    }

    /// Whether what is read now may be older than what is written soon.
    pub(super) fn are_unsettled(&self, key: Key<'_>) -> bool {
        let entry = self.entry(key);
        let mut written = self.lock();
        let Some(unsettled) = written.entries.get(&entry) else { return false };
        let is_settled = unsettled.is_settled(self.clock.monotonic_ms());
        if is_settled {
            written.entries.remove(&entry);
        }
        !is_settled
    }

    fn end(&self, entry: u64, may_still_land: bool) {
        let now_ms = self.clock.monotonic_ms();
        let mut written = self.lock();
        let Some(unsettled) = written.entries.get_mut(&entry) else { return };
        unsettled.under_way -= 1;
        if may_still_land {
            unsettled.may_land_until_ms = Some(now_ms.saturating_add(self.lands_within_ms));
        }
        if unsettled.is_settled(now_ms) {
            written.entries.remove(&entry);
        }
    }

    fn entry(&self, key: Key<'_>) -> u64 {
        self.hasher.hash_one((key.collection, key.id))
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unsettled {
    fn is_settled(self, now_ms: u64) -> bool {
        self.under_way == 0 && self.may_land_until_ms.is_none_or(|until| now_ms > until)
    }
}

impl Write<'_> {
    /// What the store said of it: what is read from now on may be copied, unless it may still land.
    pub(super) fn answered<T>(mut self, done: &Result<T>) {
        self.has_ended = done.as_ref().err().is_none_or(is_known);
    }
}

/// As [`Write::answered`], for all of a batch.
pub(super) fn answered<T>(writes: Vec<Write<'_>>, done: &Result<Vec<Result<T>>>) {
    match done {
        Ok(answers) => writes.into_iter().zip(answers).for_each(|(write, answer)| write.answered(answer)),
        Err(_) => writes.into_iter().for_each(|write| write.answered(done)),
    }
}

fn is_known(error: &Error) -> bool {
    error.outcome() != Outcome::Unknown
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        self.writes.end(self.entry, !self.has_ended);
    }
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::*;

    const KEY: Key<'static> = Key::new("c", "id");
    const OTHER: Key<'static> = Key::new("c", "other");

    fn writes() -> (Clock, Writes) {
        let clock = Clock::manual();
        let writes = Writes::new(&clock, Duration::from_secs(5));
        (clock, writes)
    }

    #[test]
    fn an_entry_settles_when_the_last_of_its_writes_has_ended() {
        let (_, writes) = writes();
        let (first, second) = (writes.begin(KEY), writes.begin(KEY));
        assert!(writes.are_unsettled(KEY) && !writes.are_unsettled(OTHER));
        second.answered(&Ok(()));
        assert!(writes.are_unsettled(KEY));
        first.answered(&Ok(()));
        assert!(!writes.are_unsettled(KEY));
        assert!(writes.lock().entries.is_empty());
    }

    #[test]
    fn of_a_batch_those_may_land_whose_outcome_is_not_known() {
        let (_, writes) = writes();
        let lost = || Error::new(ErrorKind::Timeout, "no answer").with_outcome(Outcome::Unknown);
        let both = vec![writes.begin(KEY), writes.begin(OTHER)];
        answered(both, &Ok(vec![Ok(()), Err(lost())]));
        assert!(!writes.are_unsettled(KEY) && writes.are_unsettled(OTHER));
        answered::<()>(vec![writes.begin(KEY)], &Err(lost()));
        assert!(writes.are_unsettled(KEY));
    }

    #[test]
    fn a_write_that_was_dropped_may_land_for_a_while_whatever_ends_after_it() {
        let (clock, writes) = writes();
        drop(writes.begin(KEY));
        writes.begin(KEY).answered(&Ok(()));
        clock.advance(Duration::from_secs(5));
        assert!(writes.are_unsettled(KEY));
        clock.advance(Duration::from_millis(1));
        assert!(!writes.are_unsettled(KEY));
        assert!(writes.lock().entries.is_empty());
    }

    #[test]
    fn what_nobody_asks_for_again_is_forgotten_once_it_has_settled() {
        let (clock, writes) = writes();
        let under_way = writes.begin(KEY);
        for round in 0..10 {
            for n in 0..FEW {
                drop(writes.begin(Key::new("c", &format!("{round}/{n}"))));
            }
            clock.advance(Duration::from_secs(6));
        }
        let held = writes.lock().entries.len();
        assert!(held <= 3 * FEW, "{held} are held");
        assert!(writes.are_unsettled(KEY), "one is under way");
        under_way.answered(&Ok(()));
    }
}
