//! Signals and changes across lost connections.

use std::time::Duration;

use kv_core::testing::service;
use kv_core::{Change, Changes, Key, NewEntry, PutMode, Signal, Signals, Store};
use kv_redis::RedisStore;

use crate::place::{namespace, open};
use crate::private::{PATIENCE, PROGRAMS, Server, say, until};

const KEY: Key<'static> = Key::new("c", "a");

async fn next(changes: &mut Changes) -> Change {
    tokio::time::timeout(PATIENCE, changes.next()).await.expect("no news").expect("the end")
}

/// Skips to the change of this key, over what is told of everything.
async fn told(changes: &mut Changes) {
    let key = Change::Key { collection: "c".to_owned(), id: "a".to_owned() };
    loop {
        match next(changes).await {
            Change::All => {}
            told => return assert_eq!(told, key),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_is_told_once_it_changes_expires_or_is_flushed() {
    let Some(server) = Server::start(&[]).await else { return };
    let (here, there) =
        (RedisStore::open(server.config()).await.unwrap(), RedisStore::open(server.config()).await.unwrap());
    let mut changes = here.changes().await.unwrap();
    assert_eq!(next(&mut changes).await, Change::All);
    here.get(KEY).await.unwrap();
    there.put(KEY, NewEntry::new("x").ttl(Duration::from_millis(300)), PutMode::Create).await.unwrap();
    told(&mut changes).await;
    here.get_many(&[KEY]).await.unwrap();
    told(&mut changes).await; // by then it has expired
    here.get(KEY).await.unwrap();
    say(&mut server.raw().await, "FLUSHALL").await;
    assert_eq!(next(&mut changes).await, Change::All);
}

#[tokio::test(flavor = "multi_thread")]
async fn tracking_goes_on_after_a_lost_connection_and_the_gap_is_told() {
    let Some(mut server) = Server::start(&["--appendonly", "yes"]).await else { return };
    let (here, there) =
        (RedisStore::open(server.config()).await.unwrap(), RedisStore::open(server.config()).await.unwrap());
    let mut changes = here.changes().await.unwrap();
    for round in 0..4 {
        while next(&mut changes).await != Change::All {}
        until("the server answers", async || here.get(KEY).await.is_ok() && there.get(KEY).await.is_ok())
            .await;
        here.get(KEY).await.unwrap();
        there.put(KEY, NewEntry::new(round.to_string()), PutMode::Replace).await.unwrap();
        told(&mut changes).await;
        if round % 2 == 0 {
            say(&mut server.raw().await, "CLIENT KILL TYPE normal SKIPME yes").await;
        } else {
            server.kill();
            server.restart().await;
        }
    }
    while next(&mut changes).await != Change::All {}
}

#[tokio::test(flavor = "multi_thread")]
async fn tracking_ends_with_the_last_who_wants_it() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let mut raw = server.raw().await;
    let mut tracked = async || {
        let info: String = redis::cmd("INFO").arg("clients").query_async(&mut raw).await.unwrap();
        info.contains("tracking_clients:1")
    };
    let (first, second) = (store.changes().await.unwrap(), store.changes().await.unwrap());
    assert!(tracked().await);
    drop(first);
    drop(second);
    until("tracking is off", async || !tracked().await).await;
    let _again = store.changes().await.unwrap();
    assert!(tracked().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_go_on_after_a_lost_connection_and_the_gap_is_told() {
    let Some(mut server) = Server::start(&[]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let mut heard = store.signals("t").await.unwrap();
    for round in 0..4 {
        if round % 2 == 0 {
            say(&mut server.raw().await, "CLIENT KILL TYPE pubsub").await;
        } else {
            server.kill();
            server.restart().await;
        }
        let gap = tokio::time::timeout(PATIENCE, heard.next()).await.expect("no gap");
        assert_eq!(gap, Some(Signal::Gap));
        until("it is heard again", async || {
            let _lossy = store.signal("t", "wake".into()).await;
            let wait = tokio::time::timeout(Duration::from_millis(200), heard.next()).await;
            matches!(wait, Ok(Some(Signal::Message(_))))
        })
        .await;
        while tokio::time::timeout(Duration::from_millis(300), heard.next()).await.is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_gets_answers_that_are_larger_than_what_a_server_keeps_for_subscribers() {
    for program in PROGRAMS {
        let Some(server) = Server::of(program, &[]).await else { continue };
        let store = RedisStore::open(server.config()).await.unwrap();
        let (mut heard, _changes) = (store.signals("t").await.unwrap(), store.changes().await.unwrap());
        // More than the 32 MiB of `client-output-buffer-limit pubsub`, in one answer and in another.
        store.put(KEY, NewEntry::new(vec![7; 34 << 20]), PutMode::Create).await.unwrap();
        let ids: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
        let keys: Vec<_> = ids.iter().map(|id| Key::new("many", id)).collect();
        let entries = keys.iter().map(|key| (*key, NewEntry::new(vec![7; 40 << 10]))).collect();
        assert!(store.put_many(entries).await.unwrap().iter().all(Result::is_ok));

        let (one, taken) = tokio::join!(store.get(KEY), store.take(keys[0], None));
        assert_eq!(one.unwrap().unwrap().value.len(), 34 << 20, "{program}");
        assert!(taken.unwrap().is_some(), "{program}");
        let many = store.get_many(&keys).await.unwrap();
        assert_eq!(many.iter().filter(|entry| matches!(entry, Ok(Some(_)))).count(), 999, "{program}");
        store.signal("t", "wake".into()).await.unwrap();
        let first = tokio::time::timeout(PATIENCE, heard.next()).await.expect("no signal");
        assert_eq!(first, Some(Signal::Message("wake".into())), "{program}: no gap before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_nobody_hears_is_ended_at_the_server() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let mut raw = server.raw().await;
    let mut channels = async || -> usize {
        let channels: Vec<String> = redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut raw).await.unwrap();
        channels.len()
    };
    let heard = store.signals("t").await.unwrap();
    assert_eq!(channels().await, 1);
    drop(heard);
    until("the topic is gone", async || channels().await == 0).await;
    let _heard = store.signals("t").await.unwrap();
    assert_eq!(channels().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_says_the_others_hear_whichever_node_they_are_connected_to() {
    for server in ["LARDER_TEST_REDIS", "LARDER_TEST_REDIS_CLUSTER"] {
        let Some(url) = service(server) else { continue };
        let namespace = namespace();
        let mut listening = Vec::new();
        for _ in 0..6 {
            let store = open(&url, &namespace).await.unwrap();
            let signals = store.signals("topic").await.unwrap();
            listening.push((store, signals));
        }
        for speaker in 0..listening.len() {
            let message = format!("from {speaker}");
            listening[speaker].0.signal("topic", message.clone().into()).await.unwrap();
            for (_, signals) in &mut listening {
                heard(signals, &message).await;
            }
        }
    }
}

/// Skips to this message, over what is told of gaps.
async fn heard(signals: &mut Signals, message: &str) {
    loop {
        let next = tokio::time::timeout(PATIENCE, signals.next()).await.expect("no news").expect("the end");
        if let Signal::Message(heard) = next {
            return assert_eq!(heard.as_ref(), message.as_bytes());
        }
    }
}
