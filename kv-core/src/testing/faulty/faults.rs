//! Which calls go wrong, and how.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{Error, ErrorKind, Outcome};

/// What happens to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: ErrorKind,
    outcome: Outcome,
    way: Way,
    delay: Duration,
    key: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Not executed; an error.
    Fails,
    /// Not executed; the outer error of a batch.
    FailsWhole,
    /// Executed; an error all the same.
    Loses,
    /// An error now; executed after the delay.
    Lands,
    /// Executed and answered, after the delay.
    Waits,
    /// Not executed, and no answer ever comes.
    Hangs,
}

impl Fault {
    const fn of(kind: ErrorKind, outcome: Outcome, way: Way) -> Self {
        Self { kind, outcome, way, delay: Duration::ZERO, key: None }
    }

    /// It is not executed, and the error says so: `NotDone`.
    pub const fn refused(kind: ErrorKind) -> Self {
        Self::of(kind, Outcome::NotDone, Way::Fails)
    }

    /// As `refused`; a batch fails as a whole, by its outer error.
    pub const fn refused_whole(kind: ErrorKind) -> Self {
        Self::of(kind, Outcome::NotDone, Way::FailsWhole)
    }

    /// It is not executed, which nobody knows: `Unknown`.
    pub const fn vanished(kind: ErrorKind) -> Self {
        Self::of(kind, Outcome::Unknown, Way::Fails)
    }

    /// It is executed, and the answer is lost: `Unknown`.
    pub const fn lost(kind: ErrorKind) -> Self {
        Self::of(kind, Outcome::Unknown, Way::Loses)
    }

    /// The answer is lost at once, and a single put is executed so much later; other operations never.
    pub const fn landing_late(kind: ErrorKind, delay: Duration) -> Self {
        Self { delay, ..Self::of(kind, Outcome::Unknown, Way::Lands) }
    }

    /// It is executed and answered after `delay`.
    pub const fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::of(ErrorKind::Timeout, Outcome::NotDone, Way::Waits) }
    }

    /// No answer ever comes, and nothing is executed.
    pub const fn hanging() -> Self {
        Self::of(ErrorKind::Timeout, Outcome::Unknown, Way::Hangs)
    }

    /// The error comes after `delay` only.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// In a batch it hits the key at this place alone.
    #[must_use]
    pub const fn at_key(mut self, place: usize) -> Self {
        self.key = Some(place);
        self
    }

    pub(super) fn executes(&self) -> bool {
        self.way == Way::Loses
    }

    pub(super) fn fails_whole(&self) -> bool {
        self.way == Way::FailsWhole
    }

    pub(super) fn hits(&self, place: usize) -> bool {
        self.key.is_none_or(|key| key == place)
    }

    pub(super) async fn error(&self) -> Error {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.now()
    }

    fn now(&self) -> Error {
        Error::new(self.kind, "a fault of the test").with_outcome(self.outcome)
    }
}

/// The faults of one or more [`Faulty`](super::Faulty) stores, and a record of what was called. Clones share them.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    script: VecDeque<(&'static str, Fault)>,
    always: Vec<(&'static str, Fault)>,
    chance: Option<Chance>,
    calls: Vec<&'static str>,
}

#[derive(Debug)]
struct Chance {
    generator: StdRng,
    percent: u8,
    faults: Vec<Fault>,
}

impl Faults {
    /// No fault, until one is added.
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// `percent` of all calls meet one of `faults`, by chance: the same ones for the same `seed` and order of calls.
    pub fn random(seed: u64, percent: u8, faults: &[Fault]) -> Self {
        let chance = Chance { generator: StdRng::seed_from_u64(seed), percent, faults: faults.to_vec() };
        Self(Arc::new(Mutex::new(State { chance: Some(chance), ..State::default() })))
    }

    /// The next call of `operation` for which no other fault is waiting meets this one; `"*"` is any operation.
    pub fn next(&self, operation: &'static str, fault: Fault) -> &Self {
        self.state().script.push_back((operation, fault));
        self
    }

    /// Every call of `operation` meets this one, when no other is waiting; `"*"` is any operation.
    pub fn always(&self, operation: &'static str, fault: Fault) -> &Self {
        self.state().always.push((operation, fault));
        self
    }

    /// From now on nothing fails.
    pub fn clear(&self) {
        let mut state = self.state();
        state.script.clear();
        state.always.clear();
        state.chance = None;
    }

    /// The operations called since this was asked last, in order, those that failed included.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().calls)
    }

    /// Whether every fault that `next` added was met.
    pub fn all_met(&self) -> bool {
        self.state().script.is_empty()
    }

    /// Notes the call; waits if that is its fault; answers the fault if the call is to fail.
    pub(super) async fn called(&self, operation: &'static str) -> Option<Fault> {
        let fault = {
            let mut state = self.state();
            state.calls.push(operation);
            state.fault_for(operation)?
        };
        match fault.way {
            Way::Waits => {
                tokio::time::sleep(fault.delay).await;
                None
            }
            Way::Hangs => std::future::pending().await,
            Way::Fails | Way::FailsWhole | Way::Loses | Way::Lands => Some(fault),
        }
    }

    /// When to execute the next call of `operation`, and what to answer now, if that is its fault; it then counts as called.
    pub(super) fn late(&self, operation: &'static str) -> Option<(Duration, Error)> {
        let mut state = self.state();
        let (_, fault) = state.script.iter().find(|(name, _)| meets(name, operation))?;
        if fault.way != Way::Lands {
            return None;
        }
        state.calls.push(operation);
        let fault = state.fault_for(operation)?;
        Some((fault.delay, fault.now()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fault_for(&mut self, operation: &str) -> Option<Fault> {
        if let Some(at) = self.script.iter().position(|(name, _)| meets(name, operation)) {
            return self.script.remove(at).map(|(_, fault)| fault);
        }
        if let Some((_, fault)) = self.always.iter().find(|(name, _)| meets(name, operation)) {
            return Some(fault.clone());
        }
        let Chance { generator, percent, faults } = self.chance.as_mut()?;
        let met = generator.random_range(0..100) < *percent && !faults.is_empty();
        if met { faults.get(generator.random_range(0..faults.len())).cloned() } else { None }
    }
}

fn meets(name: &str, operation: &str) -> bool {
    name == "*" || name == operation
}
