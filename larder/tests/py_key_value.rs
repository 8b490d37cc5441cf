//! What Python's py-key-value-aio wrote, read by `larder::open`.
#![cfg(feature = "pykv")]

use std::collections::BTreeMap;
use std::process::Command;

use kv_core::testing::service;
use larder::{AnyStore, ErrorKind, Key, NewEntry, PutMode, Scan, Store};
use serde_json::{Value, json};

/// Lets the library write; `sealed` is a Fernet key, `derived:` and a passphrase, or empty.
fn written(python: &str, place: &str, collection: &str, sealed: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/py_key_value.py");
    let answer =
        Command::new(python).args([script, place, collection, sealed]).output().expect("it is there");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
}

fn value_of(entry: &larder::Entry) -> Value {
    assert_eq!(entry.meta.codec, 1, "JSON");
    serde_json::from_slice(&entry.value).expect("it is there")
}

async fn read(store: &AnyStore, collection: &str, id: &str) -> Option<Value> {
    store.get(Key::new(collection, id)).await.expect("it is there").as_ref().map(value_of)
}

async fn listed(store: &AnyStore, under: &str) -> BTreeMap<(String, String), Value> {
    let (mut all, mut from) = (BTreeMap::new(), None);
    loop {
        let page =
            store.scan(Scan::under(under).values().limit(2), from.as_ref()).await.expect("it is there");
        for item in page.items {
            all.insert(
                (item.collection.into(), item.id.into()),
                value_of(item.entry.as_ref().expect("it is there")),
            );
        }
        from = page.next;
        if from.is_none() {
            return all;
        }
    }
}

/// What the script writes under the same names wherever it writes.
async fn holds_what_was_written(store: &AnyStore, first: &str) {
    for collection in [first, &format!("{first}-other")] {
        let nested = json!({ "n": 1, "nested": { "list": [1, 2.5, null, true] } });
        assert_eq!(read(store, collection, "plain_1").await, Some(nested));
        let odd =
            store.get(Key::new(collection, "odd key/ä")).await.expect("it is there").expect("it is there");
        let text = String::from_utf8(odd.value.to_vec()).expect("it is there");
        assert!(text.contains("1208925819614629174706176"), "a number keeps its digits: {text}");
        assert!(odd.ttl.is_none() && text.contains("\\ud83d\\ude00"), "{text}");
        assert_eq!(read(store, collection, "gone").await, None);
        assert_eq!(read(store, collection, "never").await, None);
        let lasting =
            store.get(Key::new(collection, "lasting")).await.expect("it is there").expect("it is there");
        let left = lasting.ttl.expect("it is there").as_secs();
        assert!((3_000..3_600).contains(&left), "{left}");
    }
    let refused = store
        .put(Key::new(first, "new"), NewEntry::new("{}"), PutMode::Create)
        .await
        .expect_err("it is only read");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(!store.capabilities().writable);
}

#[tokio::test]
async fn the_file_tree_of_the_library_is_read() {
    let Some(python) = service("LARDER_TEST_PYTHON") else { return };
    let dir = tempfile::tempdir().unwrap();
    let before = dir.path().join("before");
    std::fs::create_dir(&before).unwrap();
    written(&python, before.to_str().unwrap(), "mcp-tokens", "");
    let moved = dir.path().join("moved");
    std::fs::rename(before, &moved).unwrap();
    let store = larder::open(&format!("filetree://{}?codec=py-key-value", moved.display())).await.unwrap();
    holds_what_was_written(&store, "mcp-tokens").await;
    let all = listed(&store, "").await;
    let names: Vec<_> = all.keys().map(|(collection, id)| (collection.as_str(), id.as_str())).collect();
    let odd = larder::pykv::file_name("odd key/ä");
    let ids = ["", odd.as_str(), "lasting", "plain_1"];
    let expected = ["mcp-tokens", "mcp-tokens-other"].into_iter().flat_map(|c| ids.map(|id| (c, id)));
    assert_eq!(names, expected.collect::<Vec<_>>());
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn the_strings_of_the_library_in_redis_are_read_by_the_names_that_were_meant() {
    let (Some(python), Some(url)) = (service("LARDER_TEST_PYTHON"), service("LARDER_TEST_REDIS")) else {
        return;
    };
    let first = format!("py-{}", larder::Version::random().as_bytes().map(|byte| byte.to_string()).concat());
    written(&python, &url, &first, "");
    let store = larder::open(&format!("{url}?codec=py-key-value&timeout=30s")).await.unwrap();
    holds_what_was_written(&store, &first).await;
    let inner = format!("{first}::inner");
    let all = listed(&store, &first).await;
    assert_eq!(all.len(), 2 * 4 + 1 + 2, "{all:?}");
    assert_eq!(all[&(inner.clone(), "e".to_owned())], json!({ "i": 2 }));
    assert_eq!(read(&store, &first, "b::c").await, Some(json!({ "of": "a" })));
    assert_eq!(read(&store, &format!("{first}::b"), "c").await, None, "the same stored key, another entry");
    assert_eq!(read(&store, &first, "inner::d").await, None);
    assert_eq!(listed(&store, &inner).await.len(), 2);
    let keys = [Key::new(&inner, "d"), Key::new(&inner, "d"), Key::new(&inner, "x")];
    let many = store.get_many(&keys).await.unwrap();
    assert_eq!(many.iter().filter(|answer| answer.as_ref().unwrap().is_some()).count(), 2);

    let larder = larder::open(&format!("{url}?namespace={first}::x&timeout=30s")).await.unwrap();
    larder.put(Key::new("c", "a"), NewEntry::new("v"), PutMode::Replace).await.unwrap();
    assert_eq!(listed(&store, &first).await.len(), all.len(), "Larder's own entries are not the library's");
}

#[tokio::test]
async fn a_url_that_would_not_read_what_was_written_is_refused() {
    for (url, advice) in [
        ("filetree:d", "add `codec=py-key-value`"),
        ("filetree:d?codec=json", "choose it on the collection"),
        ("filetree:d?codec=py-key-value&namespace=n", "`namespace` does nothing"),
        ("filetree:d?codec=py-key-value&near=5s", "`near` does nothing"),
        ("filetree:d?codec=py-key-value&encrypt=aead", "`encrypt=fernet`"),
        ("filetree:d?codec=py-key-value&engine=sled", "unknown parameter `engine`"),
        ("filetree:/nowhere/at/all?codec=py-key-value", "cannot be read"),
        ("memory://?codec=py-key-value", "`filetree` and `redis`"),
    ] {
        if url.starts_with("memory") && !larder::schemes().any(|scheme| scheme == "memory") {
            continue;
        }
        let error = larder::open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}: {error}");
        assert!(error.message().contains(advice), "{url}: {error}");
    }
}

