//! The operations that are measured, on entries of their own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use kv_core::{AnyStore, Key, NewEntry, PutMode, Result, Scan, Store as _, Version};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use super::measure::{Figures, Times};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    Get,
    Put,
    PutTtl,
    Update,
    Take,
    GetMany,
    PutMany,
    Page,
}

impl Operation {
    pub(super) const ALL: [Self; 8] = [
        Self::Get,
        Self::Put,
        Self::PutTtl,
        Self::Update,
        Self::Take,
        Self::GetMany,
        Self::PutMany,
        Self::Page,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::PutTtl => "put-ttl",
            Self::Update => "update",
            Self::Take => "take",
            Self::GetMany => "get-many",
            Self::PutMany => "put-many",
            Self::Page => "page",
        })
    }
}

/// Entries of a batch, and of what is written at once to begin with.
const BATCH: usize = 50;
/// After so many turns a task lets the others have theirs.
const YIELD_EVERY: usize = 16;
/// How long tasks that were stopped are waited for.
const ENDING: Duration = Duration::from_secs(10);
/// What a bench leaves behind when it is killed is gone after so long, but for what `put` wrote.
const LEFTOVERS: Duration = Duration::from_secs(3_600);

/// A store with entries of known names in it.
#[derive(Clone, Debug)]
pub(super) struct Bench {
    store: AnyStore,
    collection: Arc<str>,
    entries: usize,
    value: Bytes,
    time: Duration,
    /// How many tasks there are at most.
    tasks: usize,
    /// Held by each task, so that none writes any more once entries are removed.
    at_work: Arc<RwLock<()>>,
}

impl Bench {
    pub(super) fn new(store: &AnyStore, entries: usize, bytes: usize, time: Duration, tasks: usize) -> Self {
        let mut value = vec![0; bytes];
        StdRng::seed_from_u64(1).fill_bytes(&mut value); // what does not compress
        let collection = format!("larder-bench-{:016x}", rand::rng().random::<u64>());
        let (collection, value, at_work) = (collection.into(), value.into(), Arc::default());
        Self { store: store.clone(), collection, entries, value, time, tasks, at_work }
    }

    pub(super) const fn store(&self) -> &AnyStore {
        &self.store
    }

    pub(super) async fn fill(&self) -> Result<()> {
        for first in (0..self.entries).step_by(BATCH) {
            let ids: Vec<_> = (first..self.entries.min(first + BATCH)).map(id).collect();
            self.put_many(&ids).await?;
        }
        Ok(())
    }

    /// Removes all that was written, by name: not every store can list. Tasks that were stopped have ended before.
    ///
    /// # Errors
    /// The first one; it goes on after it.
    pub(super) async fn clean(&self) -> Result<()> {
        drop(tokio::time::timeout(ENDING, self.at_work.write()).await);
        let all: Vec<_> = (0..self.entries).map(id).chain((0..self.tasks).map(own)).collect();
        let mut done = Ok(());
        for ids in all.chunks(1_000) {
            let removed = self.store.delete_many(&self.keys(ids)).await;
            done = done.and(removed.and_then(|removed| removed.into_iter().collect()));
        }
        done
    }

    /// Repeats `operation` in so many tasks at once, in each at least once, however short the time.
    pub(super) async fn run(&self, operation: Operation, tasks: usize) -> Result<Figures> {
        let mut running = JoinSet::new();
        let begun = Instant::now();
        for task in 0..tasks {
            let (bench, at_work) = (self.clone(), Arc::clone(&self.at_work).read_owned().await);
            running.spawn(async move {
                let done = bench.repeat(operation, task, begun).await;
                drop(at_work);
                done
            });
        }
        let mut times = Vec::with_capacity(tasks);
        while let Some(done) = running.join_next().await {
            times.push(done.map_err(|error| {
                kv_core::Error::new(kv_core::ErrorKind::Unexpected, "a task of the bench ended")
                    .because(error)
            })??);
        }
        Ok(Figures::of(times, begun.elapsed()))
    }

    async fn repeat(&self, operation: Operation, task: usize, begun: Instant) -> Result<Times> {
        let own = own(task);
        let own = Key::new(&self.collection, &own);
        let random = StdRng::seed_from_u64(task as u64);
        let mut turns = Turns { bench: self, operation, own, random, version: None };
        let mut times = Times::default();
        loop {
            let started = Instant::now();
            let took = turns.one().await?;
            times.add(took, started.elapsed());
            if begun.elapsed() >= self.time || times.is_full() {
                break;
            }
            if times.turns().is_multiple_of(YIELD_EVERY) {
                tokio::task::yield_now().await; // a store in this process may never wait by itself
            }
        }
        drop(self.store.take(own, None).await?);
        Ok(times)
    }

