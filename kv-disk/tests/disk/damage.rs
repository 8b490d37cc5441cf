//! Damaged files: an error with advice or a complete store, never a panic, a wrong value, or an empty store.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use kv_core::{Error, ErrorKind, Key, NewEntry, PutMode, Result, Scan, Store, StoreExt, Unreadable};
use kv_disk::{DiskConfig, DiskStore, Engine};
use tempfile::TempDir;

use crate::support::{ENGINES, entries, expected, fill, id, open, put, value};

const ENTRIES: usize = 3_000;

/// A fixed sequence that looks random: a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A closed store with known entries, to be copied and damaged.
async fn sample(engine: Engine) -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(engine, dir.path()).await;
    fill(&store, 0..ENTRIES).await;
    store.close().await.unwrap();
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn main_file(engine: Engine, dir: &Path) -> PathBuf {
    dir.join("data").join(if engine == Engine::Sled { "db" } else { "store.redb" })
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Damages the file in one of the ways that were measured.
fn damage(path: &Path, way: usize, dice: &mut Dice) -> String {
    let length = fs::metadata(path).unwrap().len();
    let cut = |to: u64| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(to).unwrap();
    match way {
        0 => {
            let by = 1 + dice.below(100);
            cut(length - by);
            format!("the last {by} bytes cut")
        }
        1 => {
            let to = dice.below(length);
            cut(to);
            format!("cut to {to} of {length}")
        }
        2 => {
            let at = dice.below(length);
            let mut byte = [0];
            let mut file = fs::File::open(path).unwrap();
            file.seek(SeekFrom::Start(at)).unwrap();
            file.read_exact(&mut byte).unwrap();
            overwrite(path, at, &[byte[0] ^ (1 << dice.below(8))]);
            format!("a bit flipped at {at} of {length}")
        }
        3 => {
            let at = dice.below(length / 4096) * 4096;
            overwrite(path, at, &[0; 4096]);
            format!("the page at {at} of {length} zeroed")
        }
        _ => {
            overwrite(path, length, &[7; 64]);
            "64 bytes appended".to_owned()
        }
    }
}

/// Everything that the store still says, in every way to ask.
async fn read_all(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let store = DiskStore::open(DiskConfig::new(dir)).await?;
    let mut found = BTreeMap::new();
    for n in 0..ENTRIES {
        let Some(entry) = store.get(Key::new("c", &id(n))).await? else { continue };
        found.insert(id(n), entry.value.to_vec());
    }
    assert!(entries(&store).await? == found, "reading and listing differ");
    put(&store, 0).await;
    store.close().await?;
    Ok(found)
}

fn has_advice(error: &Error) -> bool {
    error.kind() == ErrorKind::Corrupt && error.message().contains("backup")
}

async fn survives(engine: Engine, way: usize, trials: u64) {
    let sample = sample(engine).await;
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15 + way as u64);
    let (mut complete, mut corrupt) = (0, 0);
    for trial in 0..trials {
        let dir = TempDir::new().unwrap();
        copy(sample.path(), dir.path());
        let what = damage(&main_file(engine, dir.path()), way, &mut dice);
        match read_all(dir.path()).await {
            Ok(found) => {
                assert!(
                    found == expected(0..ENTRIES),
                    "{engine}, trial {trial}, {what}: {} entries",
                    found.len()
                );
                complete += 1;
            }
            Err(e) => {
                assert!(has_advice(&e), "{engine}, trial {trial}, {what}: {e:?}");
                corrupt += 1;
            }
        }
    }
    println!("{engine}, way {way}: {complete} complete, {corrupt} corrupt");
}

fn trials() -> u64 {
    std::env::var("LARDER_DAMAGE_TRIALS").ok().and_then(|trials| trials.parse().ok()).unwrap_or(10)
}

macro_rules! ways {
    ($($name:ident: $engine:ident, $way:literal;)*) => {
        $(#[tokio::test]
        async fn $name() {
            survives(Engine::$engine, $way, trials()).await;
        })*
    };
}

