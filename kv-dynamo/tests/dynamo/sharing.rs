//! Two stores, each with its own connections, on one table, in one process and in two.

use kv_core::testing::processes;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Scan, Store, StoreUrl};
use kv_dynamo::{DynamoConfig, DynamoStore};

use crate::support::{C, Table, put, value};

const CHILD: &str = "sharing::a_child_plays_its_part";

#[tokio::test(flavor = "multi_thread")]
async fn a_child_plays_its_part() {
    processes::play(async |url| {
        DynamoStore::open(DynamoConfig::from_url(&mut StoreUrl::parse(&url).unwrap()).unwrap()).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_wins_and_none_loses_what_it_wrote() {
    let Some(table) = Table::unmade() else { return };
    let here = table.open().await;
    let url = format!("dynamodb://test:test@{}?region=us-east-1&endpoint={}", table.name, table.endpoint);
    processes::counting_loses_nothing(CHILD, &url, &here).await;
    processes::what_was_acknowledged_is_read(CHILD, &url, &here).await;
    processes::one_wins(CHILD, &url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_that_write_the_same_keys_lose_nothing() {
    let Some(table) = Table::unmade() else { return };
    let stores = [table.open().await, table.open().await];
    put(&stores[0], "count", "0").await.unwrap();
    let counters = stores.clone().into_iter().flat_map(|store| [store.clone(), store]).map(|store| {
        tokio::spawn(async move {
            for _ in 0..25 {
                count(&store).await;
            }
        })
    });
    for counter in counters.collect::<Vec<_>>() {
        counter.await.unwrap();
    }
    assert_eq!(value(&stores[1], "count").await.unwrap(), Some("100".into()));
}

async fn count(store: &DynamoStore) {
    let key = Key::new(C, "count");
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
async fn of_two_stores_one_creates_and_one_takes() {
    let Some(table) = Table::unmade() else { return };
    let stores = [table.open().await, table.open().await];
    for round in 0..50 {
        let id = round.to_string();
        let key = Key::new(C, &id);
        let create = |store: usize| stores[store].put(key, NewEntry::new(store.to_string()), PutMode::Create);
        let (a, b) = tokio::join!(create(0), create(1));
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        let (a, b) = tokio::join!(stores[0].take(key, None), stores[1].take(key, None));
        assert!(a.unwrap().is_some() != b.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_cursor_of_one_store_goes_on_in_the_other() {
    let Some(table) = Table::unmade() else { return };
    let stores = [table.open().await, table.open().await];
    for collection in [C, "d"] {
        for n in 0..25 {
            let id = format!("{n:02}");
            stores[0].put(Key::new(collection, &id), NewEntry::new("x"), PutMode::Replace).await.unwrap();
        }
    }
    for (scan, count) in [(Scan::one(C), 25), (Scan::under(""), 50)] {
        let (mut seen, mut from, mut turn) = (Vec::new(), None, 0);
        loop {
            let page = stores[turn % 2].scan(scan.limit(4), from.as_ref()).await.unwrap();
            seen.extend(page.items.into_iter().map(|item| (item.collection, item.id)));
            from = page.next;
            turn += 1;
            if from.is_none() {
                break;
            }
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((all, seen.len()), (count, count));
    }
}
