//! The two engines of the disk, at the durability that the store promises: alone a write is flushed where it is; of 64 tasks
//! one thread flushes, or commits, for all who wait.

use kv_core::StoreExt as _;
use kv_disk::{DiskConfig, DiskStore, Engine};
use larder_benches::larder::Larder;
use larder_benches::measure::Plan;
use larder_benches::peers::{Flush, Redb, Sled, cache_bytes};
use tempfile::TempDir;

use super::Failure;
use crate::operations::{self, LARGEST, Load};

pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    // Below cargo's own, which is on a disk where a system's temporary folder may be in memory.
    let directory = || TempDir::new_in(env!("CARGO_TARGET_TMPDIR"));
    let cache = cache_bytes(Load::FAST.keys, LARGEST);
    let open = |engine, dir: &TempDir| {
        let mut config = DiskConfig::new(dir.path().join("store"));
        (config.engine, config.cache_bytes) = (Some(engine), cache);
        plan.block_on(DiskStore::open(config)).map(|store| Larder(store.erased()))
    };
    if plan.wants_any("disk-sled/") {
        let ours = directory()?;
        let larder = open(Engine::Sled, &ours)?;
        let sled = Sled::open(directory()?, cache);
        let (alone, shared) = (sled.flushing(Flush::Each), sled.flushing(Flush::Grouped));
        operations::compare_by(plan, "disk-sled", Load::FAST, &larder, [&alone, &shared]);
    }
    if plan.wants_any("disk-redb/") {
        let ours = directory()?;
        let larder = open(Engine::Redb, &ours)?;
        let alone = Redb::open(directory()?, cache);
        operations::compare_by(plan, "disk-redb", Load::FAST, &larder, [&alone, &alone.grouped()]);
    }
    Ok(())
}
