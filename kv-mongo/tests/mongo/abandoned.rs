//! Calls whose callers gave up while the server was slow, and batches that meet it.

use std::pin::pin;
use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, Outcome, Result, Store};
use kv_mongo::MongoStore;
use mongodb::bson::doc;
use tokio::time::timeout;

use crate::support::{Server, config, create, get, put, take, value};

/// Long before the server answers.
const IMPATIENT: Duration = Duration::from_millis(100);
const BLOCK_MS: i32 = 3_000;

/// A store with so many connections, on a server that can be told to be slow.
async fn connected(connections: u32) -> Option<(Server, MongoStore)> {
    let server = Server::start(&["--enable-test-commands"])?;
    let url = format!("{}&maxPoolSize={connections}", server.url());
    let store = MongoStore::open(config(&url)).await.unwrap();
    Some((server, store))
}

async fn slow_down(server: &Server, command: &str, times: i32) {
    server.fail(command, times, doc! { "blockConnection": true, "blockTimeMS": BLOCK_MS }).await;
}

async fn gives_up<T>(call: impl Future<Output = Result<T>>) {
    assert!(timeout(IMPATIENT, call).await.is_err(), "there was an answer");
}

#[tokio::test]
async fn what_was_given_up_while_it_waited_for_a_connection_never_happens() {
    let Some((server, store)) = connected(1).await else { return };
    put(&store, "a", "new").await.unwrap();
    slow_down(&server, "update", 1).await;
    let mut slow = pin!(put(&store, "slow", "x"));
    gives_up(slow.as_mut()).await;
    gives_up(take(&store, "a")).await;
    gives_up(put(&store, "a", "old")).await;
    gives_up(create(&store, "b", "x")).await;
    slow.await.unwrap();
    store.close().await.unwrap(); // whatever is under way ends
    let after = server.open().await;
    assert_eq!(value(&after, "a").await.as_deref(), Some("new"));
    assert_eq!(value(&after, "b").await, None);
    assert_eq!(value(&after, "slow").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn reads_find_a_connection_while_writes_are_stuck() {
    let Some((server, store)) = connected(4).await else { return };
    put(&store, "a", "x").await.unwrap();
    slow_down(&server, "findAndModify", 1_000).await;
    for n in 0..8 {
        gives_up(create(&store, &n.to_string(), "x")).await;
    }
    let reading = timeout(Duration::from_secs(1), get(&store, "a"));
    assert!(reading.await.expect("it does not wait for the writes").unwrap().is_some());
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:05}")).collect()
}

#[tokio::test]
async fn closing_waits_for_one_request_of_a_batch_that_was_given_up() {
    let Some((server, store)) = connected(2).await else { return };
    let ids = numbered(2_500);
    let entries = ids.iter().map(|id| (Key::new("c", id), NewEntry::new("x"))).collect();
    slow_down(&server, "update", 1).await;
    assert!(timeout(Duration::from_secs(1), store.put_many(entries)).await.is_err(), "there was an answer");
    store.close().await.unwrap();
    let written = server.documents().await.count_documents(doc! { "_id": { "$gt": "" } }).await.unwrap();
    assert!(written <= 1_000, "what was under way, and no more: {written}");
}

#[tokio::test]
async fn a_batch_ends_at_a_chunk_that_the_server_does_not_finish_and_the_rest_is_not_done() {
    let Some((server, store)) = connected(2).await else { return };
    let ids = numbered(2_100);
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let late = || doc! { "errorCode": 50 };
    server.fail("update", 1, late()).await;
    let entries = keys.iter().map(|key| (*key, NewEntry::new("x"))).collect();
    ended_early(store.put_many(entries).await.unwrap());
    assert!(get(&store, &ids[2_099]).await.unwrap().is_none(), "it was not sent");
    server.fail("aggregate", 1, late()).await;
    ended_early(store.get_many(&keys).await.unwrap());
    server.fail("delete", 1, late()).await;
    ended_early(store.delete_many(&keys).await.unwrap());
    let unconfirmed = doc! { "writeConcernError": { "code": 64, "codeName": "late", "errmsg": "late" } };
    server.fail("delete", 1, unconfirmed).await;
    ended_early(store.delete_many(&keys).await.unwrap());
}

fn ended_early<T: std::fmt::Debug>(answers: Vec<Result<T>>) {
    for (at, answer) in answers.into_iter().enumerate() {
        let error = answer.unwrap_err();
        let outcome = if at < 1_000 { Outcome::Unknown } else { Outcome::NotDone };
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, outcome), "{at}: {error:?}");
        assert_eq!(error.key(), Some(&*format!("c/{at:05}")));
    }
}
