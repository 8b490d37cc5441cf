//! The server lost and back in the middle of traffic: what was acknowledged is there, what was not done is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store, Version};
use kv_elastic::ElasticStore;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::node::Node;
use crate::proxy::{Proxy, Way};
use crate::server::{HERE, Server, read, set};

/// What became of one entry, as far as its writer knows.
struct Fate {
    id: String,
    version: Version,
    created: Result<(), Outcome>,
    /// Set if it was also taken, or tried to be.
    taken: Option<Result<bool, Outcome>>,
}

/// Creates entries, and takes every third again, until the end is told.
async fn trade(
    store: ElasticStore,
    task: usize,
    end: watch::Receiver<bool>,
    cut_off: Arc<AtomicUsize>,
) -> Vec<Fate> {
    let mut fates = Vec::new();
    while !*end.borrow() {
        let (id, entry) = (format!("{task} {}", fates.len()), NewEntry::new("x"));
        let (version, key) = (entry.version(), Key::new(HERE, &id));
        let created = store.put(key, entry, PutMode::Create).await;
        let created = created.map(drop).map_err(|error| outcome(&error));
        let taken = if created.is_ok() && fates.len().is_multiple_of(3) {
            let taking = store.take(key, None).await;
            Some(taking.map(|entry| entry.is_some()).map_err(|error| outcome(&error)))
        } else {
            None
        };
        if created.is_err() || taken.as_ref().is_some_and(Result::is_err) {
            cut_off.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await; // not thousands of entries that nobody reached
        }
        fates.push(Fate { id, version, created, taken });
    }
    fates
}

fn outcome(error: &kv_core::Error) -> Outcome {
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
    error.outcome()
}

/// What the server holds must be what the writer was told.
async fn check(direct: &ElasticStore, fate: &Fate) {
    let held = read(direct, &fate.id).await.map(|entry| entry.version);
    assert!(held.is_none_or(|held| held == fate.version), "{} is somebody else's", fate.id);
    match (&fate.created, &fate.taken) {
        (Ok(()), None | Some(Err(Outcome::NotDone))) => {
            assert!(held.is_some(), "{} was acknowledged and is gone", fate.id);
        }
        (Ok(()), Some(Ok(got))) => assert!(*got && held.is_none(), "{} was taken and is there", fate.id),
        (Err(Outcome::NotDone), _) => assert!(held.is_none(), "{} was not done and is there", fate.id),
        _ => {} // unknown
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_is_there_and_what_was_not_done_is_not() {
    let Some(server) = Server::found() else { return };
    let direct = server.config();
    let mut proxy = Proxy::to(&server.host).await;
    let mut config = direct.clone();
    config.hosts = vec![proxy.host.clone()];
    let (store, direct) =
        (ElasticStore::open(config).await.unwrap(), ElasticStore::open(direct).await.unwrap());
    let traders = Traders::on(&store);
    // On a busy machine a round may hit nobody: go on until some were cut off.
    for round in 0..100 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        if round % 2 == 0 {
            let host = proxy.vanish();
            tokio::time::sleep(Duration::from_millis(100)).await;
            proxy = Proxy::back(&host, &server.host).await;
        } else {
            proxy.set(Way::AnswersLost);
            tokio::time::sleep(Duration::from_millis(100)).await;
            proxy.set(Way::Open);
        }
        if round >= 3 && traders.cut_off() >= 8 {
            break;
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    traders.end(&direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_loses_nothing_acknowledged() {
    let Some(mut node) = Node::start().await else { return };
    let store = node.store().await;
    let traders = Traders::on(&store);
    tokio::time::sleep(Duration::from_secs(1)).await;
    node.kill();
    while traders.cut_off() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    node.restart().await;
    set(&store, "again", "x").await;
    traders.end(&store).await;
}

/// Tasks that trade until they are told to end.
struct Traders {
    tasks: JoinSet<Vec<Fate>>,
    end: watch::Sender<bool>,
    cut_off: Arc<AtomicUsize>,
}

impl Traders {
    fn on(store: &ElasticStore) -> Self {
        let (end, ended) = watch::channel(false);
        let (mut tasks, cut_off) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        for task in 0..8 {
            tasks.spawn(trade(store.clone(), task, ended.clone(), Arc::clone(&cut_off)));
        }
        Self { tasks, end, cut_off }
    }

    /// How many requests had no answer so far.
    fn cut_off(&self) -> usize {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// Lets them end, and compares what `direct` finds with what they were told.
    async fn end(mut self, direct: &ElasticStore) {
        self.end.send_replace(true);
        let mut fates = Vec::new();
        while let Some(task) = self.tasks.join_next().await {
            fates.extend(task.unwrap());
        }
        tokio::time::sleep(Duration::from_secs(1)).await; // requests that were cut off may still be at work
        assert!(self.cut_off() > 0, "nothing was cut off");
        assert!(fates.iter().any(|fate| fate.created.is_ok()), "nothing was done");
        for fate in &fates {
            check(direct, fate).await;
        }
    }
}
