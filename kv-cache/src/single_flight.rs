//! One run of a fetch for all who wait for it.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;

/// Runs one fetch per key at a time; whoever asks meanwhile waits for the same run and gets a clone of its output.
///
/// A run belongs to nobody: each that waits polls it, so dropping the one that began it hands it over, and dropping
/// the last one drops it. Its output is not kept: the next to ask begins anew. A run that panics makes each that
/// waits panic. Clones share their runs.
pub struct SingleFlight<K, V>(Arc<Mutex<Flights<K, V>>>);

struct Flights<K, V> {
    runs: HashMap<K, Flight<V>>,
    next: u64,
}

struct Flight<V> {
    number: u64,
    began: Instant,
    run: Run<V>,
    /// The one that grew old, and that this one has taken the place of.
    before: Option<Box<Flight<V>>>,
}

type Run<V> = WeakShared<BoxFuture<'static, Landed<V>>>;

type Landed<V> = Result<V, Crash>;

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing in flight.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Flights { runs: HashMap::new(), next: 0 })))
    }

    /// Waits for the run of `key` that is in flight, or for a new one of `fetch`.
    ///
    /// `fetch` is called when a new run is first polled, by whoever does; a run has no task and no span of its own.
    pub fn join<F, R>(&self, key: K, fetch: F) -> Joined<V>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = V> + Send + 'static,
    {
        self.join_within(key, Duration::MAX, |listed| async move {
            let output = fetch().await;
            drop(listed);
            output
        })
    }

    /// As [`SingleFlight::join`], but a run that is as old as `longest` is left to those who wait for it.
    ///
    /// Nobody joins the new run, either, once `fetch` has dropped what it is given.
    pub(crate) fn join_within<F, R>(&self, key: K, longest: Duration, fetch: F) -> Joined<V>
    where
        F: FnOnce(Listed<K, V>) -> R + Send + 'static,
        R: Future<Output = V> + Send + 'static,
    {
        let mut flights = lock(&self.0);
        // Its age first: the last hold on a run must not be dropped under the lock, which its end takes.
        let young = flights.runs.get(&key).filter(|flight| flight.began.elapsed() < longest);
        if let Some(run) = young.and_then(|flight| flight.run.upgrade()) {
            return Joined { run, began: false };
        }
        let number = flights.next;
        flights.next += 1;
        let listed = Listed { flights: Arc::downgrade(&self.0), key: key.clone(), number };
        let run = run(listed, fetch).boxed().shared();
        if let Some(weak) = run.downgrade() {
            let before = flights.runs.remove(&key).map(|old| Box::new(Flight { before: None, ..old }));
            flights.runs.insert(key, Flight { number, began: Instant::now(), run: weak, before });
        }
        Joined { run, began: true }
    }

    /// Whether there is a run of `key` besides one that grew old, which both go on.
    pub(crate) fn has_two(&self, key: &K) -> bool {
        let flights = lock(&self.0);
        let both = flights.runs.get(key).map(|flight| (flight.run.upgrade(), &flight.before));
        let both = both.map(|(run, before)| (run, before.as_ref().and_then(|before| before.run.upgrade())));
        drop(flights); // before what may be the last hold on a run
        matches!(both, Some((Some(_), Some(_))))
    }

    /// Lets those who ask from now on begin anew, where `matches`; who waits already gets what it waits for.
    pub fn forget(&self, mut matches: impl FnMut(&K) -> bool) {
        lock(&self.0).runs.retain(|key, _| !matches(key));
    }

    /// How many runs are in flight and can be joined.
    pub fn in_flight(&self) -> usize {
        lock(&self.0).runs.len()
    }
}

impl<K, V> Default for SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").field("in_flight", &lock(&self.0).runs.len()).finish()
    }
}

/// A wait for a run, from [`SingleFlight::join`]. Owns all it needs; nothing runs unless somebody polls.
#[must_use = "a run goes on only while somebody waits for it"]
pub struct Joined<V> {
    run: Shared<BoxFuture<'static, Landed<V>>>,
    began: bool,
}

impl<V> Joined<V> {
    /// Whether this call began the run, rather than joining one.
    pub const fn began(&self) -> bool {
        self.began
    }
}

impl<V: Clone> Future for Joined<V> {
    type Output = V;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V> {
        match ready!(Pin::new(&mut self.run).poll(cx)) {
            Ok(value) => Poll::Ready(value),
            Err(crash) => crash.resume(),
        }
    }
}

impl<V> fmt::Debug for Joined<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("began", &self.began).finish_non_exhaustive()
    }
}

/// `fetch` drops `listed` before anybody learns the output: who asks after that begins anew.
async fn run<K, V, F, R>(listed: Listed<K, V>, fetch: F) -> Landed<V>
where
    K: Clone + Eq + Hash + Send,
    V: Send + Sync,
    F: FnOnce(Listed<K, V>) -> R + Send,
    R: Future<Output = V> + Send,
{
    AssertUnwindSafe(async move { fetch(listed).await }).catch_unwind().await.map_err(Crash::new)
}

/// A run's place on the list, where others find it: until it lands, panics or is dropped midway, or gives this up.
pub(crate) struct Listed<K: Clone + Eq + Hash, V> {
    flights: Weak<Mutex<Flights<K, V>>>,
    key: K,
    number: u64,
}

impl<K: Clone + Eq + Hash, V> Drop for Listed<K, V> {
    fn drop(&mut self) {
        let Some(flights) = self.flights.upgrade() else { return };
        let mut flights = lock(&flights);
        // After `forget`, when it grew old, or when the last waiter left, another run may stand there already.
        if flights.runs.get(&self.key).is_none_or(|flight| flight.number != self.number) {
            return;
        }
        let before = flights.runs.remove(&self.key).and_then(|flight| flight.before);
        let goes_on = before.and_then(|before| Some((before.run.upgrade()?, before)));
        let hold = goes_on.map(|(hold, before)| {
            flights.runs.insert(self.key.clone(), *before); // nobody joins it, but it counts
            hold
        });
        drop(flights); // before what may be the last hold on a run
        drop(hold);
    }
}

/// A panic of the fetch: one that waits gets its payload, the others a word.
#[derive(Clone)]
struct Crash(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Crash {
    fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(Arc::new(Mutex::new(Some(payload))))
    }

    fn resume(&self) -> ! {
        let payload = lock(&self.0).take();
        resume_unwind(payload.unwrap_or_else(|| Box::new("the fetch that this call shared panicked")))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
