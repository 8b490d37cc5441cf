//! Runs the same actors in one order of their steps after the other.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub(crate) type Act = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What trying all orders found.
#[derive(Debug, Default)]
pub(crate) struct Explored {
    pub(crate) orders: u64,
    /// How many fetches were returned and not cached, in all orders.
    pub(crate) overtaken: u64,
    /// What went wrong in the last order tried.
    pub(crate) wrong: Option<String>,
}

/// Somebody who takes steps while it is woken.
pub(crate) struct Actor {
    act: Option<Act>,
    /// Whether it goes when nobody else is left.
    pub(crate) is_last: bool,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Actor {
    pub(crate) fn new(act: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { act: Some(Box::pin(act)), is_last: false, woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.act.is_none()
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.is_done() && self.woken.0.load(Ordering::SeqCst)
    }

    pub(crate) fn step(&mut self) {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        let done = self
            .act
            .as_mut()
            .is_none_or(|act| act.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        if done {
            self.act = None;
        }
    }
}

/// The orders, as paths through a tree of choices: all of them, depth first, or some at random.
pub(crate) struct Orders {
    path: Vec<Choice>,
    at: usize,
    /// How often an order switches away from somebody who could go on.
    switches: usize,
    /// How many orders are still to be drawn, and from what.
    random: Option<(usize, StdRng)>,
}

struct Choice {
    taken: usize,
    of: usize,
}

impl Orders {
    /// All orders with at most so many switches away from somebody who could go on.
    pub(crate) fn all(switches: usize) -> Self {
        Self { path: Vec::new(), at: 0, switches, random: None }
    }

    /// Some orders, with any number of switches.
    pub(crate) fn some(count: usize, seed: u64) -> Self {
        Self { random: Some((count, StdRng::seed_from_u64(seed))), ..Self::all(usize::MAX) }
    }

    /// Steps on until nobody is ready; `actors` and `listeners` are the same at each call, and at their start.
    pub(crate) fn run(&mut self, actors: &mut [Actor], listeners: &mut [Actor]) {
        let (mut current, mut left) = (usize::MAX, self.switches);
        self.at = 0;
        loop {
            let mut ready = who_is_ready(actors, listeners);
            let may_go_on = ready.contains(&current);
            if may_go_on {
                ready.retain(|n| *n != current);
                ready.insert(0, current); // the first order switches only where it must
                if left == 0 {
                    ready.truncate(1);
                }
            }
            if ready.is_empty() {
                return;
            }
            let next = *ready.get(self.choose(ready.len())).expect("one of them");
            if may_go_on && next != current {
                left -= 1;
            }
            current = next;
            actors.iter_mut().chain(listeners.iter_mut()).nth(next).expect("it is ready").step();
        }
    }

    /// Whether there is another order; then the next run takes it.
    pub(crate) fn advance(&mut self) -> bool {
        if let Some((left, _)) = &mut self.random {
            *left = left.saturating_sub(1);
            return *left > 0;
        }
        while let Some(last) = self.path.last_mut() {
            last.taken += 1;
            if last.taken < last.of {
                return true;
            }
            self.path.pop();
        }
        false
    }

    fn choose(&mut self, of: usize) -> usize {
        if of == 1 {
            return 0;
        }
        if let Some((_, rng)) = &mut self.random {
            return rng.random_range(0..of);
        }
        if self.at == self.path.len() {
            self.path.push(Choice { taken: 0, of });
        }
        let choice = self.path.get(self.at).expect("it was pushed");
        assert_eq!(choice.of, of, "the actors did not do the same again");
        self.at += 1;
        choice.taken
    }
}

/// Those among whom the order matters: where only listeners are left it does not, and one of a process that does
/// nothing comes last.
fn who_is_ready(actors: &[Actor], listeners: &[Actor]) -> Vec<usize> {
    let all = || actors.iter().chain(listeners).enumerate().filter(|(_, actor)| actor.is_ready());
    let mut ready: Vec<_> = all().filter(|(_, actor)| !actor.is_last).map(|(n, _)| n).collect();
    if !actors.iter().any(Actor::is_ready) {
        ready.truncate(1);
    }
    if ready.is_empty() {
        ready.extend(all().map(|(n, _)| n).next());
    }
    ready
}

/// Waits as a message on its way does: everybody else may go first.
pub(crate) async fn step() {
    let mut waited = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
