//! Batches: duplicates, chunks, and what the service leaves over.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kv_core::{Clock, ErrorKind, Key, NewEntry, Outcome, Result, Store, each};
use kv_dynamo::DynamoStore;
use serde_json::{Value, json};

use crate::scripted::{Answer, Scripted, ready};
use crate::support::C;

fn wanted(body: &Value) -> &Vec<Value> {
    body["RequestItems"]["table"]["Keys"].as_array().unwrap()
}

fn written(body: &Value) -> &Vec<Value> {
    body["RequestItems"]["table"].as_array().unwrap()
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:04}")).collect()
}

/// An item of ours under this key.
fn item(key: &Value) -> Value {
    let mut item = key.clone();
    item["d"] = json!({ "B": "eA==" });
    item["v"] = json!({ "B": "AAAAAAAAAAAAAAAAAAAAAA==" });
    item
}

#[tokio::test]
async fn reads_go_in_hundreds_and_each_key_once() {
    let server = Scripted::start(ready(|_, body| {
        assert_eq!(body["RequestItems"]["table"]["ConsistentRead"], json!(true));
        let items: Vec<_> = wanted(body).iter().map(item).collect();
        Answer::ok(json!({ "Responses": { "table": items }, "UnprocessedKeys": {} }))
    }))
    .await;
    let (store, ids) = (server.open().await, ids(250));
    let twice: Vec<_> = ids.iter().chain(&ids).map(|id| Key::new(C, id)).collect();
    let answers = store.get_many(&twice).await.unwrap();
    assert!(answers.len() == 500 && answers.iter().all(|answer| answer.as_ref().is_ok_and(Option::is_some)));
    let mut sizes: Vec<_> = server.asked("BatchGetItem").iter().map(|body| wanted(body).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
}

#[tokio::test]
async fn writes_go_in_twenty_fives_and_of_duplicates_the_last() {
    let server = Scripted::start(ready(|_, _| Answer::ok(json!({ "UnprocessedItems": {} })))).await;
    let (store, ids) = (server.open().await, ids(60));
    let entry = |id, value: &'static str| (Key::new(C, id), NewEntry::new(value));
    let entries = ids.iter().map(|id| entry(id, "old")).chain(ids.iter().map(|id| entry(id, "new")));
    let answers = store.put_many(entries.collect()).await.unwrap();
    assert!(answers.len() == 120 && answers.iter().all(Result::is_ok));
    let asked = server.asked("BatchWriteItem");
    let mut sizes: Vec<_> = asked.iter().map(|body| written(body).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 25, 25]);
    let values = asked.iter().flat_map(written).map(|write| &write["PutRequest"]["Item"]["d"]["B"]);
    assert!(values.into_iter().all(|value| value == "bmV3"), "an earlier one was written");
}

#[tokio::test]
async fn what_is_left_over_is_asked_for_again() {
    let server = Scripted::start(ready(|operation, body| {
        if operation == "BatchGetItem" {
            let (some, rest) = wanted(body).split_at(wanted(body).len().div_ceil(2));
            let items: Vec<_> = some.iter().filter(|key| key["sk"]["S"] != "i0001").map(item).collect();
            let rest = if rest.is_empty() { json!({}) } else { json!({ "table": { "Keys": rest } }) };
            return Answer::ok(json!({ "Responses": { "table": items }, "UnprocessedKeys": rest }));
        }
        let rest = written(body).split_at(written(body).len().div_ceil(2)).1;
        let rest = if rest.is_empty() { json!({}) } else { json!({ "table": rest }) };
        Answer::ok(json!({ "UnprocessedItems": rest }))
    }))
    .await;
    let (store, ids) = (server.open().await, ids(20));
    let keys: Vec<_> = ids.iter().map(|id| Key::new(C, id)).collect();
    let found: Vec<_> =
        store.get_many(&keys).await.unwrap().into_iter().map(|read| read.unwrap().is_some()).collect();
    assert!(found.iter().enumerate().all(|(n, found)| *found == (n != 1)), "{found:?}");
    assert!(store.delete_many(&keys).await.unwrap().iter().all(Result::is_ok));
    let sizes = |operation, size: fn(&Value) -> &Vec<Value>| -> Vec<_> {
        server.asked(operation).iter().map(|body| size(body).len()).collect()
    };
    assert_eq!(sizes("BatchGetItem", wanted), [20, 10, 5, 2, 1]);
    assert_eq!(sizes("BatchWriteItem", written), [20, 10, 5, 2, 1]);
}

#[tokio::test]
async fn a_round_that_finds_only_absent_keys_goes_forward_too() {
    let server = Scripted::start(ready(|_, body| {
        let rest = &wanted(body)[1..];
        let rest = if rest.is_empty() { json!({}) } else { json!({ "table": { "Keys": rest } }) };
        Answer::ok(json!({ "Responses": { "table": [] }, "UnprocessedKeys": rest }))
    }))
    .await;
    let (store, ids) = (server.open().await, ids(9)); // as many rounds, one more than may pass without progress
    let keys: Vec<_> = ids.iter().map(|id| Key::new(C, id)).collect();
    let answers = store.get_many(&keys).await.unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(Option::is_none)), "{answers:?}");
    assert_eq!(server.asked("BatchGetItem").len(), 9);
}

