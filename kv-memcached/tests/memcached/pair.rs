//! Two stores on the same keys, in one process and in two, and one store on several servers.

use std::sync::Arc;

use kv_core::testing::processes;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store, StoreUrl, Version};
use kv_memcached::{MemcachedConfig, MemcachedStore};
use tokio::sync::Barrier;

use crate::support::{Server, get, put};

const TASKS: usize = 8;
const ROUNDS: usize = 40;

const CHILD: &str = "pair::a_child_plays_its_part";

#[tokio::test(flavor = "multi_thread")]
async fn a_child_plays_its_part() {
    processes::play(async |url| {
        MemcachedStore::open(MemcachedConfig::from_url(&mut StoreUrl::parse(&url).unwrap()).unwrap()).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_wins_and_none_loses_what_it_wrote() {
    let Some(server) = Server::start(&[]) else { return };
    let (url, here) = (format!("memcached://127.0.0.1:{}", server.port), server.open().await);
    processes::counting_loses_nothing(CHILD, &url, &here).await;
    processes::what_was_acknowledged_is_read(CHILD, &url, &here).await;
    processes::one_wins(CHILD, &url);
}

/// Lets tasks of two stores race `ROUNDS` times; how many of each round answered true.
async fn race<F, R>(stores: [MemcachedStore; 2], step: F) -> Vec<usize>
where
    F: Fn(MemcachedStore, usize) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = bool> + Send,
{
    let start = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, start, step) = (stores[task % 2].clone(), Arc::clone(&start), step.clone());
            tokio::spawn(async move {
                let mut won = Vec::new();
                for round in 0..ROUNDS {
                    start.wait().await;
                    won.push(step(store.clone(), round).await);
                }
                won
            })
        })
        .collect();
    let mut winners = vec![0; ROUNDS];
    for task in tasks {
        for (round, won) in task.await.unwrap().into_iter().enumerate() {
            winners[round] += usize::from(won);
        }
    }
    winners
}

fn denied_as(kind: ErrorKind, answer: kv_core::Result<Version>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_creates_takes_and_updates_through_two_stores_one_wins() {
    let Some(server) = Server::start(&[]) else { return };
    let stores = [server.open().await, server.open().await];
    let created = race(stores.clone(), async |store: MemcachedStore, round| {
        let id = round.to_string();
        denied_as(
            ErrorKind::AlreadyExists,
            store.put(Key::new("c", &id), NewEntry::new("x"), PutMode::Create).await,
        )
    });
    assert_eq!(created.await, [1; ROUNDS]);
    let mut versions = Vec::new();
    for round in 0..ROUNDS {
        versions.push(get(&stores[0], &round.to_string()).await.unwrap().unwrap().version);
    }
    let updated = race(stores.clone(), move |store: MemcachedStore, round| {
        let version = versions[round];
        async move {
            let id = round.to_string();
            let put = store.put(Key::new("c", &id), NewEntry::new("y"), PutMode::Update(version)).await;
            denied_as(ErrorKind::Conflict, put)
        }
    });
    assert_eq!(updated.await, [1; ROUNDS]);
    let taken = race(stores, async |store: MemcachedStore, round| {
        store.take(Key::new("c", &round.to_string()), None).await.unwrap().is_some()
    });
    assert_eq!(taken.await, [1; ROUNDS]);
}

#[tokio::test]
async fn what_one_store_wrote_the_other_reads_and_namespaces_stay_apart() {
    let Some(server) = Server::start(&[]) else { return };
    let stores = [server.open().await, server.open().await];
    put(&stores[0], "a", "x").await.unwrap();
    assert_eq!(get(&stores[1], "a").await.unwrap().unwrap().value, "x");
    let mut config = server.config();
    config.namespace = "other".to_owned();
    let other = MemcachedStore::open(config).await.unwrap();
    assert!(get(&other, "a").await.unwrap().is_none());
}

fn both(servers: &[Server]) -> MemcachedConfig {
    MemcachedConfig::new(servers.iter().map(|server| ("127.0.0.1".to_owned(), server.port)))
}

#[tokio::test]
async fn keys_are_spread_over_servers_and_one_that_is_down_fails_only_its_own() {
    let (Some(first), Some(second)) = (Server::start(&[]), Server::start(&[])) else { return };
    let mut servers = [first, second];
    let store = MemcachedStore::open(both(&servers)).await.unwrap();
    let ids: Vec<_> = (0..400).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let entries = ids.iter().map(|id| (Key::new("c", id), NewEntry::new(id.clone()))).collect();
    for written in store.put_many(entries).await.unwrap() {
        written.unwrap();
    }
    let held = servers.each_ref().map(|server| server.stat("curr_items"));
    assert!(held.iter().all(|items| *items > 100) && held.iter().sum::<u64>() == 400, "{held:?}");

    // The same servers in another order are the same store.
    let reversed = MemcachedConfig::new(both(&servers).servers.into_iter().rev());
    let reversed = MemcachedStore::open(reversed).await.unwrap();
    for (found, id) in reversed.get_many(&keys).await.unwrap().into_iter().zip(&ids) {
        assert_eq!(found.unwrap().unwrap().value, *id);
    }

    servers[1].kill();
    let found = store.get_many(&keys).await.unwrap();
    let alive = found.iter().filter(|found| found.is_ok()).count();
    assert_eq!(u64::try_from(alive).unwrap(), held[0]);
    for (found, id) in found.into_iter().zip(&ids) {
        match found {
            Ok(entry) => assert_eq!(entry.unwrap().value, *id),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    }
}