    fn entry(&self) -> NewEntry {
        NewEntry::new(self.value.clone()).ttl(LEFTOVERS)
    }

    fn keys<'a>(&'a self, ids: &'a [String]) -> Vec<Key<'a>> {
        ids.iter().map(|id| Key::new(&self.collection, id)).collect()
    }

    async fn put_many(&self, ids: &[String]) -> Result<()> {
        let entries = self.keys(ids).into_iter().map(|key| (key, self.entry())).collect();
        for written in self.store.put_many(entries).await? {
            written?;
        }
        Ok(())
    }
}

/// One task that does the same again and again.
struct Turns<'a> {
    bench: &'a Bench,
    operation: Operation,
    /// An entry that no other task touches.
    own: Key<'a>,
    random: StdRng,
    /// Of the own entry, once it was updated.
    version: Option<Version>,
}

impl Turns<'_> {
    /// One operation, and how long it took; what it needs is prepared before.
    async fn one(&mut self) -> Result<Duration> {
        let (bench, store) = (self.bench, &self.bench.store);
        match self.operation {
            Operation::Get => {
                let id = self.any();
                timed(store.get(Key::new(&bench.collection, &id))).await.map(|(_, took)| took)
            }
            Operation::Put => self.put(NewEntry::new(bench.value.clone())).await,
            Operation::PutTtl => self.put(bench.entry()).await,
            Operation::Update => {
                let version = match self.version {
                    Some(version) => version,
                    None => store.put(self.own, bench.entry(), PutMode::Replace).await?,
                };
                let (version, took) =
                    timed(store.put(self.own, bench.entry(), PutMode::Update(version))).await?;
                self.version = Some(version);
                Ok(took)
            }
            Operation::Take => {
                store.put(self.own, bench.entry(), PutMode::Replace).await?;
                timed(store.take(self.own, None)).await.map(|(_, took)| took)
            }
            Operation::GetMany => {
                let ids = self.some();
                timed(store.get_many(&bench.keys(&ids))).await.map(|(_, took)| took)
            }
            Operation::PutMany => {
                let ids = self.some();
                timed(bench.put_many(&ids)).await.map(|((), took)| took)
            }
            Operation::Page => {
                let scan = Scan::one(&bench.collection).values();
                timed(store.scan(scan, None)).await.map(|(_, took)| took)
            }
        }
    }

    async fn put(&mut self, entry: NewEntry) -> Result<Duration> {
        let id = self.any();
        let key = Key::new(&self.bench.collection, &id);
        timed(self.bench.store.put(key, entry, PutMode::Replace)).await.map(|(_, took)| took)
    }

    fn any(&mut self) -> String {
        id(self.random.random_range(0..self.bench.entries))
    }

    fn some(&mut self) -> Vec<String> {
        (0..BATCH).map(|_| self.any()).collect()
    }
}

async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let started = Instant::now();
    let done = work.await?;
    Ok((done, started.elapsed()))
}

/// The name of an entry that one task alone touches.
fn own(task: usize) -> String {
    format!("task {task}")
}

fn id(number: usize) -> String {
    format!("{number:010}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{ErrorKind, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{Bench, Operation};

    #[tokio::test]
    async fn every_operation_is_measured_and_nothing_is_left() {
        let memory = MemoryStore::new();
        let bench = Bench::new(&memory.clone().erased(), 120, 10, Duration::from_millis(5), 3);
        bench.fill().await.unwrap();
        for operation in Operation::ALL {
            for tasks in [1, 3] {
                let figures = bench.run(operation, tasks).await.unwrap();
                assert!(figures.operations >= tasks && figures.per_second > 0.0, "{operation}: {figures:?}");
                assert!(figures.p50 <= figures.p99 && figures.p99 <= figures.max);
            }
        }
        bench.clean().await.unwrap();
        assert_eq!(memory.held().entries, 0);
    }

    #[tokio::test]
    async fn a_bench_that_fails_midway_leaves_nothing_either() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let store = Faulty::new(memory.clone(), &faults).erased();
        let bench = Bench::new(&store, 20, 10, Duration::from_secs(60), 3);
        bench.fill().await.unwrap();
        for _ in 0..50 {
            faults.next("take", Fault::delayed(Duration::ZERO));
        }
        faults.next("take", Fault::refused(ErrorKind::Unavailable));
        bench.run(Operation::Take, 3).await.unwrap_err();
        faults.clear();
        assert!(memory.held().entries > 20, "what a task had just written is there");
        bench.clean().await.unwrap();
        assert_eq!(memory.held().entries, 0);
    }
}