ways! {
    sled_with_its_end_cut_off_is_corrupt_or_complete: Sled, 0;
    sled_cut_anywhere_is_corrupt_or_complete: Sled, 1;
    sled_with_a_flipped_bit_is_corrupt_or_complete: Sled, 2;
    sled_with_a_zeroed_page_is_corrupt_or_complete: Sled, 3;
    sled_with_garbage_at_its_end_is_corrupt_or_complete: Sled, 4;
    redb_with_its_end_cut_off_is_corrupt_or_complete: Redb, 0;
    redb_cut_anywhere_is_corrupt_or_complete: Redb, 1;
    redb_with_a_flipped_bit_is_corrupt_or_complete: Redb, 2;
    redb_with_a_zeroed_page_is_corrupt_or_complete: Redb, 3;
    redb_with_garbage_at_its_end_is_corrupt_or_complete: Redb, 4;
}

/// What a log beyond the size that is checked whole has in its place: only the name of the seal.
fn as_if_large(dir: &Path) {
    fs::OpenOptions::new().write(true).open(dir.join("data/CLOSED")).unwrap().set_len(16).unwrap();
}

#[tokio::test]
async fn a_log_too_large_to_be_checked_whole_never_gives_a_wrong_value_or_an_empty_store() {
    let sample = sample(Engine::Sled).await;
    as_if_large(sample.path());
    let (whole, mut dice) = (expected(0..ENTRIES), Dice(0x51ED));
    for trial in 0..trials() * 2 {
        let dir = TempDir::new().unwrap();
        copy(sample.path(), dir.path());
        let what =
            damage(&main_file(Engine::Sled, dir.path()), 1 + usize::from(trial % 2 == 0) * 2, &mut dice);
        let found = match DiskStore::open(DiskConfig::new(dir.path())).await {
            Ok(store) => entries(&store).await,
            Err(e) => Err(e),
        };
        match found {
            Ok(found) => {
                assert!(!found.is_empty(), "trial {trial}, {what}: empty");
                assert!(found.iter().all(|(id, found)| whole.get(id) == Some(found)), "{what}");
            }
            Err(e) => assert!(has_advice(&e), "trial {trial}, {what}: {e:?}"),
        }
    }
}

#[tokio::test]
async fn the_last_writes_before_a_clean_close_are_missed_when_they_are_gone() {
    let sample = sample(Engine::Sled).await;
    let early = TempDir::new().unwrap();
    copy(sample.path(), early.path());
    let store = open(Engine::Sled, sample.path()).await;
    put(&store, ENTRIES).await;
    store.close().await.unwrap();
    as_if_large(sample.path());
    for file in ["db", "conf"] {
        fs::copy(early.path().join("data").join(file), sample.path().join("data").join(file)).unwrap();
    }
    for _ in 0..2 {
        let error = DiskStore::open(DiskConfig::new(sample.path())).await.unwrap_err();
        assert!(has_advice(&error), "{error:?}");
    }
}

#[tokio::test]
async fn a_missing_or_emptied_file_is_corrupt_and_never_a_new_store() {
    for engine in ENGINES {
        let sample = sample(engine).await;
        for spoil in [fs::remove_file as fn(PathBuf) -> _, |path| fs::write(path, "")] {
            for file in [main_file(engine, Path::new("")), PathBuf::from("data/ENGINE")] {
                let dir = TempDir::new().unwrap();
                copy(sample.path(), dir.path());
                spoil(dir.path().join(&file)).unwrap();
                let error = read_all(dir.path()).await.unwrap_err();
                assert!(has_advice(&error), "{engine}, {}: {error:?}", file.display());
            }
        }
    }
}

#[tokio::test]
async fn an_engine_without_our_marker_is_corrupt() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("ENGINE"), "larder 1 sled\n").unwrap();
    let foreign = sled::open(&data).unwrap();
    foreign.insert("somebody", "else").unwrap();
    drop(foreign);
    let error = DiskStore::open(DiskConfig::new(dir.path())).await.unwrap_err();
    assert!(has_advice(&error) && error.message().contains("marker"), "{error:?}");
}

