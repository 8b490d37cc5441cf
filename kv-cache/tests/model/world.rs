//! Two processes, each with a cache and a near tier of its own, on one store.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::poll_immediate;
use kv_cache::{Cache, Lookup, Near, NearExt as _};
use kv_core::{Clock, Key, Store as _};
use kv_memory::MemoryStore;

use crate::explorer::{Actor, Explored, Orders, step};
use crate::far::{Far, Fault};

const TTL: Duration = Duration::from_secs(60);
const STALE: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Here,
    There,
}

/// What somebody does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Asks, and fetches what is true in the middle of it.
    Reads,
    /// Asks for a value that carries a tag.
    ReadsTagged,
    /// Looks twice for what is cached.
    Finds,
    /// Reads, and gives up after so many steps.
    Drops(usize),
    /// Changes what is true, then invalidates.
    Writes(Then),
    /// Changes what is true, then invalidates the tag.
    WritesTagged(Then),
}

/// What somebody does who has invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Goes,
    /// Looks for what is cached: in its own process nothing old is, from then on.
    Looks,
}

/// What stands in the store at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    Nothing,
    /// A lease that somebody left behind.
    Lease,
    /// The true value, and a copy of it in each process.
    Cached,
    /// The true value, past its ttl.
    Stale,
}

pub(crate) struct World {
    far: Far,
    clock: Clock,
    here: Cache<u64>,
    there: Cache<u64>,
    /// Who hears the news in each process.
    listeners: Vec<Actor>,
    turns: MemoryStore,
    orders: u64,
}

/// One run: what is true, and what was seen that must not be.
#[derive(Clone)]
struct Run {
    id: String,
    tag: String,
    cache: Cache<u64>,
    truth: Arc<AtomicU64>,
    wrong: Arc<Mutex<Option<String>>>,
}

impl World {
    pub(crate) fn new(fault: Fault) -> Self {
        let clock = Clock::manual();
        let far = Far::new(&clock, fault);
        let near = Near::default().clock(clock.clone());
        let mut listeners = Vec::new();
        let [here, there] = [(); 2].map(|()| {
            let store = far.clone().near_cached(&near);
            listeners.push(Actor::new(store.follow()));
            // Without an executor a stale value is refreshed by whoever asks.
            Cache::new(store, "c").ttl(TTL).stale_while_revalidate(STALE)
        });
        Self { far, clock, here, there, listeners, turns: MemoryStore::new(), orders: 0 }
    }

    /// Tries `orders` of `acts` until one goes wrong.
    pub(crate) fn explore(mut self, mut orders: Orders, before: Before, acts: &[(Process, Act)]) -> Explored {
        for (listener, process) in self.listeners.iter_mut().zip([Process::Here, Process::There]) {
            listener.is_last = acts.iter().all(|(who, _)| *who != process);
        }
        loop {
            let run = self.run();
            self.prepare(&run, before);
            self.align();
            let mut actors: Vec<_> = acts
                .iter()
                .map(|(process, act)| Actor::new(run.of(self.cache(*process)).acts(*act)))
                .collect();
            orders.run(&mut actors, &mut self.listeners);
            if !actors.iter().all(Actor::is_done) {
                run.is_wrong("somebody waits for ever");
            }
            self.check(&run);
            self.clean(&run);
            let wrong = run.wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
            if wrong.is_some() || !orders.advance() {
                let overtaken = self.here.statistics().overtaken + self.there.statistics().overtaken;
                return Explored { orders: self.orders, overtaken, wrong };
            }
        }
    }

    /// The stores are the same for all runs; the id is new.
    fn run(&mut self) -> Run {
        self.orders += 1;
        let id = format!("{}", self.orders);
        Run {
            tag: format!("tag {id}"),
            id,
            cache: self.here.clone(),
            truth: Arc::new(AtomicU64::new(1)),
            wrong: Arc::default(),
        }
    }

    fn cache(&self, process: Process) -> &Cache<u64> {
        match process {
            Process::Here => &self.here,
            Process::There => &self.there,
        }
    }

    fn prepare(&mut self, run: &Run, before: Before) {
        let (here, there, run) = (run.of(&self.here), run.of(&self.there), run.clone());
        let clock = self.clock.clone();
        self.alone(async move {
            match before {
                Before::Nothing => {}
                Before::Lease => drop(run.cache.lookup(&run.id).await),
                Before::Cached => {
                    here.asks(false).await;
                    for process in [&here, &there] {
                        assert!(process.cache.get(&process.id).await.is_some());
                    }
                }
                Before::Stale => {
                    here.asks(true).await;
                    clock.advance(TTL + Duration::from_secs(1));
                    for process in [&here, &there] {
                        assert!(process.cache.get(&process.id).await.is_some_and(|hit| hit.is_stale()));
                    }
                }
            }
        });
    }

