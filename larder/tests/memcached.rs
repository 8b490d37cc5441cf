//! `memcached://` from a URL, on the server that `LARDER_TEST_MEMCACHED` names.

#![cfg(feature = "memcached")]

use kv_core::testing::service;
use larder::{ErrorKind, Key, NewEntry, PutMode, Scan, Store};

const KEY: Key<'_> = Key::new("c", "k");

#[tokio::test]
async fn a_url_opens_a_cache_behind_the_usual_wrappers() {
    let Some(url) = service("LARDER_TEST_MEMCACHED") else { return };
    let namespace = format!("larder-{}", std::process::id());
    let store = larder::open(&format!("{url}?namespace={namespace}&ttl=60s&prefix=app-")).await.unwrap();
    let told = store.capabilities();
    assert!(told.backend == "memcached" && told.evicts);
    store.put(KEY, NewEntry::new("x"), PutMode::Create).await.unwrap();
    let entry = store.take(KEY, None).await.unwrap().unwrap();
    assert!(entry.value == "x" && entry.ttl.is_some(), "the ttl of the URL");
    assert_eq!(store.scan(Scan::one("c"), None).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_the_password_is_never_shown() {
    let error = larder::open("memcached://ann:s3cret@127.0.0.1:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}
