//! Writes that come too late, or are said to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store, Version};
use kv_elastic::ElasticStore;
use serde_json::{Value, json};

use crate::fake::{Fake, exception};

#[tokio::test]
async fn a_write_that_loses_every_turn_ends_as_throttled() {
    // Each look finds the entry, each write comes too late: as if somebody always wrote in between.
    let fake = one_document(|_| {}, || found(&source())).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let error = store.take(Key::new("c", "i"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::NotDone));
    let claims = fake.asked("PUT");
    assert_eq!(claims.len(), 64);
    assert!(claims.iter().all(|asked| asked.path.ends_with("?if_seq_no=7&if_primary_term=3")));
}

/// The document of an entry `x` without a lifetime.
fn source() -> Value {
    source_of(&"0".repeat(32))
}

fn source_of(version: &str) -> Value {
    json!({ "namespace": "larder", "collection": "c", "id": "i", "hash": "00", "version": version, "size": 1,
        "value": "eA==" })
}

fn found(source: &Value) -> (u16, Value) {
    (200, json!({ "found": true, "_seq_no": 7, "_primary_term": 3, "_source": source }))
}

/// A server of one document, which says of each write that it came too late.
async fn one_document(
    write: impl Fn(&str) + Send + Sync + 'static,
    read: impl Fn() -> (u16, Value) + Send + Sync + 'static,
) -> Fake {
    Fake::start(move |asked| match asked.method.as_str() {
        "PUT" if ["/_doc/", "/_create/"].iter().any(|path| asked.path.contains(path)) => {
            write(&asked.body);
            Some(exception(409, "version_conflict_engine_exception", "version conflict"))
        }
        "GET" if asked.path.contains("/_doc/") => Some(read()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn what_was_taken_by_a_write_that_the_cluster_repeated_is_not_lost() {
    // A node fails after it wrote: the cluster sends the same write to the next one, which finds it done.
    let stands = Arc::new(Mutex::new(source()));
    let written = Arc::clone(&stands);
    let write = move |body: &str| *written.lock().unwrap() = serde_json::from_str(body).unwrap();
    let fake = one_document(write, move || found(&stands.lock().unwrap())).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    assert_eq!(store.take(Key::new("c", "i"), None).await.unwrap().unwrap().value, "x");
    assert_eq!(fake.asked("PUT").len(), 1);
    assert!(store.get(Key::new("c", "i")).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_created_by_such_a_write_and_taken_since_is_not_created_again() {
    let key = Key::new("c", "i");
    for mode in [PutMode::Create, PutMode::Update(Version::from_bytes([0; 16]))] {
        let entry = NewEntry::new("x");
        let version = entry.version();
        let claim = claim_of(version).await;
        let stands = Arc::new(Mutex::new(source()));
        let written = Arc::clone(&stands);
        let write = move |_: &str| *written.lock().unwrap() = claim.clone();
        let fake = one_document(write, move || found(&stands.lock().unwrap())).await;
        let store = ElasticStore::open(fake.config()).await.unwrap();
        assert_eq!(store.put(key, entry, mode).await.unwrap(), version);
        assert_eq!(fake.asked("PUT").iter().filter(|asked| !asked.path.contains("mapping")).count(), 1);
    }
}

/// What a take of the entry that has this version leaves in its place.
async fn claim_of(version: Version) -> Value {
    let taken = source_of(&format!("{:032x}", u128::from_be_bytes(*version.as_bytes())));
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "PUT" if asked.path.contains("/_doc/") => Some((200, json!({ "result": "updated" }))),
        "GET" if asked.path.contains("/_doc/") => Some(found(&taken)),
        _ => None,
    })
    .await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    assert_eq!(store.take(Key::new("c", "i"), None).await.unwrap().unwrap().version, version);
    serde_json::from_str(&fake.asked("PUT").last().unwrap().body).unwrap()
}

#[tokio::test]
async fn whether_a_write_that_came_too_late_was_ours_stays_open_if_nobody_can_look() {
    let is_written = Arc::new(AtomicBool::new(false));
    let written = Arc::clone(&is_written);
    let read = move || {
        if is_written.load(Ordering::SeqCst) {
            return exception(503, "no_shard_available_action_exception", "no shard");
        }
        found(&source())
    };
    let fake = one_document(move |_| written.store(true, Ordering::SeqCst), read).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let error = store.take(Key::new("c", "i"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
}

#[tokio::test]
async fn a_document_that_is_not_given_says_why() {
    for (name, kind) in [
        ("no_shard_available_action_exception", ErrorKind::Unavailable),
        ("es_rejected_execution_exception", ErrorKind::Throttled),
        ("security_exception", ErrorKind::Denied),
        ("script_exception", ErrorKind::Unexpected),
    ] {
        let fake = Fake::start(move |asked| {
            let error = json!({ "type": name, "reason": "it is so" });
            asked.path.contains("_mget").then(|| (200, json!({ "docs": [{ "_id": "00", "error": error }] })))
        })
        .await;
        let store = ElasticStore::open(fake.config()).await.unwrap();
        let error = store.get_many(&[Key::new("c", "i")]).await.unwrap().remove(0).unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}
