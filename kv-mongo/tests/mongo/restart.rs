//! A server that dies in the middle of traffic and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_mongo::MongoStore;

use crate::support::{PATIENCE, Server, create, get, put, take, value};

/// What became of one entry that a worker created and, if it is odd, took.
#[derive(Debug, Default)]
struct Fate {
    created: Option<Result<(), Outcome>>,
    taken: usize,
    /// The answer may have been lost with the server.
    may_be_lost: bool,
}

/// Creates and takes until told to end; every error must be one that a lost server explains.
async fn work(
    store: MongoStore,
    worker: usize,
    end: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> BTreeMap<String, Fate> {
    let mut fates = BTreeMap::new();
    for n in 0.. {
        if end.load(Ordering::Relaxed) {
            break;
        }
        let (id, mut fate) = (format!("{worker}-{n}"), Fate::default());
        let created = create(&store, &id, id.clone()).await;
        fate.created = Some(created.map(drop).map_err(|error| {
            assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error:?}");
            error.outcome()
        }));
        if n % 2 == 1 && fate.created == Some(Ok(())) {
            match take(&store, &id).await {
                Ok(Some(entry)) => fate.taken += usize::from(entry.value == id),
                // The driver sent it again, to a server that forgets which writes it has done when it is killed: MongoDB
                // keeps that, its stand-in does not.
                Ok(None) => fate.may_be_lost = true,
                Err(error) => fate.may_be_lost = error.outcome() == Outcome::Unknown,
            }
        }
        done.fetch_add(usize::from(fate.created == Some(Ok(()))), Ordering::Relaxed);
        fates.insert(id, fate);
    }
    fates
}

async fn until_done(done: &AtomicUsize, count: usize) {
    let waiting = async {
        while done.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 2, waiting).await.expect("the work goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_of_traffic_loses_nothing_acknowledged() {
    let Some(mut server) = Server::start(&["--sync-on-commit"]) else { return };
    let store = server.open().await;
    let (end, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..6)
        .map(|worker| tokio::spawn(work(store.clone(), worker, Arc::clone(&end), Arc::clone(&done))))
        .collect();
    for _ in 0..2 {
        until_done(&done, done.load(Ordering::Relaxed) + 60).await;
        server.kill();
        server.again();
    }
    until_done(&done, done.load(Ordering::Relaxed) + 60).await;
    end.store(true, Ordering::Relaxed);
    for worker in workers {
        for (id, fate) in worker.await.unwrap() {
            check(&store, &id, &fate).await;
        }
    }
}

async fn check(store: &MongoStore, id: &str, fate: &Fate) {
    let found = get(store, id).await.unwrap().map(|entry| entry.value);
    assert!(found.as_ref().is_none_or(|value| value == id), "{id}: another value");
    let there = usize::from(found.is_some());
    match fate.created {
        Some(Ok(())) if !fate.may_be_lost => {
            assert_eq!(there + fate.taken, 1, "{id} was acknowledged: {fate:?}");
        }
        Some(Ok(())) => assert!(there + fate.taken <= 1, "{id} was had twice: {fate:?}"),
        Some(Err(Outcome::NotDone)) => assert_eq!(there, 0, "{id} was done though it was not: {fate:?}"),
        _ => {}
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart_with_its_ttl() {
    let Some(mut server) = Server::start(&["--sync-on-commit"]) else { return };
    let store = server.open().await;
    put(&store, "a", "for ever").await.unwrap();
    let key = Key::new("c", "b");
    let entry = NewEntry::new("for an hour").ttl(Duration::from_secs(3_600));
    let version = store.put(key, entry, PutMode::Create).await.unwrap();
    server.kill();
    server.again();
    assert_eq!(value(&store, "a").await.as_deref(), Some("for ever"), "the same store goes on");
    let entry = server.open().await.get(key).await.unwrap().unwrap();
    let left = entry.ttl.unwrap();
    assert!(
        entry.version == version && left <= Duration::from_secs(3_600) && left > Duration::from_secs(3_000)
    );
}

#[tokio::test]
async fn without_a_server_each_operation_is_unavailable_and_nothing_hangs() {
    let Some(mut server) = Server::start(&[]) else { return };
    let mut config = server.config();
    config.patience = Duration::from_secs(2);
    let store = kv_mongo::MongoStore::open(config.clone()).await.unwrap();
    server.kill();
    let key = Key::new("c", "a");
    let answers = async {
        for mode in [PutMode::Create, PutMode::Replace] {
            let error = store.put(key, NewEntry::new("secret"), mode).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
        assert_eq!(store.get(key).await.unwrap_err().kind(), ErrorKind::Unavailable);
        let refused = store.take(key, None).await.unwrap_err();
        assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Unavailable, Outcome::NotDone));
        let error = store.get_many(&[key]).await.unwrap().remove(0).unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Unavailable, Some("c/a")));
        let error = kv_mongo::MongoStore::open(config).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, Some("open")));
    };
    tokio::time::timeout(PATIENCE * 2, answers).await.unwrap();
}
