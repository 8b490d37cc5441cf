//! `RocksDB` as the store uses it: one column family, each write one step under the lock of its key.

use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kv_core::backend::embedded::{
    Action, Applied, Bounds, Change, Durability, Engine, Guard, Op, See, Shown, applied, decide,
    error as common,
};
use kv_core::{Clock, Outcome, Result, header, ttl};
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, CompactOptions, CompactionDecision, DB,
    DBCompressionType, DBRecoveryMode, LogLevel, Options, ReadOptions, WriteOptions,
};

use crate::config::RocksConfig;
use crate::{error, seal};

/// The entry that tells a store of ours from an empty or foreign one. No stored key begins so: FF is not in UTF-8.
pub(crate) const MARKER: &[u8] = b"\xFFlarder";
const FORMAT: &str = "larder 1 rocksdb";
/// Two writers of different keys mostly do not wait for each other.
const STRIPES: usize = 256;
/// Files that nothing was written to for so long are compacted for the sake of what has expired in them.
const QUIET_SECONDS: u64 = 86_400;
/// What is written gathers in memory up to so much before it becomes a file.
const MEMTABLE: usize = 32 << 20;
/// Handles that are kept open.
const OPEN_FILES: i32 = 512;
/// Says what is in a file without reading it: 1 % of absent keys cost a read.
const BLOOM_BITS: f64 = 10.0;

/// An open `RocksDB`.
pub(crate) struct Rocks {
    db: DB,
    dir: PathBuf,
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
    durability: Durability,
    /// Writes that wait while the engine is behind, and writes that are refused then.
    patient: WriteOptions,
    impatient: WriteOptions,
}

impl std::fmt::Debug for Rocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rocks").field("durability", &self.durability).finish_non_exhaustive()
    }
}

fn options(config: &RocksConfig) -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(&Cache::new_lru_cache(config.cache_bytes));
    tables.set_bloom_filter(BLOOM_BITS, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&tables);
    options.set_compression_type(DBCompressionType::None); // values may be sealed; the wrapper packs those that are not
    options.set_write_buffer_size(MEMTABLE);
    options.set_max_open_files(OPEN_FILES);
    // An incomplete end is what a crash leaves; any other damage is damage, not a reason to forget what follows.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_periodic_compaction_seconds(QUIET_SECONDS);
    let clock = config.clock.clone();
    options.set_compaction_filter(c"larder", move |_, _, stored| judge(stored, &clock));
    options.set_log_level(LogLevel::Error);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options
}

/// Whether a compaction keeps an entry. The marker has no head and stays. Several threads may ask at once.
fn judge(stored: &[u8], clock: &Clock) -> CompactionDecision {
    match header::peek_deadline(stored).flatten() {
        Some(deadline) if ttl::is_expired(deadline, clock.unix_ms()) => CompactionDecision::Remove,
        _ => CompactionDecision::Keep,
    }
}

impl Rocks {
    /// Makes the files of a new store in `dir`, puts the marker in, and closes them.
    pub(crate) fn create(dir: &Path, config: &RocksConfig) -> Result<()> {
        let mut options = options(config);
        options.create_if_missing(true);
        let db = DB::open(&options, dir).map_err(error::rocksdb)?;
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        let marker = format!("{FORMAT} {}", config.clock.unix_ms());
        db.put_opt(MARKER, marker, &synced).map_err(error::rocksdb)
    }

    /// Opens what [`Rocks::create`] made in `dir`; files without the marker are damaged, never a new store.
    pub(crate) fn open(dir: &Path, config: &RocksConfig) -> Result<Self> {
        seal::open(dir)?;
        let db = DB::open(&options(config), dir).map_err(error::opening)?;
        let marker = db.get(MARKER).map_err(error::rocksdb)?;
        let created =
            marker.as_deref().and_then(|marker| marker.strip_prefix(FORMAT.as_bytes())?.strip_prefix(b" "));
        if !created.is_some_and(|created| created.iter().all(u8::is_ascii_digit)) {
            return Err(common::damaged(
                "the files lack the marker entry that every store has: data is missing",
            ));
        }
        let mut impatient = WriteOptions::default();
        impatient.set_no_slowdown(true);
        Ok(Self {
            db,
            dir: dir.to_owned(),
            locks: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            durability: config.durability,
            patient: WriteOptions::default(),
            impatient,
        })
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// A number that the engine keeps about itself; `None` if it has none by this name.
    pub(crate) fn property(&self, name: &str) -> Option<u64> {
        self.db.property_int_value(name).ok().flatten()
    }

    /// Rewrites all files.
    pub(crate) fn compact(&self) -> Result<()> {
        self.db.flush().map_err(error::rocksdb)?;
        let mut all = CompactOptions::default();
        all.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &all);
        Ok(())
    }

