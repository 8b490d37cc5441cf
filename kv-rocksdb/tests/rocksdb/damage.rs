//! Damaged files: `Corrupt` with advice; never a panic, a wrong value, or a store that has silently become smaller.

use std::fs;
use std::path::{Path, PathBuf};

use kv_core::{Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Result, Store};
use kv_rocksdb::{RocksConfig, RocksStore};
use rocksdb::{DB, Options};
use tempfile::TempDir;

use crate::support::{entries, expected, fill, id, open, put, value};

const ENTRIES: usize = 1_500;

/// A store that was closed, most of it in files that were compacted, the rest not.
async fn sample() -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    fill(&store, 0..ENTRIES - 100).await;
    store.compact().await.unwrap();
    fill(&store, ENTRIES - 100..ENTRIES).await;
    store.close().await.unwrap();
    dir
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir.join("data")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().contains(ending);
    let mut files: Vec<_> = paths.filter(named).collect();
    files.sort();
    files
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("data")).unwrap();
    for entry in fs::read_dir(from.join("data")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join("data").join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// Opens the store and reads all of it, by listing and by name.
async fn read_all(dir: &Path) -> Result<()> {
    let store = RocksStore::open(RocksConfig::new(dir)).await?;
    let listed = entries(&store).await;
    let mut read = Ok(());
    for n in 0..ENTRIES {
        match store.get(Key::new("c", &id(n))).await {
            Ok(found) => assert_eq!(found.expect("an entry is missing").value, value(n)),
            Err(e) => read = Err(e),
        }
    }
    store.close().await?;
    assert_eq!(listed?, expected(0..ENTRIES));
    read
}

fn is_advice(error: &Error) -> bool {
    error.kind() == ErrorKind::Corrupt
        && (error.message().contains("restore") || error.message().contains("write the entry anew"))
}

/// Damages one file in each of several ways; the store is whole or says that it is not.
async fn survives(ending: &str, always_noticed: bool) {
    let sample = sample().await;
    let found = files(sample.path(), ending);
    assert!(!found.is_empty(), "no file with {ending}");
    let mut noticed = 0;
    let mut trials = 0;
    for file in &found {
        let length = usize::try_from(fs::metadata(file).unwrap().len()).unwrap();
        let places: Vec<usize> = (0..12).map(|n| length * n / 12 + n % 3).filter(|at| *at < length).collect();
        for way in 0..=places.len() {
            let copy = copy(sample.path());
            let file = copy.path().join("data").join(file.file_name().unwrap());
            let mut bytes = fs::read(&file).unwrap();
            match places.get(way) {
                Some(at) if way % 4 == 3 => bytes.truncate(*at),
                Some(at) => bytes[*at] ^= 0x10,
                None => bytes.clear(),
            }
            fs::write(&file, bytes).unwrap();
            trials += 1;
            if let Err(error) = read_all(copy.path()).await {
                assert!(is_advice(&error), "{ending}, way {way}: {error:?}");
                noticed += 1;
            }
        }
    }
    println!("{ending}: {trials} times damaged, {noticed} times noticed, no wrong answer");
    assert!(noticed > 0 && (!always_noticed || noticed == trials), "{noticed} of {trials} were noticed");
}

#[tokio::test]
async fn damaged_tables_never_give_a_wrong_value_or_a_smaller_store() {
    survives(".sst", false).await;
}

#[tokio::test]
async fn a_damaged_manifest_is_noticed() {
    survives("MANIFEST", true).await;
}

#[tokio::test]
async fn a_damaged_pointer_to_the_manifest_is_noticed() {
    survives("CURRENT", true).await;
}

#[tokio::test]
async fn a_missing_file_is_corrupt_and_never_a_new_store() {
    let sample = sample().await;
    for ending in [".sst", "MANIFEST", "CURRENT", "ENGINE"] {
        let copy = copy(sample.path());
        fs::remove_file(files(copy.path(), ending).first().unwrap()).unwrap();
        let error = read_all(copy.path()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && is_advice(&error), "{ending}: {error:?}");
    }
}

#[tokio::test]
async fn a_damaged_name_of_the_engine_is_corrupt_and_nothing_is_touched() {
    let sample = sample().await;
    let names: [&[u8]; 5] = [b"", b"larder", b"larder 1 rocks\0db\n", b"larder 1 rocksdb", b"\xFF\xFE\x00"];
    for name in names {
        let copy = copy(sample.path());
        fs::write(copy.path().join("data/ENGINE"), name).unwrap();
        for create in [true, false] {
            let mut config = RocksConfig::new(copy.path());
            config.create = create;
            let error = RocksStore::open(config).await.unwrap_err();
            assert!(is_advice(&error) && error.message().contains("ENGINE"), "{name:?}: {error:?}");
        }
        assert_eq!(files(copy.path(), "").len(), files(sample.path(), "").len());
        fs::copy(sample.path().join("data/ENGINE"), copy.path().join("data/ENGINE")).unwrap();
        read_all(copy.path()).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_where_the_data_should_be_is_an_error_and_never_a_new_store() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("data"), "mine").unwrap();
    for create in [true, false] {
        let mut config = RocksConfig::new(dir.path());
        config.create = create;
        RocksStore::open(config).await.unwrap_err();
        assert_eq!(fs::read(dir.path().join("data")).unwrap(), b"mine");
    }
}

/// The files of the engine, without the store around it, as after a crash: no seal says how they were.
fn engine(dir: &Path) -> DB {
    fs::remove_file(dir.join("data/SEAL")).unwrap();
    DB::open(&Options::default(), dir.join("data")).unwrap()
}

#[tokio::test]
async fn an_engine_without_our_marker_is_corrupt() {
    let dir = sample().await;
    engine(dir.path()).delete(b"\xFFlarder").unwrap();
    let error = RocksStore::open(RocksConfig::new(dir.path())).await.unwrap_err();
    assert!(is_advice(&error) && error.message().contains("marker"), "{error}");
}

/// Flips a bit of one value within a table, which then has a block that the engine refuses to read.
fn spoil_block_of(dir: &Path, n: usize) {
    let spoilt = files(dir, ".sst").into_iter().any(|file| {
        let (mut bytes, value) = (fs::read(&file).unwrap(), value(n));
        let Some(at) = bytes.windows(value.len()).position(|window| window == value) else { return false };
        bytes[at] ^= 1;
        fs::write(&file, bytes).is_ok()
    });
    assert!(spoilt, "the value stands in no table");
}

#[tokio::test]
async fn what_cannot_be_read_is_deleted_and_not_taken() {
    let dir = sample().await;
    spoil_block_of(dir.path(), 7);
    let store = open(dir.path()).await;
    let seventh = id(7);
    let key = Key::new("c", &seventh);
    assert_eq!(store.get(key).await.unwrap_err().kind(), ErrorKind::Corrupt);
    for refused in [
        store.take(key, None).await.map(drop),
        store.put(key, NewEntry::new("x"), PutMode::Create).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Corrupt, Outcome::NotDone), "{error:?}");
    }
    store.delete_many(&[key]).await.unwrap().remove(0).unwrap();
    assert!(store.get(key).await.unwrap().is_none());
    store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
}

#[tokio::test]
async fn an_entry_whose_bytes_were_changed_is_corrupt_alone_and_can_be_written_anew() {
    let dir = sample().await;
    let stored = kv_core::backend::encode(&["larder", "c"], &id(7));
    {
        let engine = engine(dir.path());
        let mut bytes = engine.get(&stored).unwrap().unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        engine.put(&stored, bytes).unwrap();
    }
    let store = open(dir.path()).await;
    let (seventh, eighth) = (id(7), id(8));
    let key = Key::new("c", &seventh);
    let version = NewEntry::new("").version();
    let answers = [
        store.get(key).await.map(drop),
        store.take(key, None).await.map(drop),
        store.put(key, NewEntry::new("x"), PutMode::Create).await.map(drop),
        store.put(key, NewEntry::new("x"), PutMode::Update(version)).await.map(drop),
        entries(&store).await.map(drop),
    ];
    for answer in answers {
        assert!(is_advice(&answer.unwrap_err()));
    }
    assert_eq!(store.get(Key::new("c", &eighth)).await.unwrap().unwrap().value, value(8));
    put(&store, 7).await;
    assert_eq!(entries(&store).await.unwrap(), expected(0..ENTRIES));
}
