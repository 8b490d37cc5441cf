//! Memory and disk, each beside its engine.

use kv_cache::{Near, NearCache};
use kv_core::StoreExt as _;
use kv_disk::{DiskConfig, DiskStore, Engine};
use kv_memory::MemoryStore;
use larder_benches::workload::{KEYS, Values};
use tempfile::TempDir;

use crate::drive::Drive;
use crate::peers::{Flush, Moka, MokaWithTtl, Redb, Sled};
use crate::suite::{Bench, Lazy, Raw, reads, writes};
use larder_benches::larder::{Larder, TTL};
use larder_benches::peers;
use larder_benches::subject::{Points, Subject, check_page, check_points, fill, fill_points};

/// What each engine's cache may take, ours and the raw one's, for values of so many bytes.
pub(crate) const fn cache_bytes(value: usize) -> usize {
    peers::cache_bytes(KEYS, value)
}

pub(crate) fn filled<S: Subject>(drive: &Drive, mut subject: S, values: &Values) -> S {
    drive.block_on(async {
        fill(&mut subject, values, KEYS).await;
        check_page(&mut subject, values, KEYS).await;
    });
    subject
}

pub(crate) fn filled_points<S: Points>(drive: &Drive, mut subject: S, values: &Values) -> S {
    drive.block_on(fill_points(&mut subject, values, KEYS));
    subject
}

/// A directory below cargo's own, which is on a disk where a system's temporary folder may be in memory.
pub(crate) fn directory() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory is made")
}

/// A new store in a directory of its own, which goes away with the process's last handle of it.
pub(crate) fn disk(drive: &Drive, engine: Engine, dir: &TempDir, values: &Values) -> DiskStore {
    let mut config = DiskConfig::new(dir.path().join("store"));
    config.engine = Some(engine);
    config.cache_bytes = cache_bytes(values.bytes());
    drive.block_on(DiskStore::open(config)).expect("the store opens")
}

pub(crate) fn memory(bench: &mut Bench<'_>, values: &Values) {
    let drive = bench.drive;
    let larder = Lazy::new(|| filled(drive, Larder(MemoryStore::new().erased()), values));
    let moka = Lazy::new(|| filled(drive, Moka::default(), values));
    reads(bench, "memory", values, &larder, &moka);
    let raw = Raw { alone: Lazy::new(|| moka.get().clone()), shared: Lazy::new(|| moka.get().clone()) };
    writes(bench, "memory", values, &larder, &raw);
    let with_ttl = Lazy::new(|| filled_points(drive, MokaWithTtl::new(), values));
    bench.each("memory/put_with_ttl", values.bytes(), |group| {
        group.run("raw", &with_ttl, |drive, s, tasks, rounds| drive.put(s, values, tasks, rounds));
        group.run("larder", &larder, |drive, s, tasks, rounds| drive.put_with_ttl(s, values, tasks, rounds));
    });
}

/// A hit of a near tier beside a `get` of the memory backend: what is before a remote store should cost as little.
pub(crate) fn near(bench: &mut Bench<'_>, values: &Values) {
    let drive = bench.drive;
    let memory = Lazy::new(|| filled_points(drive, Larder(MemoryStore::new().erased()), values));
    let near = Lazy::new(|| {
        let limits = Near::default().ttl(TTL).max_bytes(4 << 30);
        let tier = drive.block_on(async { NearCache::new(MemoryStore::new(), &limits) });
        let larder = filled_points(drive, Larder(tier.clone().erased()), values);
        drive.block_on(check_points(&mut larder.clone(), values, KEYS)); // what was written last is copied now
        assert!(tier.held().entries >= KEYS, "not all of it is near");
        larder
    });
    bench.each("near/get", values.bytes(), |group| {
        group.run("raw", &memory, Drive::get);
        group.run("larder", &near, Drive::get);
    });
}

pub(crate) fn sled(bench: &mut Bench<'_>, values: &Values) {
    let (drive, dir) = (bench.drive, directory());
    let larder =
        Lazy::new(|| filled(drive, Larder(disk(drive, Engine::Sled, &dir, values).erased()), values));
    let grouped = || {
        filled(drive, Sled::open(directory(), cache_bytes(values.bytes())).flushing(Flush::Grouped), values)
    };
    let shared = Lazy::new(grouped);
    reads(bench, "disk-sled", values, &larder, &shared);
    let each = Lazy::new(|| shared.get().flushing(Flush::Each));
    let raw = Raw {
        alone: Lazy::new(|| shared.get().flushing(Flush::Each)),
        shared: Lazy::new(|| shared.get().clone()),
    };
    writes(bench, "disk-sled", values, &larder, &raw);
    bench.each("disk-sled/put_flushed_each", values.bytes(), |group| {
        group.run("raw", &each, |drive, s, tasks, rounds| drive.put(s, values, tasks, rounds));
        group.run("larder", &larder, |drive, s, tasks, rounds| drive.put(s, values, tasks, rounds));
    });
    with_ttl(bench, "disk-sled", values, &larder, &raw);
}

pub(crate) fn redb(bench: &mut Bench<'_>, values: &Values) {
    let (drive, dir) = (bench.drive, directory());
    let larder =
        Lazy::new(|| filled(drive, Larder(disk(drive, Engine::Redb, &dir, values).erased()), values));
    let alone = Lazy::new(|| filled(drive, Redb::open(directory(), cache_bytes(values.bytes())), values));
    reads(bench, "disk-redb", values, &larder, &alone);
    let raw = Raw { alone: Lazy::new(|| alone.get().clone()), shared: Lazy::new(|| alone.get().grouped()) };
    writes(bench, "disk-redb", values, &larder, &raw);
    with_ttl(bench, "disk-redb", values, &larder, &raw);
}

/// The engines know no lifetimes: their side writes without.
pub(crate) fn with_ttl<R: Subject>(
    bench: &mut Bench<'_>,
    backend: &str,
    values: &Values,
    larder: &Lazy<'_, Larder>,
    raw: &Raw<'_, R>,
) {
    bench.each(&format!("{backend}/put_with_ttl"), values.bytes(), |group| {
        let raw = raw.of(group.tasks);
        group.run("raw", raw, |drive, s, tasks, rounds| drive.put_with_ttl(s, values, tasks, rounds));
        group.run("larder", larder, |drive, s, tasks, rounds| drive.put_with_ttl(s, values, tasks, rounds));
    });
}
