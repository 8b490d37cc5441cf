//! Connections and servers that go away in the middle of traffic, and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_redis::RedisStore;

use crate::private::{PATIENCE, PROGRAMS, Server, say, until};

/// What the writers have seen.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    written: AtomicUsize,
    failed: AtomicUsize,
}

/// Writes numbers under its own id and reads them back: what is read is the last one acknowledged, or one of those
/// written later whose answer was lost.
async fn write_and_read(store: RedisStore, id: String, seen: Arc<Seen>) {
    let (mut last, mut unsure) = (None, Vec::new());
    for n in 0_u32.. {
        if seen.stop.load(Ordering::SeqCst) {
            return;
        }
        let entry = NewEntry::new(n.to_string());
        match store.put(Key::new("traffic", &id), entry, PutMode::Replace).await {
            Ok(_) => {
                (last, unsure) = (Some(n), Vec::new());
                seen.written.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                seen.failed.fetch_add(1, Ordering::SeqCst);
                if error.outcome() == Outcome::Unknown {
                    unsure.push(n);
                }
            }
        }
        if let Ok(entry) = store.get(Key::new("traffic", &id)).await {
            let found =
                entry.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap().parse::<u32>().unwrap());
            assert!(
                found == last || found.is_some_and(|found| unsure.contains(&found)),
                "{found:?} of {last:?}, {unsure:?}"
            );
            last = found;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_the_middle_of_traffic_comes_back_and_no_answer_is_wrong() {
    for program in PROGRAMS {
        let always = ["--appendonly", "yes", "--appendfsync", "always"];
        let Some(server) = Server::of(program, &always).await else { continue };
        killed_in_traffic(server).await;
    }
}

async fn killed_in_traffic(mut server: Server) {
    let store = RedisStore::open(server.config()).await.unwrap();
    let seen = Arc::new(Seen::default());
    let writers: Vec<_> = (0..8)
        .map(|n| tokio::spawn(write_and_read(store.clone(), n.to_string(), Arc::clone(&seen))))
        .collect();
    for _ in 0..3 {
        let before = seen.written.load(Ordering::SeqCst);
        until("traffic flows", async || seen.written.load(Ordering::SeqCst) > before + 100).await;
        let failed = seen.failed.load(Ordering::SeqCst);
        server.kill();
        until("requests fail", async || seen.failed.load(Ordering::SeqCst) > failed).await;
        server.restart().await;
    }
    let before = seen.written.load(Ordering::SeqCst);
    until("traffic flows again", async || seen.written.load(Ordering::SeqCst) > before + 100).await;
    seen.stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_nothing_was_done_and_nobody_waits_long() {
    for program in PROGRAMS {
        let Some(server) = Server::of(program, &[]).await else { continue };
        gone_for_a_while(server).await;
    }
}

async fn gone_for_a_while(mut server: Server) {
    let store = RedisStore::open(server.config()).await.unwrap();
    let key = Key::new("c", "a");
    store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
    server.kill();
    let _first = store.get(key).await; // this one may meet the connection as it dies
    let begun = Instant::now();
    let error = store.take(key, None).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
    let answers = store.put_many(vec![(key, NewEntry::new("y"))]).await;
    let error = answers.map_or_else(|error| error, |mut answers| answers.remove(0).unwrap_err());
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    server.restart().await;
    until("it is back", async || store.get(key).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_closes_costs_one_answer_at_most() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let mut raw = server.raw().await;
    let key = Key::new("c", "a");
    for n in 0..20 {
        say(&mut raw, "CLIENT KILL TYPE normal SKIPME yes").await;
        let first = store.put(key, NewEntry::new(n.to_string()), PutMode::Replace).await;
        if let Err(error) = first {
            assert!(error.is_retryable(), "{error:?}");
            store.put(key, NewEntry::new(n.to_string()), PutMode::Replace).await.unwrap();
        }
        assert_eq!(store.get(key).await.unwrap().unwrap().value, n.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_a_timeout_that_may_have_been_executed() {
    let Some(server) = Server::start(&[]).await else { return };
    let mut config = server.config();
    config.response_timeout = Duration::from_millis(300);
    let store = RedisStore::open(config).await.unwrap();
    let key = Key::new("c", "a");
    server.freeze(true);
    let error = store.put(key, NewEntry::new("late"), PutMode::Create).await.unwrap_err();
    server.freeze(false);
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown), "{error:?}");
    until("it answers again", async || store.get(key).await.is_ok()).await;
    let entry = store.get(key).await.unwrap();
    assert!(entry.is_none_or(|entry| entry.value == "late"));
}
