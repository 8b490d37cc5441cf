//! Writes that come too late, or are said to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kv_core::{ErrorKind, Key, Meta, NewEntry, Outcome, PutMode, Store, Version, header};
use kv_elastic::ElasticStore;
use serde_json::{Value, json};

use crate::fake::{Asked, Fake, exception};

#[tokio::test]
async fn a_write_that_loses_every_turn_ends_as_throttled_and_its_last_claim_may_stand() {
    // Each look finds the entry, each write comes too late: as if somebody always wrote in between.
    let fake = one_document(|_| {}, || found(&source())).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let error = store.take(Key::new("c", "i"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::Unknown));
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
    Fake::start(move |asked| {
        if asked.writes() {
            write(&asked.body);
            return Some(too_late());
        }
        is_look(asked).then(&read)
    })
    .await
}

fn is_look(asked: &Asked) -> bool {
    asked.method == "GET" && asked.path.contains("/_doc/")
}

fn too_late() -> (u16, Value) {
    exception(409, "version_conflict_engine_exception", "version conflict")
}

fn absent() -> (u16, Value) {
    (404, json!({ "found": false }))
}

/// The answer to an upsert where this stands already.
fn met(source: &Value) -> (u16, Value) {
    let get = json!({ "found": true, "_seq_no": 7, "_primary_term": 3, "_source": source });
    (200, json!({ "result": "noop", "get": get }))
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
async fn what_was_taken_by_such_a_write_is_not_lost_where_a_create_has_begun_since() {
    let stands = Arc::new(Mutex::new(source()));
    let written = Arc::clone(&stands);
    let write = move |body: &str| *written.lock().unwrap() = claim_over(body);
    let fake = one_document(write, move || found(&stands.lock().unwrap())).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    assert_eq!(store.take(Key::new("c", "i"), None).await.unwrap().unwrap().value, "x");
}

/// What a `Create` puts over this claim before it writes its entry.
fn claim_over(claim: &str) -> Value {
    let mut claim: Value = serde_json::from_str(claim).unwrap();
    let version = u128::from_str_radix(claim.get("version").unwrap().as_str().unwrap(), 16).unwrap();
    let mut meta = Meta::default();
    meta.tags = vec![("taken".into(), version.to_be_bytes())];
    let meta = STANDARD.encode(header::encode_meta(&meta).unwrap());
    let claim_now = claim.as_object_mut().unwrap();
    claim_now.insert("version".to_owned(), json!("1".repeat(32)));
    claim_now.insert("meta".to_owned(), json!(meta));
    claim
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
        assert_eq!(fake.writes().len(), 1);
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
async fn what_the_cluster_created_and_was_asked_for_again_is_known_by_what_it_meets() {
    let entry = NewEntry::new("x");
    let version = entry.version();
    let own = source_of(&format!("{:032x}", u128::from_be_bytes(*version.as_bytes())));
    for stands in [own, claim_of(version).await] {
        let fake = Fake::start(move |asked| asked.writes().then(|| met(&stands))).await;
        let store = ElasticStore::open(fake.config()).await.unwrap();
        assert_eq!(store.put(Key::new("c", "i"), entry.resend(), PutMode::Create).await.unwrap(), version);
        assert_eq!(fake.writes().len(), 1);
    }
}

#[tokio::test]
async fn what_is_gone_after_a_lost_turn_may_have_been_ours() {
    let key = Key::new("c", "i");
    let version = Version::from_bytes([0; 16]);
    let is_written = Arc::new(AtomicBool::new(false));
    let written = Arc::clone(&is_written);
    let read = move || if written.load(Ordering::SeqCst) { absent() } else { found(&source()) };
    let write = Arc::clone(&is_written);
    let fake = one_document(move |_| write.store(true, Ordering::SeqCst), read).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    for expected in [None, Some(version)] {
        is_written.store(false, Ordering::SeqCst);
        let error = store.take(key, expected).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{error}");
    }
    assert_eq!(fake.writes().len(), 2, "each was sent once");
    for (mode, kind) in
        [(PutMode::Create, ErrorKind::Unavailable), (PutMode::Update(version), ErrorKind::Conflict)]
    {
        is_written.store(false, Ordering::SeqCst);
        let before = fake.writes().len();
        let error = store.put(key, NewEntry::new("x"), mode).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::Unknown), "{error}");
        assert_eq!(fake.writes().len(), before + 1, "{mode:?} was sent again");
    }
}

#[tokio::test]
async fn what_was_absent_before_anything_was_written_is_no_matter_of_doubt() {
    let fake = Fake::start(|_| None).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let key = Key::new("c", "i");
    assert!(store.take(key, None).await.unwrap().is_none());
    let update = PutMode::Update(Version::from_bytes([0; 16]));
    let error = store.put(key, NewEntry::new("x"), update).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict, Outcome::NotDone));
    assert!(fake.writes().is_empty());
}

/// A server where an expired entry stands, until a write comes: the upsert, or what is sent to write over it.
async fn where_one_has_expired(write: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Fake {
    let expired = json!({ "namespace": "larder", "collection": "c", "id": "i", "hash": "00", "version": "0".repeat(32),
        "deadline": 1_000, "size": 1, "value": "eA==" });
    let stands = Mutex::new(Some(expired));
    Fake::start(move |asked| match asked.method.as_str() {
        "POST" if asked.writes() => stands.lock().unwrap().take().map(|stands| met(&stands)),
        "PUT" if asked.writes() => Some(write(&asked.body)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_create_that_meets_an_expired_entry_which_is_deleted_meanwhile_is_no_error() {
    let fake = where_one_has_expired(|_| too_late()).await; // the reaper was faster
    let store = ElasticStore::open(fake.config()).await.unwrap();
    store.put(Key::new("c", "i"), NewEntry::new("secret"), PutMode::Create).await.unwrap();
    let [first, over, again] = fake.writes().try_into().unwrap();
    assert_eq!((&first.path, &first.body), (&again.path, &again.body));
    assert!(over.path.ends_with("?if_seq_no=7&if_primary_term=3"), "{}", over.path);
    let over: Value = serde_json::from_str(&over.body).unwrap();
    assert!(
        over["deadline"].as_u64().unwrap() < 100_000_000_000 && over["value"] == "",
        "no entry that could be lost"
    );
}

#[tokio::test]
async fn a_create_over_an_expired_entry_is_sent_once_if_it_may_have_been_done_and_is_gone() {
    let fake = where_one_has_expired(|body| match serde_json::from_str::<Value>(body).unwrap()["deadline"] {
        Value::Null => too_late(),
        _ => (200, json!({ "_seq_no": 8, "_primary_term": 4 })),
    })
    .await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let error = store.put(Key::new("c", "i"), NewEntry::new("secret"), PutMode::Create).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{error}");
    let [_, _, entry] = fake.writes().try_into().unwrap();
    assert!(entry.path.ends_with("?if_seq_no=8&if_primary_term=4"), "{}", entry.path);
}

#[tokio::test]
async fn what_was_taken_just_now_is_written_over_at_once() {
    let claim = claim_of(Version::from_bytes([0; 16])).await;
    let fake =
        Fake::start(move |asked| (asked.method == "POST" && asked.writes()).then(|| met(&claim))).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    store.put(Key::new("c", "i"), NewEntry::new("x"), PutMode::Create).await.unwrap();
    assert_eq!(fake.writes().len(), 2);
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
