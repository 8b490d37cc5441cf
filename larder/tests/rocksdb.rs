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
async fn a_directory_has_no_password_and_no_second_try() {
    let dir = tempfile::tempdir().unwrap();
    for rest in ["?retry=2", "?password_env=HOME", "?engine=sled"] {
        let error = larder::open(&url(&dir, rest)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{rest}: {error}");
    }
    assert!(!dir.path().join("store").exists());
}
