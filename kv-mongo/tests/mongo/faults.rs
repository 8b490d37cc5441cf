//! What the server refuses, and answers that are lost: each the right kind and outcome.

use kv_core::{Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_mongo::MongoStore;
use mongodb::bson::{Document, doc};

use crate::support::{Server, create, get, put, said, take, value};

const SECRET: &str = "v4lue-that-no-error-shows";

async fn faulty() -> Option<(Server, MongoStore)> {
    let server = Server::start(&["--enable-test-commands"])?;
    let store = server.open().await;
    Some((server, store))
}

fn told(error: &Error) -> (ErrorKind, Outcome) {
    assert!(!said(error).contains(SECRET), "{error:?}");
    (error.kind(), error.outcome())
}

#[tokio::test]
async fn each_refusal_of_the_server_has_its_kind_and_outcome() {
    let Some((server, store)) = faulty().await else { return };
    put(&store, "a", "old").await.unwrap();
    for (code, kind, outcome) in [
        (13, ErrorKind::Denied, Outcome::NotDone),
        (14_031, ErrorKind::Full, Outcome::NotDone),
        (10_334, ErrorKind::TooLarge, Outcome::NotDone),
        (50, ErrorKind::Timeout, Outcome::Unknown),
        (112, ErrorKind::Unavailable, Outcome::NotDone),
        (59, ErrorKind::Unsupported, Outcome::NotDone),
        (8, ErrorKind::Unexpected, Outcome::Unknown),
    ] {
        let fault = || doc! { "errorCode": code };
        server.fail("update", 1, fault()).await;
        assert_eq!(told(&put(&store, "a", SECRET).await.unwrap_err()), (kind, outcome), "{code}");
        server.fail("findAndModify", 1, fault()).await;
        assert_eq!(told(&create(&store, "b", SECRET).await.unwrap_err()), (kind, outcome), "{code}");
        server.fail("update", 1, fault()).await;
        let batch = vec![(Key::new("c", "a"), NewEntry::new(SECRET))];
        let refused = store.put_many(batch).await.unwrap().remove(0).unwrap_err();
        assert_eq!(told(&refused), (kind, outcome), "{code}");
        server.fail("aggregate", 1, fault()).await;
        assert_eq!(get(&store, "a").await.unwrap_err().kind(), kind, "{code}");
        assert_eq!(value(&store, "a").await.as_deref(), Some("old"), "a refused write leaves what was there");
        assert_eq!(value(&store, "b").await, None);
    }
}

#[tokio::test]
async fn a_primary_that_steps_down_once_is_not_noticed() {
    let Some((server, store)) = faulty().await else { return };
    server.fail("findAndModify", 1, doc! { "errorCode": 10_107 }).await;
    create(&store, "a", "x").await.unwrap();
    server.fail("aggregate", 1, doc! { "errorCode": 10_107 }).await;
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    server.fail("findAndModify", 2, doc! { "errorCode": 10_107 }).await;
    // It was sent twice, and only the second refusal is known.
    let refused = take(&store, "a").await.unwrap_err();
    assert_eq!(told(&refused), (ErrorKind::Unavailable, Outcome::Unknown));
    assert!(take(&store, "a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_connection_that_breaks_once_is_not_noticed_and_twice_leaves_the_outcome_open() {
    let Some((server, store)) = faulty().await else { return };
    let broken = || doc! { "closeConnection": true };
    server.fail("findAndModify", 1, broken()).await;
    create(&store, "a", "x").await.unwrap();
    server.fail("aggregate", 1, broken()).await;
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    server.fail("findAndModify", 2, broken()).await;
    let lost = take(&store, "a").await.unwrap_err();
    assert_eq!(told(&lost), (ErrorKind::Unavailable, Outcome::Unknown));
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    // A batch is sent once: what became of it is for the caller to decide.
    server.fail("update", 1, broken()).await;
    let batch = vec![(Key::new("c", "a"), NewEntry::new(SECRET))];
    let lost = store.put_many(batch).await.unwrap().remove(0).unwrap_err();
    assert_eq!(told(&lost), (ErrorKind::Unavailable, Outcome::Unknown));
}

#[tokio::test]
async fn a_write_that_no_majority_has_in_time_may_be_done() {
    let Some((server, store)) = faulty().await else { return };
    let late =
        || doc! { "writeConcernError": { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "late" } };
    let expected = (ErrorKind::Timeout, Outcome::Unknown);
    server.fail("update", 1, late()).await;
    assert_eq!(told(&put(&store, "a", SECRET).await.unwrap_err()), expected);
    assert_eq!(value(&store, "a").await.as_deref(), Some(SECRET));
    server.fail("findAndModify", 1, late()).await;
    assert_eq!(told(&create(&store, "b", SECRET).await.unwrap_err()), expected);
    server.fail("findAndModify", 1, late()).await;
    assert_eq!(told(&take(&store, "a").await.unwrap_err()), expected);
    assert_eq!(value(&store, "a").await, None);
    server.fail("update", 1, late()).await;
    let batch = vec![(Key::new("c", "d"), NewEntry::new(SECRET))];
    assert_eq!(told(&store.put_many(batch).await.unwrap().remove(0).unwrap_err()), expected);
    server.fail("delete", 1, late()).await;
    let removed = store.delete_many(&[Key::new("c", "d")]).await.unwrap().remove(0);
    assert_eq!(told(&removed.unwrap_err()), expected);
}

#[tokio::test]
async fn what_meets_another_entry_twice_is_not_done_and_shows_no_value() {
    let Some((server, store)) = faulty().await else { return };
    // An index of somebody's own, so that the server refuses with the value in its message.
    let options = mongodb::options::IndexOptions::builder().unique(true).build();
    let index = mongodb::IndexModel::builder().keys(doc! { "d": 1 }).options(options).build();
    server.documents().await.create_index(index).await.unwrap();
    put(&store, "a", SECRET).await.unwrap();
    let expected = (ErrorKind::Unavailable, Outcome::NotDone);
    assert_eq!(told(&put(&store, "b", SECRET).await.unwrap_err()), expected);
    assert_eq!(told(&create(&store, "b", SECRET).await.unwrap_err()), expected);
    let batch = ["b", "c", "d"]
        .map(|id| (Key::new("c", id), NewEntry::new(if id == "c" { "other" } else { SECRET })));
    let answers = store.put_many(batch.into()).await.unwrap();
    let refused: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(told)).collect();
    assert_eq!(refused, [Some(expected), None, Some(expected)]);
}

#[tokio::test]
async fn a_chunk_that_fails_fails_its_own_keys() {
    let Some((server, store)) = faulty().await else { return };
    let ids: Vec<_> = (0..1_500).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let entries = || keys.iter().map(|key| (*key, NewEntry::new("x"))).collect();
    server.fail("update", 1, doc! { "errorCode": 14_031 }).await;
    let written = store.put_many(entries()).await.unwrap();
    let failed = written.iter().filter(|answer| answer.is_err()).count();
    assert_eq!((failed, written.iter().rposition(Result::is_err)), (1_000, Some(999)));
    server.fail("aggregate", 1, doc! { "errorCode": 13 }).await;
    let found = store.get_many(&keys).await.unwrap();
    assert!(
        found[..1_000].iter().all(|answer| answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Denied))
    );
    assert!(found[1_000..].iter().all(|answer| answer.as_ref().is_ok_and(Option::is_some)));
    server.fail("delete", 1, doc! { "errorCode": 13 }).await;
    let removed = store.delete_many(&keys).await.unwrap();
    assert_eq!(removed.iter().filter(|answer| answer.is_err()).count(), 1_000);
}

#[tokio::test]
async fn a_document_of_others_under_our_name_is_corrupt_and_can_be_replaced() {
    let Some((server, store)) = faulty().await else { return };
    let documents = server.documents().await;
    let never = mongodb::bson::DateTime::from_millis(253_402_214_400_000);
    let odd: [Document; 3] = [
        doc! { "_id": "larder/c/a", "x": never },
        doc! { "_id": "larder/c/a", "x": never, "v": "text", "d": 1 },
        doc! { "_id": "larder/c/a", "x": never, "n": "another name" },
    ];
    for document in odd {
        documents.insert_one(&document).await.unwrap();
        let error = get(&store, "a").await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("c/a")));
        let mut batch = store.get_many(&[Key::new("c", "a"), Key::new("c", "b")]).await.unwrap();
        assert_eq!(batch.remove(0).unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(batch.remove(0).unwrap().is_none());
        put(&store, "a", "healed").await.unwrap();
        assert_eq!(value(&store, "a").await.as_deref(), Some("healed"));
        assert!(store.take(Key::new("c", "a"), None).await.unwrap().is_some());
    }
    documents.insert_one(doc! { "_id": "larder/c/a", "v": 1, "d": 1 }).await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap_err().kind(), ErrorKind::Corrupt, "it has no deadline");
    let creating = store.put(Key::new("c", "a"), NewEntry::new("x"), PutMode::Create);
    assert_eq!(creating.await.unwrap_err().kind(), ErrorKind::Corrupt, "it may be alive");
    put(&store, "a", "healed").await.unwrap();
    assert_eq!(value(&store, "a").await.as_deref(), Some("healed"));
}
