//! The crate `rocksdb`, with the store's options. Both sides' writes survive the process, as `durability=os` promises:
//! they are in the log, which is not synced.
//!
//! `take` and `update` read and write under a lock of their key, as the store does. A batch is one `WriteBatch`.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kv_core::StoreExt as _;
use kv_rocksdb::{RocksConfig, RocksStore};
use larder_benches::larder::Larder;
use larder_benches::subject::{Conditional, Points, Subject};
use larder_benches::workload::{BATCH, Name, RawVersion, Values, new_version, versioned};
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Options, ReadOptions, WriteBatch};
use tempfile::TempDir;

use super::Failure;
use crate::operations::{self, Load};
use larder_benches::measure::Plan;

/// As many as the store has.
const LOCKS: usize = 256;

pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    // Below cargo's own, which is on a disk where a system's temporary folder may be in memory.
    let directory = || TempDir::new_in(env!("CARGO_TARGET_TMPDIR"));
    let ours = directory()?;
    let config = RocksConfig::new(ours.path().join("store"));
    let theirs = Engine::open(directory()?, config.cache_bytes)?;
    let larder = Larder(plan.block_on(RocksStore::open(config))?.erased());
    let load = Load { taken: [192_000, 48_000], ..Load::FAST };
    operations::compare(plan, "rocksdb", load, &larder, &Raw(Arc::new(theirs)));
    Ok(())
}

#[derive(Clone)]
struct Raw(Arc<Engine>);

struct Engine {
    db: DB,
    locks: Vec<Mutex<()>>,
    _directory: TempDir,
}

fn options(cache_bytes: usize) -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(&Cache::new_lru_cache(cache_bytes));
    tables.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&tables);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(32 << 20);
    options.set_max_open_files(512);
    options
}

impl Engine {
    fn open(directory: TempDir, cache_bytes: usize) -> Result<Self, Failure> {
        let path: &Path = directory.path();
        let db = DB::open(&options(cache_bytes), path)?;
        let locks = (0..LOCKS).map(|_| Mutex::default()).collect();
        Ok(Self { db, locks, _directory: directory })
    }

    fn lock(&self, number: u64) -> Option<MutexGuard<'_, ()>> {
        let at = usize::try_from(number % LOCKS as u64).unwrap_or_default();
        self.locks.get(at).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn get(&self, number: u64) -> Option<Vec<u8>> {
        let found = self.db.get_pinned(Name::of(number).as_bytes()).expect("a get succeeds");
        found.map(|found| found.to_vec())
    }

    fn put(&self, number: u64, value: &[u8]) {
        self.db.put(Name::of(number).as_bytes(), value).expect("a put succeeds");
    }

    fn page(&self, number: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
        let name = Name::of(number);
        let collection = name.parts().0;
        let mut reading = ReadOptions::default();
        reading.fill_cache(false);
        reading.set_iterate_upper_bound(format!("{collection}0")); // the byte after the slash
        let mut at = self.db.raw_iterator_opt(reading);
        at.seek(format!("{collection}/"));
        let mut page = Vec::new();
        while let Some((key, value)) = at.item() {
            page.push((key.to_vec(), value.to_vec()));
            at.next();
        }
        at.status().expect("a page is read");
        page
    }
}

impl Points for Raw {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        self.0.get(number)
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        self.0.put(number, value);
    }
}

impl Subject for Raw {
    type Page = Vec<(Vec<u8>, Vec<u8>)>;

    /// The engine knows no lifetimes.
    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        self.0.put(number, value);
    }

    async fn take(&mut self, number: u64) -> Option<Vec<u8>> {
        let _locked = self.0.lock(number);
        let taken = self.0.get(number)?;
        self.0.db.delete(Name::of(number).as_bytes()).expect("a remove succeeds");
        Some(taken)
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Vec<u8>>> {
        numbers.iter().map(|number| self.0.get(*number)).collect()
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        let mut batch = WriteBatch::default();
        for number in numbers {
            batch.put(Name::of(*number).as_bytes(), values.of(*number));
        }
        self.0.db.write(batch).expect("a batch is written");
    }

    /// Off the executor, which a walk over four megabytes would hold up.
    async fn page(&mut self, number: u64) -> Self::Page {
        let engine = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || engine.page(number)).await.expect("a walk ends")
    }

    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)> {
        let name = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        page.iter().map(|(key, value)| (name(key), value.clone())).collect()
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().map(|(_, value)| value.as_ref())
    }
}

impl Conditional for Raw {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        self.0.put(number, &versioned(&version, value));
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let next = new_version();
        let _locked = self.0.lock(number);
        let found = self.0.db.get_pinned(Name::of(number).as_bytes()).expect("a get succeeds");
        assert!(found.is_some_and(|found| found.starts_with(&version)), "nobody else wrote");
        self.0.put(number, &versioned(&next, value));
        next
    }
}
