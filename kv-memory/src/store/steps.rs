//! Each operation on one key, as one step under the lock that moka has for it.

use std::sync::PoisonError;

use kv_core::backend::Reclaim;
use kv_core::each::yield_now;
use kv_core::{Entry, ErrorKind, Key, NewEntry, PutMode, Result, Version};
use moka::ops::compute::Op;

use super::Inner;
use crate::error;
use crate::name::Name;
use crate::slot::{Slot, with_name};

impl Inner {
    pub(super) fn get(&self, key: Key<'_>) -> Option<Entry> {
        self.slot(key)?.into_entry(&self.clock)
    }

    pub(super) async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        if self.max_bytes.is_some_and(|max| entry.value().len() as u64 > max) {
            return Err(error::too_large());
        }
        let name = with_name(key, |name| match self.map.get(name) {
            Some(slot) => slot.name,
            None => Name::from(name),
        });
        let new = Slot::new(name, entry, self.clock.monotonic_ms())?;
        let mut done = self.slow.watch(|| self.write(&new, mode));
        if is_full(&done) {
            done = self.write_over_expired(&new, mode).await;
        }
        done?;
        self.hub.changed(key);
        Ok(new.version)
    }

    /// Writes once expired entries gave their room, however many it takes; they are freed a round at a time.
    async fn write_over_expired(&self, new: &Slot, mode: PutMode) -> Result<()> {
        let mut waited = 0;
        loop {
            let freed = self.free();
            let done = self.slow.watch(|| self.write(new, mode));
            match freed {
                _ if !is_full(&done) => return done,
                Freed::All => return done,
                Freed::BySweeper if waited == SWEEPER_WAITS => return done,
                Freed::BySweeper => {
                    waited += 1;
                    std::thread::yield_now(); // it may need this very core
                }
                Freed::Some => {}
            }
            yield_now().await;
        }
    }

    fn write(&self, new: &Slot, mode: PutMode) -> Result<()> {
        let mut done = Ok(());
        self.map.entry(Name::clone(&new.name)).and_compute_with(|old| {
            let old = old.map(moka::Entry::into_value);
            let live = old.as_ref().filter(|old| !old.has_expired(&self.clock));
            if !admits(mode, live.map(|live| live.version)) {
                done = Err(error::refused(mode));
            } else if !self.ledger.enter(old.as_ref(), new) {
                done = Err(error::full());
            }
            if done.is_ok() { Op::Put(new.clone()) } else { Op::Nop }
        });
        done
    }

    pub(super) fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.slow.watch(|| self.take_now(key, version))
    }

    fn take_now(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let Some(seen) = self.slot(key) else { return Ok(None) };
        let mut taken = Ok(None);
        self.map.entry(seen.name).and_compute_with(|old| {
            let Some(old) = old.map(moka::Entry::into_value) else { return Op::Nop };
            if old.has_expired(&self.clock) {
                return Op::Nop;
            }
            if version.is_some_and(|version| version != old.version) {
                taken = Err(error::other_version());
                return Op::Nop;
            }
            self.ledger.strike(&old);
            taken = Ok(old.into_entry(&self.clock));
            Op::Remove
        });
        if let Ok(Some(_)) = taken {
            self.hub.changed(key);
        }
        taken
    }

    fn slot(&self, key: Key<'_>) -> Option<Slot> {
        with_name(key, |name| self.map.get(name))
    }

    /// Frees some expired entries.
    fn free(&self) -> Freed {
        let _sweeping = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        let (expired, in_hand) = self.ledger.deadlines.expired();
        let freed = match (expired.is_empty(), in_hand) {
            (false, _) => Freed::Some,
            (true, true) => Freed::BySweeper,
            (true, false) => Freed::All,
        };
        self.remove_all_expired(expired);
        freed
    }

    fn remove_all_expired(&self, expired: Vec<(u64, Name)>) {
        for (deadline, name) in expired {
            self.remove_expired(deadline, &name);
        }
    }

    fn remove_expired(&self, deadline: u64, name: &Name) {
        let mut removed = false;
        self.map.entry(Name::clone(name)).and_compute_with(|old| {
            let old = old.map(moka::Entry::into_value).filter(|old| old.deadline() == Some(deadline));
            let Some(old) = old else { return Op::Nop };
            self.ledger.strike(&old);
            removed = true;
            Op::Remove
        });
        if removed {
            self.hub.changed_name(name);
        }
    }
}

impl Reclaim<Name> for Inner {
    fn reclaim(&self, expired: Vec<(u64, Name)>) -> Vec<(u64, Name)> {
        let _sweeping = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        self.remove_all_expired(expired);
        self.map.run_pending_tasks(); // moka gives memory back in its housekeeping alone
        Vec::new()
    }
}

/// The sweeper's last round takes it a moment; should it hang, a put without room is `Full` all the same.
const SWEEPER_WAITS: usize = 1_000;

/// What was found by a put that needs room.
enum Freed {
    /// Some were freed, and there may be more.
    Some,
    /// None, but the sweeper is just freeing some.
    BySweeper,
    /// None: all that has expired was freed before.
    All,
}

fn is_full(done: &Result<()>) -> bool {
    done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Full)
}

/// Whether a put of this mode may go over what lives there.
fn admits(mode: PutMode, live: Option<Version>) -> bool {
    match mode {
        PutMode::Replace => true,
        PutMode::Create => live.is_none(),
        PutMode::Update(version) => live == Some(version),
    }
}