    /// Decides on what is there and writes, under the lock of the key. The inner error is the engine's.
    fn apply(&self, op: &Op, now: u64, how: &WriteOptions) -> Result<Result<Applied, rocksdb::Error>> {
        let proposed = op.stored()?;
        let _locked = self.lock(&op.key);
        let (old, change) = match self.db.get_pinned(&op.key) {
            Ok(old) => {
                let change = decide(op, old.as_deref(), now)?;
                (old, change)
            }
            Err(e) => (None, unseen(op).ok_or_else(|| error::rocksdb(e).with_outcome(Outcome::NotDone))?),
        };
        let done = match (change, proposed) {
            (Change::Leave, _) => return Ok(Ok(Applied::default())),
            (Change::Write, Some(stored)) => self.db.put_opt(&op.key, stored, how),
            (Change::Write | Change::Remove, _) => self.db.delete_opt(&op.key, how),
        };
        Ok(done.map(|()| applied(op, old.as_deref())))
    }

    fn lock(&self, key: &[u8]) -> Option<MutexGuard<'_, ()>> {
        let stripe = usize::try_from(self.hasher.hash_one(key) % STRIPES as u64).unwrap_or_default();
        // Nothing is behind the lock that a panic could have left half done.
        self.locks.get(stripe).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is done where what stands there cannot be read: what does not hang on it, which heals what is damaged.
const fn unseen(op: &Op) -> Option<Change> {
    match op.action {
        Action::Put { guard: Guard::Always, .. } => Some(Change::Write),
        Action::Delete => Some(Change::Remove),
        _ => None,
    }
}

impl Engine for Rocks {
    /// What expires beside them goes with the next compaction.
    const MAX_DEADLINES: usize = 1_000_000;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let found = self.db.get_pinned(key).map_err(error::rocksdb)?;
        Ok(found.map(|stored| Bytes::copy_from_slice(&stored)))
    }

    fn visit(&self, (begin, end): Bounds<'_>, see: &mut See<'_>) -> Result<()> {
        let mut reading = ReadOptions::default();
        reading.fill_cache(false); // a listing must not drive out what is read by name
        if let Bound::Excluded(end) = end {
            reading.set_iterate_upper_bound(end);
        }
        let mut at = self.db.raw_iterator_opt(reading);
        match begin {
            Bound::Unbounded => at.seek_to_first(),
            Bound::Included(begin) | Bound::Excluded(begin) => at.seek(begin),
        }
        if matches!(begin, Bound::Excluded(begin) if at.key() == Some(begin)) {
            at.next();
        }
        while let Some((key, stored)) = at.item() {
            // Only a range without end reaches the marker, which stands behind all keys.
            if key == MARKER || see(Shown::lent(key, stored)).is_break() {
                return Ok(());
            }
            at.next();
        }
        at.status().map_err(error::rocksdb)
    }

    fn buffers(&self) -> bool {
        true
    }

    /// `None` where the engine is behind.
    fn try_apply(&self, op: &Op, now: u64) -> Result<Option<Applied>> {
        match self.apply(op, now, &self.impatient)? {
            Ok(applied) => Ok(Some(applied)),
            Err(e) if e.kind() == rocksdb::ErrorKind::Incomplete => Ok(None),
            Err(e) => Err(error::rocksdb(e)),
        }
    }

    fn needs_commit(&self) -> bool {
        self.durability == Durability::Always
    }

    fn commit(&self, ops: &[Op], now: impl Fn() -> u64) -> Result<Vec<Result<Applied>>> {
        let apply = |op| self.apply(op, now(), &self.patient)?.map_err(error::rocksdb);
        let applied = ops.iter().map(apply).collect();
        if self.durability == Durability::Always {
            self.db.flush_wal(true).map_err(error::rocksdb)?;
        }
        Ok(applied)
    }

    async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        tokio::task::spawn_blocking(work).await.map_err(|e| common::lost().because(e))
    }

    /// Seals the files, too: all that was written is in tables, where each byte is accounted for.
    fn close(self) -> Result<()> {
        self.db.flush().map_err(error::rocksdb)?;
        self.db.cancel_all_background_work(true);
        drop(self.db);
        seal::close(&self.dir).map_err(|e| common::io("sealing", &self.dir, e))
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Clock, NewEntry, header};
    use rocksdb::CompactionDecision;

    use super::{MARKER, judge};

    #[test]
    fn a_compaction_keeps_all_but_entries_past_their_deadline() {
        let clock = Clock::manual();
        let now = clock.unix_ms();
        let entry = |deadline| header::encode(b"k", &NewEntry::new("x"), deadline, None).unwrap();
        let removed = |stored: &[u8]| matches!(judge(stored, &clock), CompactionDecision::Remove);
        assert!(!removed(&entry(None)) && !removed(&entry(Some(now))) && !removed(&entry(Some(now + 1))));
        assert!(removed(&entry(Some(now - 1))));
        assert!(!removed(b"larder 1 rocksdb 1") && !removed(b""), "what is no entry stays");
    }

    #[test]
    fn the_marker_stands_behind_every_key() {
        let last = kv_core::backend::encode(&["\u{10FFFF}", ""], "");
        assert!(last.as_slice() < MARKER);
    }
}
