//! `rocksdb:` from a URL: the directory, its wrappers, and the key that is made with it.

#![cfg(feature = "rocksdb")]

use larder::{ErrorKind, Key, NewEntry, PutMode, Store};

const KEY: Key<'_> = Key::new("c", "k");

fn url(dir: &tempfile::TempDir, rest: &str) -> String {
    format!("rocksdb://{}{rest}", dir.path().join("store").display())
}

#[tokio::test]
async fn a_url_opens_a_directory_and_what_was_put_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = larder::open(&url(&dir, "?durability=always&prefix=app-")).await.unwrap();
    assert_eq!(store.capabilities().backend, "rocksdb");
    store.put(KEY, NewEntry::new("x"), PutMode::Create).await.unwrap();
    store.close().await.unwrap();
    let again = larder::open(&url(&dir, "?prefix=app-&create=false")).await.unwrap();
    assert_eq!(again.get(KEY).await.unwrap().unwrap().value, "x");
}

#[tokio::test]
async fn who_opens_what_is_there_makes_nothing_whatever_the_url_says() {
    let dir = tempfile::tempdir().unwrap();
    for made in [false, true] {
        if made {
            std::fs::create_dir(dir.path().join("store")).unwrap();
        }
        for rest in ["", "?create=true", "?durability=always"] {
            let error = larder::open_existing(&url(&dir, rest)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{rest}: {error}");
            assert!(error.message().contains("there is no store in"), "{rest}: {error}");
            assert!(larder::diagnose_existing(&url(&dir, rest)).await.is_err());
        }
        assert_eq!(dir.path().join("store").exists(), made);
    }
    assert_eq!(std::fs::read_dir(dir.path().join("store")).unwrap().count(), 0);
    larder::open(&url(&dir, "")).await.unwrap().close().await.unwrap();
    larder::open_existing(&url(&dir, "")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_directory_is_told_as_such_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    larder::open(&url(&dir, "")).await.unwrap().close().await.unwrap();
    std::fs::remove_file(dir.path().join("store/data/CURRENT")).unwrap();
    for rest in ["", "?create=true"] {
        let error = larder::open_existing(&url(&dir, rest)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{rest}: {error}");
        assert!(error.message().contains("restore"), "{rest}: {error}");
    }
}

#[tokio::test]
async fn a_directory_has_no_password_and_no_second_try() {
    let dir = tempfile::tempdir().unwrap();
    for rest in ["?retry=2", "?password_env=HOME", "?engine=sled"] {
        let error = larder::open(&url(&dir, rest)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{rest}: {error}");
    }
    assert!(!dir.path().join("store").exists());
}