    /// Nobody is left who does anything: what is cached is true.
    fn check(&mut self, run: &Run) {
        let far = self.far.clone();
        let caches = [self.here.clone(), self.there.clone(), Cache::new(far.clone(), "c")];
        let run = run.clone();
        self.alone(async move {
            for cache in &caches {
                run.must_be_true(cache.get(&run.id).await.map(|hit| hit.value), "stayed cached");
            }
            let entry = far.get(Key::new("c", &run.id)).await.expect("the store answers");
            let untagged = entry.filter(|entry| entry.meta.tags.is_empty() && !entry.value.is_empty());
            let value = untagged.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok());
            run.must_be_true(value, "stayed in the store");
        });
    }

    /// Leaves nothing behind but numbers.
    fn clean(&mut self, run: &Run) {
        let (far, run) = (self.far.clone(), run.clone());
        self.alone(async move {
            let keys = [Key::new("c", &run.id), Key::new("c/#tags", &run.tag)];
            far.delete_many(&keys).await.expect("the store answers");
        });
    }

    /// A store in memory gives others a turn after so many operations of a thread: not in the middle of a run.
    fn align(&self) {
        let key = Key::new("c", "id");
        while self.turns.get_many(&[key]).now_or_never().is_some() {}
    }

    /// Runs `act` to its end and lets all news arrive.
    fn alone(&mut self, act: impl Future<Output = ()> + Send + 'static) {
        let mut act = [Actor::new(act)];
        Orders::all(0).run(&mut act, &mut self.listeners);
        assert!(act.iter().all(Actor::is_done), "it waits for ever");
    }
}

impl Run {
    /// The same run, as another process sees it.
    fn of(&self, cache: &Cache<u64>) -> Self {
        Self { cache: cache.clone(), ..self.clone() }
    }

    async fn acts(self, act: Act) {
        match act {
            Act::Reads => drop(self.asks(false).await),
            Act::ReadsTagged => drop(self.asks(true).await),
            Act::Finds => {
                for _ in 0..2 {
                    let _found = self.cache.get(&self.id).await;
                }
            }
            Act::Drops(steps) => {
                let mut read = Box::pin(self.asks(false));
                for _ in 0..steps {
                    if poll_immediate(&mut read).await.is_some() {
                        return;
                    }
                    step().await;
                }
            }
            Act::Writes(then) => {
                let written = self.changes_the_truth().await;
                self.cache.invalidate(&self.id).await.expect("the store answers");
                self.goes_on(then, written).await;
            }
            Act::WritesTagged(then) => {
                let written = self.changes_the_truth().await;
                self.cache.invalidate_tag(&self.tag).await.expect("the store answers");
                self.goes_on(then, written).await;
            }
        }
    }

    async fn asks(&self, tagged: bool) -> u64 {
        let truth = Arc::clone(&self.truth);
        let fetch = move || async move {
            step().await;
            let value = truth.load(Ordering::SeqCst);
            step().await;
            Ok::<_, Infallible>(value)
        };
        let answer = if tagged {
            self.cache.tagged([self.tag.as_str()]).get_or_fetch(&self.id, fetch).await
        } else {
            self.cache.get_or_fetch(&self.id, fetch).await
        };
        answer.unwrap_or_else(|error| match *error {})
    }

    async fn changes_the_truth(&self) -> u64 {
        step().await;
        self.truth.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn goes_on(&self, then: Then, written: u64) {
        if then == Then::Goes {
            return;
        }
        let found = match self.cache.lookup(&self.id).await {
            Lookup::Hit(hit) => Some(hit.value),
            Lookup::Miss(lease) => lease.stale().copied(),
        };
        if let Some(found) = found.filter(|found| *found < written) {
            self.is_wrong(&format!("{found} was found where {written} had been written"));
        }
    }

    fn must_be_true(&self, value: Option<u64>, how: &str) {
        let truth = self.truth.load(Ordering::SeqCst);
        if let Some(value) = value.filter(|value| *value != truth) {
            self.is_wrong(&format!("{value} {how} where {truth} is true"));
        }
    }

    fn is_wrong(&self, what: &str) {
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_owned());
    }
}
