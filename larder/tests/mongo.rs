//! `larder::open` of a MongoDB URL, with what a URL may ask for beside the server.
#![cfg(feature = "mongo")]

use std::time::Duration;

use kv_core::testing::service;
use larder::{ErrorKind, Judge, Key, Store, StoreExt};

#[tokio::test]
async fn a_url_opens_mongodb_in_the_wrappers_that_it_asks_for() {
    let Some(url) = service("LARDER_TEST_MONGODB") else { return };
    let url = format!(
        "{url}&namespace=open-{}&collection=open&prefix=app&ttl=10m&timeout=30s\
         &serverSelectionTimeoutMS=30000&connectTimeoutMS=60000",
        std::process::id()
    );
    let store = larder::open(&url).await.unwrap();
    assert_eq!((store.capabilities().backend, store.capabilities().judge), ("mongodb", Judge::Server));
    let codes = store.collection::<String>("codes");
    codes.put("4711", &"ann".to_owned()).await.unwrap();
    let left = store.get(Key::new("codes", "4711")).await.unwrap().unwrap().ttl;
    assert!(left.is_some_and(|left| left <= Duration::from_secs(600)), "{left:?}");

    let inside = larder::open(&url.replace("&prefix=app", "")).await.unwrap();
    let held = inside.get(Key::new("app/codes", "4711")).await.unwrap();
    assert!(held.is_some(), "the prefix is a part of the collection's name");
    assert_eq!(codes.take("4711").await.unwrap().as_deref(), Some("ann"));
    assert_eq!(codes.take("4711").await.unwrap(), None);
}

#[tokio::test]
async fn a_url_that_would_break_the_contract_or_that_nobody_knows_is_refused_before_anything_is_sent() {
    for (url, advice) in [
        ("mongodb://nowhere.invalid/?readPreference=secondary", "`readPreference`"),
        ("mongodb://nowhere.invalid/?w=1", "`w`"),
        ("mongodb://nowhere.invalid/?collections=c", "unknown parameter"),
        ("mongodb:///db", "mongodb://host:27017/database"),
        ("mongodb://nowhere.invalid/?codec=cbor", "`codec`"),
    ] {
        let error = larder::open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}: {error:?}");
        assert!(error.message().contains(advice), "{error}");
    }
}
