//! Two stores with connections of their own on the same keys, in one process and in two.

use std::sync::Arc;

use kv_core::testing::processes;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Result, Store};
use kv_mongo::MongoStore;
use tokio::sync::Barrier;

use crate::support::{Server, create, get, put, take, value};

const CHILD: &str = "sharing::a_child_plays_its_part";

#[tokio::test(flavor = "multi_thread")]
async fn a_child_plays_its_part() {
    processes::play(async |url| MongoStore::open(crate::support::config(&url)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_wins_and_none_loses_what_it_wrote() {
    let Some(server) = Server::start(&[]) else { return };
    let (url, here) = (server.url(), server.open().await);
    processes::counting_loses_nothing(CHILD, &url, &here).await;
    processes::what_was_acknowledged_is_read(CHILD, &url, &here).await;
    processes::one_wins(CHILD, &url);
}

/// Lets `step` run in eight tasks of each store at once; their answers.
async fn race<T, F>(stores: &[MongoStore; 2], step: impl Fn(MongoStore, usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(16));
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (start, step) = (Arc::clone(&start), step(stores[task % 2].clone(), task));
            tokio::spawn(async move {
                start.wait().await;
                step.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_creates_and_takes_through_two_stores_one_wins() {
    let Some(server) = Server::start(&[]) else { return };
    let stores = [server.open().await, server.open().await];
    for round in 0..20 {
        let id = format!("{round}");
        let created = race(&stores, |store, task| {
            let id = id.clone();
            async move { create(&store, &id, task.to_string()).await }
        });
        let created = created.await;
        assert_eq!(created.iter().filter(|answer| answer.is_ok()).count(), 1, "{created:?}");
        for lost in created.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!(lost.kind(), ErrorKind::AlreadyExists, "{lost:?}");
        }
        let taken = race(&stores, |store, _| {
            let id = id.clone();
            async move { take(&store, &id).await.unwrap() }
        });
        assert_eq!(taken.await.into_iter().flatten().count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upserts_of_a_new_name_that_meet_are_no_error() {
    let Some(server) = Server::start(&[]) else { return };
    let stores = [server.open().await, server.open().await];
    for round in 0..40 {
        let id = format!("{round}");
        let answers = race(&stores, |store, task| {
            let id = id.clone();
            async move {
                if task % 4 < 2 {
                    return put(&store, &id, task.to_string()).await;
                }
                let batch = vec![(Key::new("c", &id), NewEntry::new(task.to_string()))];
                store.put_many(batch).await.unwrap().remove(0)
            }
        });
        let versions: Vec<_> = answers.await.into_iter().map(Result::unwrap).collect();
        let found = get(&stores[0], &id).await.unwrap().unwrap();
        assert!(versions.contains(&found.version));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_that_two_stores_update_loses_nothing() {
    let Some(server) = Server::start(&[]) else { return };
    let stores = [server.open().await, server.open().await];
    put(&stores[0], "n", "0").await.unwrap();
    let added = race(&stores, |store, _| async move {
        for _ in 0..5 {
            loop {
                let found = get(&store, "n").await.unwrap().unwrap();
                let n: u32 = std::str::from_utf8(&found.value).unwrap().parse().unwrap();
                let next = NewEntry::new((n + 1).to_string());
                match store.put(Key::new("c", "n"), next, PutMode::Update(found.version)).await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                }
            }
        }
    });
    added.await;
    assert_eq!(value(&stores[1], "n").await.as_deref(), Some("80"));
}

#[tokio::test]
async fn closing_one_store_leaves_the_other_open() {
    let Some(server) = Server::start(&[]) else { return };
    let (store, other) = (server.open().await, server.open().await);
    put(&store, "a", "x").await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(value(&other, "a").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn namespaces_and_collections_of_one_database_are_apart() {
    let Some(server) = Server::start(&[]) else { return };
    let with = |parameters: &str| crate::support::config(&format!("{}&{parameters}", server.url()));
    let stores = [
        MongoStore::open(with("namespace=a")).await.unwrap(),
        MongoStore::open(with("namespace=a/c")).await.unwrap(),
        MongoStore::open(with("namespace=a&collection=other")).await.unwrap(),
    ];
    for (n, store) in stores.iter().enumerate() {
        put(store, "id", n.to_string()).await.unwrap();
        put(store, "c/id", "more").await.unwrap();
    }
    for (n, store) in stores.iter().enumerate() {
        assert_eq!(value(store, "id").await, Some(n.to_string()));
        let listed = store.scan(kv_core::Scan::under(""), None).await.unwrap();
        assert_eq!(listed.items.len(), 2);
    }
}
