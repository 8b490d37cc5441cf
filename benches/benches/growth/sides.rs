//! Larder and the raw engine, each on a directory of its own with the same entries.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kv_core::{Clock, Store as _, StoreExt as _};
use kv_disk::{DiskConfig, DiskStore, Engine};
use larder_benches::larder::Larder;
use larder_benches::measure::Plan;
use larder_benches::peers::{Flush, Redb, Sled, cache_bytes};
use larder_benches::subject::{Subject, batch_from, check_page, check_take};
use larder_benches::workload::{BATCH, Values};
use tempfile::TempDir;

/// So many tasks fill a side at once, so that each commit has as many entries as a commit may have.
const FILLING: usize = 64;

/// A raw engine, as one task writes to it and as many do.
pub(crate) trait Raw: Subject {
    const ENGINE: Engine;
    const NAME: &'static str;

    fn open(dir: TempDir, cache_bytes: usize) -> Self;
    /// The same one, whose writers share their commits.
    fn shared(&self) -> Self;
    /// The same one, whose writer leaves its thread while it waits, if that can be told apart.
    fn elsewhere(&self) -> Option<Self>;
}

impl Raw for Sled {
    const ENGINE: Engine = Engine::Sled;
    const NAME: &'static str = "disk-sled";

    fn open(dir: TempDir, cache_bytes: usize) -> Self {
        Self::open(dir, cache_bytes).flushing(Flush::Each)
    }

    fn shared(&self) -> Self {
        self.flushing(Flush::Grouped)
    }

    fn elsewhere(&self) -> Option<Self> {
        Some(self.flushing(Flush::Elsewhere))
    }
}

impl Raw for Redb {
    const ENGINE: Engine = Engine::Redb;
    const NAME: &'static str = "disk-redb";

    fn open(dir: TempDir, cache_bytes: usize) -> Self {
        Self::open(dir, cache_bytes)
    }

    fn shared(&self) -> Self {
        self.grouped()
    }

    fn elsewhere(&self) -> Option<Self> {
        None
    }
}

/// Both sides.
pub(crate) struct Sides<R> {
    pub(crate) larder: Larder,
    /// The clock of Larder's side, which stands still until the sweep: a look at the system's would add 25 ns to a
    /// write, which takes 10 us and more.
    pub(crate) clock: Clock,
    pub(crate) alone: R,
    pub(crate) shared: R,
    _dir: TempDir,
}

impl<R: Raw> Sides<R> {
    /// New ones with so many entries each, every one of which has been read back.
    pub(crate) fn filled(plan: &Plan, values: &Values, keys: u64) -> Self {
        let begun = Instant::now();
        let sides = Self::open(plan, cache_bytes(keys, values.bytes()));
        plan.block_on(async {
            let larder = tokio::spawn(fill(sides.larder.clone(), values.clone(), keys));
            let raw = tokio::spawn(fill(sides.shared.clone(), values.clone(), keys));
            larder.await.expect("Larder's side is filled");
            raw.await.expect("the raw engine is filled");
        });
        let took = begun.elapsed().as_secs_f64();
        drop(writeln!(io::stderr(), "{}: {keys} entries on both sides in {took:.1} s", R::NAME)); // by the way
        sides
    }

    fn open(plan: &Plan, cache_bytes: usize) -> Self {
        let (dir, clock) = (directory(), Clock::manual());
        let mut config = DiskConfig::new(dir.path().join("store"));
        config.engine = Some(R::ENGINE);
        config.cache_bytes = cache_bytes;
        config.clock = clock.clone();
        let store = plan.block_on(DiskStore::open(config)).expect("the store opens");
        let alone = R::open(directory(), cache_bytes);
        let shared = alone.shared();
        Self { larder: Larder(store.erased()), clock, alone, shared, _dir: dir }
    }

    /// Gives room and files back: the next size needs them.
    pub(crate) fn close(self, plan: &Plan) {
        plan.block_on(self.larder.0.close()).expect("the store closes");
    }
}

/// Below cargo's own, which is on a disk where a system's temporary folder may be in memory.
fn directory() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory is made")
}

/// In the order of the keys, and read back in it: nothing that answers wrongly is timed, and all that can be warm is.
async fn fill<S: Subject>(mut subject: S, values: Values, keys: u64) {
    in_tasks(&subject, keys, |subject, turns| write(subject, values.clone(), turns)).await;
    in_tasks(&subject, keys, |subject, turns| read(subject, values.clone(), turns)).await;
    check_page(&mut subject, &values, keys).await;
    check_take(&mut subject, &values).await;
}

/// Whose turn it is to do the next batch.
#[derive(Clone)]
struct Turns {
    next: Arc<AtomicU64>,
    keys: u64,
}

impl Iterator for Turns {
    type Item = [u64; BATCH];

    fn next(&mut self) -> Option<[u64; BATCH]> {
        let first = self.next.fetch_add(BATCH as u64, Ordering::Relaxed);
        (first < self.keys).then(|| batch_from(first))
    }
}

async fn in_tasks<S: Subject, F>(subject: &S, keys: u64, work: impl Fn(S, Turns) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let turns = Turns { next: Arc::default(), keys };
    let tasks: Vec<_> = (0..FILLING).map(|_| tokio::spawn(work(subject.clone(), turns.clone()))).collect();
    for task in tasks {
        task.await.expect("a task ends");
    }
}

async fn write<S: Subject>(mut subject: S, values: Values, turns: Turns) {
    for batch in turns {
        subject.put_many(&batch, &values).await;
    }
}

async fn read<S: Subject>(mut subject: S, values: Values, turns: Turns) {
    for batch in turns {
        for (found, number) in subject.get_many(&batch).await.iter().zip(batch) {
            assert_eq!(found.as_ref().map(AsRef::as_ref), Some(values.of(number).as_ref()), "entry {number}");
        }
    }
}