#[cfg(feature = "encrypt")]
mod sealed {
    use std::path::Path;

    use larder::encrypt::{KeyRing, SecretKey};

    use super::{ErrorKind, Key, Store, holds_what_was_written, listed, service, written};

    /// A file with these keys, for its owner alone.
    fn key_file(dir: &Path, keys: &[&str]) -> String {
        let file = dir.join(format!("keys-{}", keys.len()));
        let _ = std::fs::remove_file(&file);
        KeyRing::create_file(&file).expect("it is there");
        std::fs::write(&file, keys.join("\n")).expect("it is there");
        file.display().to_string()
    }

    #[tokio::test]
    async fn what_the_library_sealed_opens_with_its_key_and_no_other() {
        let Some(python) = service("LARDER_TEST_PYTHON") else { return };
        let (key, other) =
            (SecretKey::generate().unwrap().to_text(), SecretKey::generate().unwrap().to_text());
        // The library's own vector of a key from a passphrase.
        let derived = "znx7rVYt4roVgu3ymt5sIYFmfMNGEPbm8AShXQv6CY4=";
        for (sealed, key) in [(key.as_str(), key.as_str()), ("derived:test-source-material", derived)] {
            let dir = tempfile::tempdir().unwrap();
            let tree = dir.path().join("tree");
            std::fs::create_dir(&tree).unwrap();
            written(&python, tree.to_str().unwrap(), "c", sealed);
            let url = format!("filetree://{}?codec=py-key-value", tree.display());
            let file = key_file(dir.path(), &[&other, key]);
            let store = larder::open(&format!("{url}&encrypt=fernet&key_file={file}")).await.unwrap();
            holds_what_was_written(&store, "c").await;
            assert_eq!(listed(&store, "").await.len(), 8);

            let file = key_file(dir.path(), &[&other]);
            let wrong = larder::open(&format!("{url}&encrypt=fernet&key_file={file}")).await.unwrap();
            let error = wrong.get(Key::new("c", "plain_1")).await.unwrap_err();
            assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("c/plain_1")));
            let without = larder::open(&url).await.unwrap();
            assert_eq!(without.get(Key::new("c", "plain_1")).await.unwrap_err().kind(), ErrorKind::Denied);
            let rotation = larder::open_encrypted(&format!("{url}&encrypt=fernet&key_file={file}")).await;
            assert_eq!(rotation.unwrap_err().kind(), ErrorKind::Invalid);
        }
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn what_the_library_sealed_in_redis_opens_with_its_key() {
        let (Some(python), Some(url)) = (service("LARDER_TEST_PYTHON"), service("LARDER_TEST_REDIS")) else {
            return;
        };
        let key = SecretKey::generate().unwrap().to_text();
        let first = format!("sealed-{}", key.get(..12).unwrap());
        written(&python, &url, &first, &key);
        let dir = tempfile::tempdir().unwrap();
        let file = key_file(dir.path(), &[&key]);
        let url = format!("{url}?codec=py-key-value&encrypt=fernet&key_file={file}&timeout=30s");
        let store = larder::open(&url).await.unwrap();
        holds_what_was_written(&store, &first).await;
        assert_eq!(listed(&store, &first).await.len(), 11);
    }
}
