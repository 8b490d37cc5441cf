//! A server that dies, stalls, and comes back in the middle of traffic.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_dynamo::DynamoStore;

use crate::support::{C, PATIENCE, Server, Table, put, value};

/// How each write or take ended: `None` is not known.
type Ends = Arc<Mutex<HashMap<String, Option<bool>>>>;

/// Runs `work` on ever new ids in four tasks until told to stop; remembers how each ended.
fn traffic<F, R>(stop: &Arc<AtomicBool>, ends: &Ends, work: F) -> Vec<tokio::task::JoinHandle<()>>
where
    F: Fn(String) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = kv_core::Result<bool>> + Send,
{
    let task = |n: usize| {
        let (stop, ends, work) = (Arc::clone(stop), Arc::clone(ends), work.clone());
        async move {
            for round in 0.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let id = format!("{n} {round}");
                let end = match work(id.clone()).await {
                    Ok(done) => Some(done),
                    Err(error) => {
                        assert!(
                            matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout),
                            "{error:?}"
                        );
                        tokio::time::sleep(Duration::from_millis(5)).await; // it is down: no use in hurrying
                        (error.outcome() == Outcome::NotDone).then_some(false)
                    }
                };
                ends.lock().unwrap().insert(id, end);
            }
        }
    };
    (0..4).map(|n| tokio::spawn(task(n))).collect()
}

/// Kills the server in the middle, starts it again, and lets the traffic go on until it goes through.
async fn kill_in_the_middle(server: &mut Server, store: &DynamoStore) {
    tokio::time::sleep(Duration::from_millis(400)).await;
    server.kill();
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.start_again();
    let up = Instant::now();
    while let Err(error) = value(store, "probe").await {
        assert!(up.elapsed() < PATIENCE, "it does not come back: {error:?}");
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives_a_restart_and_what_was_not_done_is_not_there() {
    let Some(mut server) = Server::start() else { return };
    let table = Table::at(server.endpoint());
    let store = table.open().await;
    let (stop, ends) = (Arc::new(AtomicBool::new(false)), Ends::default());
    let writer = store.clone();
    let tasks = traffic(&stop, &ends, move |id| {
        let store = writer.clone();
        async move { store.put(Key::new(C, &id), NewEntry::new(id.clone()), PutMode::Create).await.map(|_| true) }
    });
    kill_in_the_middle(&mut server, &store).await;
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    let ends = ends.lock().unwrap().clone();
    let (mut written, mut failed) = (0, 0);
    for (id, end) in ends {
        let there = value(&store, &id).await.unwrap().is_some();
        match end {
            Some(true) => assert!(there, "an acknowledged write is gone"),
            Some(false) => assert!(!there, "what was not done is there"),
            None => (),
        }
        if end == Some(true) { written += 1 } else { failed += 1 }
    }
    assert!(
        written > 10 && failed > 0,
        "{written} written, {failed} failed: the server did not die in the middle"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_value_is_taken_twice_over_a_restart() {
    let Some(mut server) = Server::start() else { return };
    let table = Table::at(server.endpoint());
    let store = table.open().await;
    let (stop, ends) = (Arc::new(AtomicBool::new(false)), Ends::default());
    let (putting, taking) = (store.clone(), table.open().await);
    let taken = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let count = Arc::clone(&taken);
    let tasks = traffic(&stop, &ends, move |id| {
        let (putting, taking, count) = (putting.clone(), taking.clone(), Arc::clone(&count));
        async move {
            let key = Key::new(C, &id);
            putting.put(key, NewEntry::new("x"), PutMode::Create).await?;
            let mut last = Ok(false);
            for store in [&putting, &taking, &putting] {
                last = match store.take(key, None).await {
                    Ok(None) => Ok(false),
                    Ok(Some(_)) => {
                        *count.lock().unwrap().entry(id.clone()).or_default() += 1;
                        Ok(true)
                    }
                    Err(error) => Err(error),
                };
            }
            last
        }
    });
    kill_in_the_middle(&mut server, &store).await;
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    let taken = taken.lock().unwrap().clone();
    assert!(taken.len() > 10 && taken.values().all(|times| *times == 1), "a value was taken twice");
    for id in taken.keys() {
        assert_eq!(value(&store, id).await.unwrap(), None, "what was taken is there again");
    }
}

#[tokio::test]
async fn a_server_that_stalls_is_a_timeout_and_serves_again_when_it_goes_on() {
    let Some(server) = Server::start() else { return };
    let table = Table::at(server.endpoint());
    let mut config = table.config();
    config.create = true;
    config.timeout = Duration::from_millis(700);
    let store = DynamoStore::open(config).await.unwrap();
    put(&store, "a", "x").await.unwrap();
    server.signal("STOP");
    let asked = Instant::now();
    let error = loop {
        // A signal takes its time to stop all threads.
        if let Err(error) = value(&store, "a").await {
            break error;
        }
        assert!(asked.elapsed() < PATIENCE, "it does not stop");
    };
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown), "{error:?}");
    server.signal("CONT");
    let again = Instant::now();
    while value(&store, "a").await.is_err() {
        assert!(again.elapsed() < PATIENCE, "it does not come back");
    }
    assert_eq!(value(&store, "a").await.unwrap(), Some("x".into()));
}