/// Changes one bit of the value of the first entry, and nothing else.
fn spoil_first_entry(dir: &Path) {
    // Its threads let the files go some time after it was closed.
    let raw = (0..500)
        .find_map(|_| sled::open(dir.join("data")).map_err(|_| sleep(Duration::from_millis(10))).ok())
        .expect("the files are free");
    let tree = raw.open_tree("data").unwrap();
    let (key, stored) = tree.first().unwrap().unwrap();
    let mut spoiled = stored.to_vec();
    *spoiled.last_mut().unwrap() ^= 1;
    tree.insert(key, spoiled).unwrap();
    drop((tree, raw));
    fs::remove_file(dir.join("data/CLOSED")).unwrap(); // else the whole log is refused
}

#[tokio::test]
async fn a_scan_goes_on_behind_a_damaged_entry_where_that_is_asked_for() {
    let dir = TempDir::new().unwrap();
    let store = open(Engine::Sled, dir.path()).await;
    let ids = store.collection::<String>("c");
    for id in ["a", "b", "c"] {
        ids.put(id, &id.to_owned()).await.unwrap();
    }
    store.close().await.unwrap();
    spoil_first_entry(dir.path());
    let store = open(Engine::Sled, dir.path()).await;
    for scan in [Scan::one("c"), Scan::under("").values()] {
        assert_eq!(store.scan(scan, None).await.unwrap_err().key(), Some("c/a"));
        let mut pages = store.scan_all(scan.limit(1).skip_damaged());
        let mut found = Vec::new();
        while let Some(items) = pages.page().await.unwrap() {
            found.extend(items.into_iter().map(|item| item.id));
        }
        let damaged = pages.damaged();
        assert_eq!(
            (found, damaged.len(), damaged[0].key()),
            (vec!["b".into(), "c".into()], 1, Some(Key::new("c", "a")))
        );
    }
    let lenient = store.collection::<String>("c").unreadable(Unreadable::Miss);
    assert_eq!(lenient.list("", 10, None).await.unwrap().items.len(), 2);
    assert_eq!(store.destroy("c").await.unwrap(), 3, "what is damaged goes too");
    assert!(store.scan(Scan::under(""), None).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_damaged_entry_that_counts_as_absent_can_be_created_and_updated() {
    let dir = TempDir::new().unwrap();
    for update in [false, true] {
        let store = open(Engine::Sled, dir.path()).await;
        store.collection::<String>("c").put("a", &"old".to_owned()).await.unwrap();
        store.close().await.unwrap();
        spoil_first_entry(dir.path());
        let store = open(Engine::Sled, dir.path()).await;
        let lenient = store.collection::<String>("c").unreadable(Unreadable::Miss);
        assert_eq!(lenient.get("a").await.unwrap(), None);
        let new = "new".to_owned();
        if update {
            lenient.update_with("a", |old| old.or(Some(new.clone()))).await.unwrap();
        } else {
            lenient.create("a", &new).await.unwrap();
        }
        assert_eq!(lenient.get("a").await.unwrap(), Some(new));
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_entry_whose_bytes_were_changed_is_corrupt_alone_and_can_be_written_anew() {
    let dir = TempDir::new().unwrap();
    let store = open(Engine::Sled, dir.path()).await;
    fill(&store, 0..2).await;
    store.close().await.unwrap();
    spoil_first_entry(dir.path());

    let store = open(Engine::Sled, dir.path()).await;
    let (first, second) = (id(0), id(1));
    let key = Key::new("c", &first);
    for error in [
        store.get(key).await.unwrap_err(),
        store.take(key, None).await.unwrap_err(),
        store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap_err(),
        entries(&store).await.unwrap_err(),
    ] {
        assert!(has_advice(&error), "{error:?}");
    }
    assert_eq!(store.get(Key::new("c", &second)).await.unwrap().unwrap().value, value(1));
    put(&store, 0).await;
    assert_eq!(entries(&store).await.unwrap(), expected(0..2));
}
