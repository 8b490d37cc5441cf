//! Two stores that write the same keys, in one process and in two.

use std::collections::HashSet;

use kv_core::testing::processes;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store, Version};
use kv_elastic::ElasticStore;
use tokio::task::JoinSet;

use crate::server::{HERE, Server, set, value};

const CHILD: &str = "together::a_child_plays_its_part";

#[tokio::test(flavor = "multi_thread")]
async fn a_child_plays_its_part() {
    processes::play(async |namespace| {
        let mut config = Server::found().unwrap().config();
        config.namespace = namespace;
        ElasticStore::open(config).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_wins_and_none_loses_what_it_wrote() {
    let Some(server) = Server::found() else { return };
    let config = server.config();
    let namespace = config.namespace.clone();
    let here = ElasticStore::open(config).await.unwrap();
    processes::counting_loses_nothing(CHILD, &namespace, &here).await;
    processes::what_was_acknowledged_is_read(CHILD, &namespace, &here).await;
    processes::one_wins(CHILD, &namespace);
}

/// Stores with clients of their own on one namespace.
async fn two(server: &Server) -> [ElasticStore; 2] {
    let config = server.config();
    [ElasticStore::open(config.clone()).await.unwrap(), ElasticStore::open(config).await.unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counting_from_two_stores_loses_nothing() {
    let Some(server) = Server::found() else { return };
    let stores = two(&server).await;
    set(&stores[0], "counter", "0").await;
    let mut tasks = JoinSet::new();
    for n in 0..6 {
        let store = stores[n % 2].clone();
        tasks.spawn(async move {
            for _ in 0..20 {
                count(&store).await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(value(&stores[1], "counter").await.as_deref(), Some("120"));
}

async fn count(store: &ElasticStore) {
    let key = Key::new(HERE, "counter");
    loop {
        let entry = store.get(key).await.unwrap().unwrap();
        let next = std::str::from_utf8(&entry.value).unwrap().parse::<u32>().unwrap() + 1;
        match store.put(key, NewEntry::new(next.to_string()), PutMode::Update(entry.version)).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_two_stores_put_and_take_is_delivered_once() {
    let Some(server) = Server::found() else { return };
    let stores = two(&server).await;
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let store = stores[n % 2].clone();
        tasks.spawn(async move {
            if n < 4 { (offer(&store).await, Vec::new()) } else { (Vec::new(), fetch(&store).await) }
        });
    }
    let (mut put, mut taken) = (HashSet::new(), Vec::new());
    while let Some(task) = tasks.join_next().await {
        let (offered, fetched) = task.unwrap();
        put.extend(offered);
        taken.extend(fetched);
    }
    let once: HashSet<Version> = taken.iter().copied().collect();
    assert_eq!(once.len(), taken.len(), "something was delivered twice");
    assert!(once.is_subset(&put), "something was delivered that nobody put");
}

/// Creates entries under ten keys, wherever there is none; the versions of those that it created.
async fn offer(store: &ElasticStore) -> Vec<Version> {
    let mut created = Vec::new();
    for n in 0..60 {
        let id = (n % 10).to_string();
        match store.put(Key::new(HERE, &id), NewEntry::new("code"), PutMode::Create).await {
            Ok(version) => created.push(version),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    created
}

/// Takes what is under ten keys; the versions of what it got.
async fn fetch(store: &ElasticStore) -> Vec<Version> {
    let mut taken = Vec::new();
    for n in 0..60 {
        let id = (n * 7 % 10).to_string();
        taken.extend(store.take(Key::new(HERE, &id), None).await.unwrap().map(|entry| entry.version));
    }
    taken
}
