//! The collection as it lies in the database.

use std::time::Duration;

use kv_core::{ErrorKind, Key, Meta, NewEntry, Outcome, PutMode, Scan, Store};
use kv_mongo::MongoStore;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};

use crate::support::{Server, put, value};

const NEVER_MS: i64 = 253_402_214_400_000;

#[tokio::test]
async fn a_document_has_the_documented_fields() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    let version = put(&store, "a/$b", "value").await.unwrap();
    let long = "x".repeat(1_000);
    let mut meta = Meta::codec(1);
    meta.tags = vec![("t".into(), [9; 16])];
    let entry = NewEntry::new("").ttl(Duration::from_secs(60)).meta(meta.clone());
    store.put(Key::new("c/d", &long), entry, PutMode::Create).await.unwrap();

    let documents = server.documents().await;
    let plain = documents.find_one(doc! { "_id": "larder/c/a/$b" }).await.unwrap().unwrap();
    let fields = |document: &Document| document.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(fields(&plain), "_id v x d");
    assert_eq!(plain.get_binary_generic("v").unwrap(), version.as_bytes());
    assert_eq!(plain.get_binary_generic("d").unwrap(), b"value");
    assert_eq!(plain.get_datetime("x").unwrap().timestamp_millis(), NEVER_MS);

    let hashed = documents.find_one(doc! { "n": { "$exists": true } }).await.unwrap().unwrap();
    assert_eq!(fields(&hashed), "_id v x d m n");
    assert_eq!(hashed.get_str("n").unwrap(), format!("larder/c%2Fd/{long}"));
    let id = hashed.get_str("_id").unwrap();
    assert!(id.len() == 964 && id.starts_with("larder/c%2Fd/xxx"), "{id}");
    assert_eq!(hashed.get_binary_generic("m").unwrap(), &kv_core::header::encode_meta(&meta).unwrap());
    assert!(hashed.get_datetime("x").unwrap().timestamp_millis() < NEVER_MS);
}

#[tokio::test]
async fn the_ttl_index_is_made_and_cleans_a_minute_after_the_deadline() {
    let Some(server) = Server::start(&[]) else { return };
    let stores = [server.open().await, server.open().await];
    assert!(stores.iter().all(|store| store.warnings().is_empty()));
    let documents = server.documents().await;
    let mut indexes = documents.list_indexes().await.unwrap();
    let mut found = Vec::new();
    while indexes.advance().await.unwrap() {
        let index = indexes.deserialize_current().unwrap();
        if index.keys == doc! { "x": 1 } {
            found.push(index.options.unwrap().expire_after);
        }
    }
    assert_eq!(found, [Some(Duration::from_secs(60))]);
}

#[tokio::test]
async fn another_index_in_its_place_is_a_warning_and_what_expired_is_absent_all_the_same() {
    let Some(server) = Server::start(&[]) else { return };
    let plain = IndexModel::builder().keys(doc! { "x": 1 }).build();
    server.documents().await.create_index(plain).await.unwrap();
    let store = server.open().await;
    assert!(store.warnings().len() == 1 && store.warnings()[0].contains("TTL"), "{:?}", store.warnings());
    let entry = NewEntry::new("x").ttl(Duration::from_millis(1));
    store.put(Key::new("c", "a"), entry, PutMode::Create).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(value(&store, "a").await, None);
    let there = server.documents().await.find_one(doc! { "_id": "larder/c/a" }).await.unwrap();
    assert!(there.is_some(), "nobody removed it");
}

#[tokio::test]
async fn a_collection_of_a_later_version_and_one_of_others_are_not_opened() {
    let Some(server) = Server::start(&[]) else { return };
    put(&server.open().await, "a", "x").await.unwrap();
    let documents = server.documents().await;
    for (marker, kind) in [
        (doc! { "_id": "", "larder": 2 }, ErrorKind::Unsupported),
        (doc! { "_id": "", "other": true }, ErrorKind::Corrupt),
    ] {
        documents.replace_one(doc! { "_id": "" }, marker).await.unwrap();
        let error = MongoStore::open(server.config()).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, Some("open")));
    }
    documents.delete_one(doc! { "_id": "" }).await.unwrap();
    let store = server.open().await;
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    let marker = documents.find_one(doc! { "_id": "" }).await.unwrap().unwrap();
    assert_eq!(marker.get_i64("larder").unwrap(), 1);
}

#[tokio::test]
async fn a_scan_goes_on_behind_a_damaged_document_where_that_is_asked_for() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    for id in ["a", "b", "c"] {
        put(&store, id, id).await.unwrap();
    }
    let documents = server.documents().await;
    documents.update_one(doc! { "_id": "larder/c/b" }, doc! { "$set": { "d": "text" } }).await.unwrap();
    let scan = Scan::one("c").values();
    assert_eq!(store.scan(scan, None).await.unwrap_err().key(), Some("c/b"));
    for limit in [1, 10] {
        let (mut found, mut damaged, mut from) = (String::new(), Vec::new(), None);
        loop {
            let page = store.scan(scan.limit(limit).skip_damaged(), from.as_ref()).await.unwrap();
            found.extend(page.items.iter().map(|item| &*item.id));
            damaged.extend(page.damaged.into_iter().filter_map(|one| one.name));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!((found.as_str(), damaged), ("ac", vec![("c".to_owned(), "b".to_owned())]));
    }
}

#[tokio::test]
async fn who_makes_nothing_finds_no_store_in_an_empty_database_and_leaves_it_so() {
    let Some(server) = Server::start(&[]) else { return };
    let mut config = server.config();
    config.create = false;
    let error = MongoStore::open(config.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let names = server.driver().await.database(&config.database).list_collection_names().await.unwrap();
    assert!(names.is_empty(), "{names:?}");
    put(&server.open().await, "a", "1").await.unwrap();
    assert_eq!(value(&MongoStore::open(config).await.unwrap(), "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_damaged_document_that_was_taken_is_gone_and_the_error_does_not_deny_it() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    let documents = server.documents().await;
    for conditional in [false, true] {
        let version = put(&store, "a", "x").await.unwrap();
        documents.update_one(doc! { "_id": "larder/c/a" }, doc! { "$set": { "d": "text" } }).await.unwrap();
        let key = Key::new("c", "a");
        let error = store.take(key, conditional.then_some(version)).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Corrupt, Outcome::Unknown), "{error:?}");
        assert!(store.get(key).await.unwrap().is_none());
    }
}