/// Turns of a call, and how many it had before its first request.
struct Turns {
    polls: AtomicUsize,
    first: AtomicUsize,
}

impl Turns {
    async fn before_first<T>(&self, call: impl Future<Output = Result<Vec<Result<T>>>>) -> usize {
        self.polls.store(0, Ordering::SeqCst);
        self.first.store(usize::MAX, Ordering::SeqCst);
        let mut call = pin!(call);
        let answers = poll_fn(|cx| {
            self.polls.fetch_add(1, Ordering::SeqCst);
            call.as_mut().poll(cx)
        });
        assert!(answers.await.unwrap().iter().all(Result::is_ok));
        self.first.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_large_batch_gives_way_before_its_first_request() {
    let turns = Arc::new(Turns { polls: AtomicUsize::new(0), first: AtomicUsize::new(0) });
    let seen = Arc::clone(&turns);
    let server = Scripted::start(ready(move |_, _| {
        seen.first.fetch_min(seen.polls.load(Ordering::SeqCst), Ordering::SeqCst);
        Answer::ok(json!({}))
    }))
    .await;
    let (store, ids) = (server.open().await, ids(10_000));
    let keys: Vec<_> = ids.iter().map(|id| Key::new(C, id)).collect();
    let entries = keys.iter().map(|key| (*key, NewEntry::new("x"))).collect();
    let before = [
        turns.before_first(store.put_many(entries)).await,
        turns.before_first(store.get_many(&keys)).await,
        turns.before_first(store.delete_many(&keys)).await,
    ];
    let least = 2 * (keys.len() / each::EVERY); // once over all to encode them, once to find those that are the same
    assert!(before.iter().all(|turns| *turns > least), "{before:?}, not {least}");
}

#[tokio::test]
async fn each_answer_is_opened_as_it_comes() {
    let (clock, asked) = (Clock::manual(), AtomicUsize::new(0));
    let (passing, ends) = (clock.clone(), clock.unix_ms() + 1_000);
    let server = Scripted::start(ready(move |_, body| {
        // Four requests are under way at once: the fifth is sent when the first has been answered.
        if asked.fetch_add(1, Ordering::SeqCst) == 4 {
            passing.advance(Duration::from_secs(60));
        }
        let timed = |key| {
            let mut item = item(key);
            item["x"] = json!({ "N": ends.to_string() });
            item
        };
        let items: Vec<_> = wanted(body).iter().map(timed).collect();
        Answer::ok(json!({ "Responses": { "table": items } }))
    }))
    .await;
    let mut config = server.config();
    config.clock = clock;
    let (store, ids) = (DynamoStore::open(config).await.unwrap(), ids(500));
    let keys: Vec<_> = ids.iter().map(|id| Key::new(C, id)).collect();
    let found: Vec<_> =
        store.get_many(&keys).await.unwrap().into_iter().map(|read| read.unwrap().is_some()).collect();
    assert!(found[..100].iter().all(|found| *found), "these lived when they were read");
    assert!(!found[400..].iter().any(|found| *found), "these did not");
}

#[tokio::test]
async fn what_is_left_over_for_ever_is_throttled_and_the_rest_is_answered() {
    let server = Scripted::start(ready(|operation, body| {
        if operation == "BatchGetItem" {
            let (stuck, rest): (Vec<_>, Vec<_>) =
                wanted(body).iter().cloned().partition(|key| key["sk"]["S"] == "i0001");
            let items: Vec<_> = rest.iter().map(item).collect();
            return Answer::ok(
                json!({ "Responses": { "table": items }, "UnprocessedKeys": { "table": { "Keys": stuck } } }),
            );
        }
        let stuck: Vec<_> = written(body)
            .iter()
            .filter(|write| write["DeleteRequest"]["Key"]["sk"]["S"] == "i0001")
            .collect();
        Answer::ok(json!({ "UnprocessedItems": { "table": stuck } }))
    }))
    .await;
    let (store, ids) = (server.open().await, ids(3));
    let keys: Vec<_> = ids.iter().map(|id| Key::new(C, id)).collect();
    let reads = store.get_many(&keys).await.unwrap().into_iter().map(|read| read.map(drop));
    let writes = store.delete_many(&keys).await.unwrap();
    for answers in [reads.collect(), writes] {
        let errors: Vec<_> = answers.into_iter().map(Result::err).collect();
        let [None, Some(error), None] = errors.as_slice() else { panic!("{errors:?}") };
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::NotDone));
        assert_eq!(error.key(), Some("c/0001"));
    }
}

#[tokio::test]
async fn a_chunk_that_fails_fails_its_own_keys() {
    let asked = AtomicUsize::new(0);
    let server = Scripted::start(ready(move |_, body| {
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return Answer::refusal(400, "ProvisionedThroughputExceededException", "slow down");
        }
        let items: Vec<_> = wanted(body).iter().map(item).collect();
        Answer::ok(json!({ "Responses": { "table": items } }))
    }));
    let (store, ids) = (server.await.open().await, ids(300));
    let keys: Vec<_> = ids.iter().map(|id| Key::new(C, id)).collect();
    let answers = store.get_many(&keys).await.unwrap();
    let failed: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(failed.len(), 100);
    assert!(failed.iter().all(|error| error.kind() == ErrorKind::Throttled && error.key().is_some()));
}
