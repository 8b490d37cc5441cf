//! The operations that are measured, on entries of their own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use kv_core::{AnyStore, Error, ErrorKind, Key, NewEntry, PutMode, Result, Scan, Store as _, Version};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::task::JoinError;

use super::measure::{Figures, Times, Turn};

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
/// Names that are removed, or looked for, at once.
const NAMES: usize = 1_000;
/// What is looked for at once has no more bytes, if all of it is there.
const LOOK_BYTES: usize = 8 << 20;
/// After so many turns a task lets the others have theirs.
const YIELD_EVERY: usize = 16;
/// How long tasks that were stopped are waited for.
const ENDING: Duration = Duration::from_secs(10);
/// Before each look for what is there although it was removed: a write whose answer was lost may be executed late.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];
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
    /// Heard by each task, so that it ends between two operations. One that is dropped within a write may go on writing
    /// unheard: some stores finish what they have begun.
    ended: Arc<AtomicBool>,
    /// Something failed, and may be executed all the same.
    failed: Arc<AtomicBool>,
}

impl Bench {
    pub(super) fn new(store: &AnyStore, entries: usize, bytes: usize, time: Duration, tasks: usize) -> Self {
        let mut value = vec![0; bytes];
        StdRng::seed_from_u64(1).fill_bytes(&mut value); // what does not compress
        let collection = format!("larder-bench-{:016x}", rand::rng().random::<u64>());
        let (collection, value, at_work) = (collection.into(), value.into(), Arc::default());
        let (ended, failed) = (Arc::default(), Arc::default());
        Self { store: store.clone(), collection, entries, value, time, tasks, at_work, ended, failed }
    }

    pub(super) const fn store(&self) -> &AnyStore {
        &self.store
    }

    /// Where the entries are.
    pub(super) fn collection(&self) -> &str {
        &self.collection
    }

    /// Writes the entries. A batch that was begun is written also if this is dropped.
    pub(super) async fn fill(&self) -> Result<()> {
        for first in (0..self.entries).step_by(BATCH) {
            let ids: Vec<_> = (first..self.entries.min(first + BATCH)).map(id).collect();
            let (bench, at_work) = (self.clone(), self.at_work().await);
            let writing = tokio::spawn(async move { bench.noting(at_work, bench.put_many(&ids)).await });
            writing.await.map_err(task_ended).flatten()?;
        }
        Ok(())
    }

    /// Repeats `operation` in so many tasks at once, in each at least once, however short the time. If this is dropped, they
    /// end with [`Bench::clean`].
    pub(super) async fn run(&self, operation: Operation, tasks: usize) -> Result<Figures> {
        let mut running = Vec::with_capacity(tasks);
        let begun = Instant::now();
        for task in 0..tasks {
            let (bench, at_work) = (self.clone(), self.at_work().await);
            let repeating = async move { bench.noting(at_work, bench.repeat(operation, task, begun)).await };
            running.push(tokio::spawn(repeating));
        }
        let (mut times, mut wall) = (Vec::with_capacity(tasks), Duration::ZERO);
        for task in running {
            let (of_task, ended) = task.await.map_err(task_ended).flatten()?;
            times.push(of_task);
            wall = wall.max(ended);
        }
        Ok(Figures::of(times, wall))
    }

