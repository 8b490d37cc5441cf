//! A server that dies, hangs, or was never there: the right error, no wrong answer, and back within a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_memcached::{MemcachedConfig, MemcachedStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{PATIENCE, Server, get, put};

/// Waits until the store answers again.
async fn recovered(store: &MemcachedStore) -> Duration {
    let began = Instant::now();
    while let Err(error) = get(store, "any").await {
        assert!(began.elapsed() < PATIENCE, "it does not come back: {error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// One writer of its own keys: what it reads is the last that it wrote, or nothing. Answers how much it did.
async fn traffic(
    store: MemcachedStore,
    task: usize,
    done: Arc<AtomicBool>,
    failed: Arc<AtomicUsize>,
) -> usize {
    let mut steps = 0;
    while !done.load(Ordering::Relaxed) {
        let (id, value) = (format!("{task}-{}", steps % 7), format!("{steps}"));
        let entry = NewEntry::new(value.clone());
        let (key, version) = (Key::new("c", &id), entry.version());
        let wrote = store.put(key, entry, PutMode::Replace).await;
        if let Err(error) = &wrote {
            assert!(error.is_retryable(), "{error}");
            failed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        match get(&store, &id).await {
            Ok(Some(entry)) if wrote.is_ok() => {
                assert_eq!((entry.version, entry.value.as_ref()), (version, value.as_bytes()));
            }
            Ok(_) => {}
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        match store.put(key, NewEntry::new("updated"), PutMode::Update(version)).await {
            Ok(updated) => match store.take(key, None).await {
                Ok(Some(taken)) => assert_eq!(taken.version, updated),
                Ok(None) => {}
                Err(error) => assert!(error.is_retryable(), "{error}"),
            },
            Err(error) => assert!(error.is_retryable() || error.kind() == ErrorKind::Conflict, "{error}"),
        }
        steps += 1;
    }
    steps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_in_the_middle_of_traffic_lose_values_and_never_give_a_wrong_answer() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = server.open().await;
    let (done, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..8)
        .map(|task| tokio::spawn(traffic(store.clone(), task, Arc::clone(&done), Arc::clone(&failed))))
        .collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server = tokio::task::spawn_blocking(move || {
            server.restart();
            server
        })
        .await
        .unwrap();
        recovered(&store).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    done.store(true, Ordering::Relaxed);
    let mut steps = 0;
    for task in tasks {
        steps += task.await.unwrap();
    }
    let failed = failed.load(Ordering::Relaxed);
    assert!(steps > 100, "only {steps} steps were done");
    assert!(failed > 0, "no put met a restart");
    println!("4 restarts: {steps} steps, {failed} puts failed, no wrong answer");
}

#[tokio::test]
async fn what_a_restart_emptied_is_absent_and_can_be_created() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = server.open().await;
    let version = put(&store, "a", "x").await.unwrap();
    server.restart();
    recovered(&store).await;
    assert!(get(&store, "a").await.unwrap().is_none());
    let key = Key::new("c", "a");
    let error = store.put(key, NewEntry::new("y"), PutMode::Update(version)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(store.take(key, Some(version)).await.unwrap().is_none());
    store.put(key, NewEntry::new("y"), PutMode::Create).await.unwrap();
}

#[tokio::test]
async fn while_the_server_is_down_nothing_is_done_and_it_is_back_as_soon_as_the_server() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = server.open().await;
    put(&store, "a", "x").await.unwrap();
    server.kill();
    // The first may still be written into the dying connection.
    let until = Instant::now() + PATIENCE;
    loop {
        let error = put(&store, "a", "y").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        if error.outcome() == Outcome::NotDone {
            break;
        }
        assert!(Instant::now() < until);
    }
    server.restart();
    assert!(get(&store, "a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_server_that_hangs_is_a_timeout_whose_outcome_is_unknown_and_it_recovers() {
    let Some(server) = Server::start(&[]) else { return };
    let mut config = server.config();
    config.response_timeout = Duration::from_millis(200);
    let store = MemcachedStore::open(config).await.unwrap();
    put(&store, "a", "x").await.unwrap();
    server.stop();
    let error = put(&store, "a", "y").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown), "{error}");
    // The system still takes connections, but nobody greets.
    let error = store.take(Key::new("c", "a"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotDone), "{error}");
    server.signal("CONT");
    recovered(&store).await;
    let entry = get(&store, "a").await.unwrap().expect("one of the two");
    assert!(matches!(entry.value.as_ref(), b"x" | b"y"));
}

#[tokio::test]
async fn a_server_that_is_not_there_at_open_is_unavailable() {
    let Some(mut server) = Server::start(&[]) else { return };
    server.kill();
    let error = MemcachedStore::open(server.config()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    let error = MemcachedStore::open(MemcachedConfig::new([])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn something_else_behind_the_port_is_told_from_memcached() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 64];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let config = MemcachedConfig::new([("127.0.0.1".to_owned(), address.port())]);
    let error = MemcachedStore::open(config).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unexpected, Outcome::NotDone), "{error}");
}

#[tokio::test]
async fn close_waits_for_what_is_under_way_and_leaves_no_connection() {
    let Some(server) = Server::start(&[]) else { return };
    let before = server.stat("curr_connections");
    let store = server.open().await;
    let ids: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    let writes = ids.iter().map(|id| put(&store, id, vec![7; 10_000]));
    let (written, closed) = tokio::join!(futures_util::future::join_all(writes), store.close());
    closed.unwrap();
    for written in written {
        if let Err(error) = written {
            assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        }
    }
    assert_eq!(get(&store, "0").await.unwrap_err().kind(), ErrorKind::Closed);
    let until = Instant::now() + PATIENCE;
    while server.stat("curr_connections") > before {
        assert!(Instant::now() < until, "a connection stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