    /// Removes all that was written, by name: not every store can list. Tasks that were stopped have ended before, and what
    /// is executed late is looked for: longer where something failed.
    ///
    /// # Errors
    /// What stands between it and the knowledge that nothing is left.
    pub(super) async fn clean(&self) -> Result<()> {
        self.ended.store(true, Ordering::Relaxed);
        let all_ended = tokio::time::timeout(ENDING, self.at_work.write()).await.is_ok();
        let is_sure = all_ended && !self.failed.load(Ordering::Relaxed);
        let all: Vec<_> = (0..self.entries).map(id).chain((0..self.tasks).map(own)).collect();
        let mut done = self.remove(&all).await;
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            let left = self.found(&all).await?;
            if left.is_empty() {
                done = Ok(());
                if is_sure {
                    break;
                }
                continue;
            }
            let again = Error::new(ErrorKind::Unexpected, "entries are there although they were removed");
            done = self.remove(&left).await.and(Err(again));
        }
        done
    }

    /// # Errors
    /// The first one; it goes on after it.
    async fn remove(&self, ids: &[String]) -> Result<()> {
        let mut done = Ok(());
        for ids in ids.chunks(NAMES) {
            let removed = self.store.delete_many(&self.keys(ids)).await;
            done = done.and(removed.and_then(|removed| removed.into_iter().collect()));
        }
        done
    }

    /// Those of the ids that are there, or may be.
    async fn found(&self, ids: &[String]) -> Result<Vec<String>> {
        let mut there = Vec::new();
        let at_once = (LOOK_BYTES / self.value.len().max(1)).clamp(1, NAMES);
        for ids in ids.chunks(at_once) {
            let found = self.store.get_many(&self.keys(ids)).await?.into_iter().zip(ids);
            there.extend(found.filter(|(found, _)| !matches!(found, Ok(None))).map(|(_, id)| id.clone()));
        }
        Ok(there)
    }

    async fn at_work(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.at_work).read_owned().await
    }

    /// What the work of a task brings. If it failed, the others end too.
    async fn noting<T>(
        &self,
        at_work: OwnedRwLockReadGuard<()>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let done = work.await;
        if done.is_err() {
            self.failed.store(true, Ordering::Relaxed);
            self.ended.store(true, Ordering::Relaxed);
        }
        drop(at_work);
        done
    }

    /// The times, and when the last operation had ended: what is tidied up after it belongs to none.
    async fn repeat(&self, operation: Operation, task: usize, begun: Instant) -> Result<(Times, Duration)> {
        let own = own(task);
        let own = Key::new(&self.collection, &own);
        let random = StdRng::seed_from_u64(task as u64);
        let mut turns = Turns { bench: self, operation, own, random, version: None };
        let mut times = Times::default();
        loop {
            let started = Instant::now();
            let turn = turns.one().await?;
            times.add(turn, started.elapsed());
            if begun.elapsed() >= self.time || times.is_full() || self.ended.load(Ordering::Relaxed) {
                break;
            }
            if times.turns().is_multiple_of(YIELD_EVERY) {
                tokio::task::yield_now().await; // a store in this process may never wait by itself
            }
        }
        let ended = begun.elapsed();
        drop(self.store.take(own, None).await?);
        Ok((times, ended))
    }

    fn entry(&self) -> NewEntry {
        NewEntry::new(self.value.clone()).ttl(LEFTOVERS)
    }

    fn keys<'a>(&'a self, ids: &'a [String]) -> Vec<Key<'a>> {
        ids.iter().map(|id| Key::new(&self.collection, id)).collect()
    }

    /// Lists what a whole page holds, or all there is. Pages of some stores are short, or even empty, while more is to come.
    async fn page(&self) -> Result<()> {
        let (scan, mut listed, mut from) = (Scan::one(&self.collection).values(), 0, None);
        loop {
            let page = self.store.scan(scan, from.as_ref()).await?;
            listed += page.items.len();
            from = page.next;
            if from.is_none() || listed >= Scan::MAX_LIMIT || self.ended.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
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
    /// One operation; what it needs is prepared before.
    async fn one(&mut self) -> Result<Turn> {
        let (bench, store) = (self.bench, &self.bench.store);
        match self.operation {
            Operation::Get => {
                let id = self.any();
                let (found, took) = timed(store.get(Key::new(&bench.collection, &id))).await?;
                Ok(Turn { took, sought: 1, found: usize::from(found.is_some()) })
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
                Ok(Turn::of(took))
            }
            Operation::Take => {
                store.put(self.own, bench.entry(), PutMode::Replace).await?;
                let (taken, took) = timed(store.take(self.own, None)).await?;
                Ok(Turn { took, sought: 1, found: usize::from(taken.is_some()) })
            }
            Operation::GetMany => {
                let ids = self.some();
                let (answers, took) = timed(store.get_many(&bench.keys(&ids))).await?;
                let found = answers.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().count();
                Ok(Turn { took, sought: ids.len(), found })
            }
            Operation::PutMany => {
                let ids = self.some();
                timed(bench.put_many(&ids)).await.map(|((), took)| Turn::of(took))
            }
            Operation::Page => timed(bench.page()).await.map(|((), took)| Turn::of(took)),
        }
    }

    async fn put(&mut self, entry: NewEntry) -> Result<Turn> {
        let id = self.any();
        let key = Key::new(&self.bench.collection, &id);
        timed(self.bench.store.put(key, entry, PutMode::Replace)).await.map(|(_, took)| Turn::of(took))
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

fn task_ended(error: JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "a task of the bench ended").because(error)
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
    use kv_core::{ErrorKind, Store as _, StoreExt as _};
    use kv_memory::MemoryStore;
    use tokio::time::{Instant, sleep, timeout};

    use super::{BATCH, Bench, Operation};

    const LONG: Duration = Duration::from_secs(60);
    /// How long a call takes that is under way when the bench is told to end, after this other time.
    const SLOW: Duration = Duration::from_secs(3);
    const SOON: Duration = Duration::from_secs(1);

    /// A bench of three tasks on 20 entries that goes on until it is told to end.
    fn endless(memory: &MemoryStore, faults: &Faults) -> Bench {
        let store = Faulty::new(memory.clone(), faults).erased();
        Bench::new(&store, 20, 10, LONG, 3)
    }

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
    async fn a_listing_goes_on_to_a_whole_page_or_the_end_however_short_the_pages_are() {
        let faults = Faults::none();
        let large = 1 << 20; // so that eight are a page
        for (entries, pages) in [(20, 3), (7, 1)] {
            let store = Faulty::new(MemoryStore::new(), &faults).erased();
            let bench = Bench::new(&store, entries, large, LONG, 1);
            bench.fill().await.unwrap();
            drop(faults.calls());
            bench.page().await.unwrap();
            assert_eq!(faults.calls(), vec!["scan"; pages]);
        }
        let store = Faulty::new(MemoryStore::new(), &faults).erased();
        let bench = Bench::new(&store, 1_500, 1, LONG, 1);
        bench.fill().await.unwrap();
        drop(faults.calls());
        bench.page().await.unwrap();
        assert_eq!(faults.calls(), ["scan"]);
    }

    #[tokio::test]
    async fn what_is_not_there_is_no_hit() {
        let store = MemoryStore::new().erased();
        let bench = Bench::new(&store, 20, 10, Duration::from_millis(5), 1);
        for operation in [Operation::Get, Operation::GetMany] {
            let figures = bench.run(operation, 1).await.unwrap();
            assert!(figures.operations == 0 && figures.misses > 0, "{operation}: {figures:?}");
        }
        bench.fill().await.unwrap();
        bench.store().delete_many(&bench.keys(&[super::id(0)])).await.unwrap();
        let figures = bench.run(Operation::GetMany, 1).await.unwrap();
        assert!(figures.operations > 0 && figures.misses > 0, "{figures:?}");
    }

    #[tokio::test]
    async fn what_is_tidied_up_afterwards_is_not_measured() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let store = Faulty::new(memory, &faults).erased();
        let bench = Bench::new(&store, 20, 10, Duration::from_millis(5), 1);
        let late = Duration::from_secs(1);
        faults.always("take", Fault::delayed(late));
        let figures = bench.run(Operation::Put, 1).await.unwrap();
        let wall = f64::from(u32::try_from(figures.operations).unwrap()) / figures.per_second;
        assert!(wall < late.as_secs_f64() / 4.0, "{wall} s: {figures:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bench_that_fails_midway_leaves_nothing_either() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let bench = endless(&memory, &faults);
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

    #[tokio::test(start_paused = true)]
    async fn a_put_that_is_executed_after_its_entry_was_removed_is_found() {
        for late in [50, 500, 1_000].map(Duration::from_millis) {
            let (memory, faults) = (MemoryStore::new(), Faults::none());
            let bench = endless(&memory, &faults);
            bench.fill().await.unwrap();
            faults.next("put", Fault::landing_late(ErrorKind::Unavailable, late));
            bench.run(Operation::Put, 3).await.unwrap_err();
            bench.clean().await.unwrap();
            sleep(LONG).await;
            assert_eq!(memory.held().entries, 0, "{late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_come_back_again_and_again_are_told_of() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let bench = endless(&memory, &faults);
        bench.fill().await.unwrap();
        faults.always("delete_many", Fault::vanished(ErrorKind::Timeout));
        bench.clean().await.unwrap_err();
        faults.clear();
        bench.clean().await.unwrap();
        assert_eq!(memory.held().entries, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delete_whose_answer_is_lost_is_no_error_if_nothing_is_left() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let bench = endless(&memory, &faults);
        bench.fill().await.unwrap();
        faults.next("delete_many", Fault::lost(ErrorKind::Timeout));
        bench.clean().await.unwrap();
        assert_eq!(memory.held().entries, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_under_way_when_the_bench_is_told_to_end_is_waited_for() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let store = Faulty::new(memory.clone(), &faults).erased();
        let bench = Bench::new(&store, 2 * BATCH, 10, LONG, 3);
        faults.next("put_many", Fault::delayed(SLOW));
        let begun = Instant::now();
        timeout(SOON, bench.fill()).await.unwrap_err();
        bench.clean().await.unwrap();
        assert!(begun.elapsed() >= SLOW, "nobody knows what becomes of it");
        assert_eq!(faults.calls(), ["put_many", "delete_many", "get_many"]);
        assert_eq!(memory.held().entries, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_that_is_under_way_when_the_bench_is_told_to_end_is_waited_for() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let bench = endless(&memory, &faults);
        bench.fill().await.unwrap();
        faults.always("put", Fault::delayed(SLOW));
        let begun = Instant::now();
        timeout(SOON, bench.run(Operation::Put, 3)).await.unwrap_err();
        bench.clean().await.unwrap();
        assert!(begun.elapsed() >= SLOW, "nobody knows what becomes of it");
        let calls = faults.calls();
        assert_eq!(calls.iter().filter(|call| **call == "put").count(), 3, "and none is begun: {calls:?}");
        assert_eq!(memory.held().entries, 0);
    }
}
