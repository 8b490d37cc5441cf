//! The limits of the service, and names and listings beyond them.

use std::time::Duration;

use kv_core::{Clock, ErrorKind, Key, Meta, NewEntry, Outcome, PutMode, Scan, Store};

use crate::support::{C, Table, put, put_for, value};

#[tokio::test]
async fn the_largest_item_is_taken_by_the_server_and_what_is_larger_is_not_sent() {
    let Some(table) = Table::unmade() else { return };
    let store = table.open().await;
    let max = store.capabilities().max_value.unwrap();
    assert_eq!(max, 396 << 10);
    let (collection, id) = ("c".repeat(1_990), "i".repeat(1_000));
    let mut meta = Meta::codec(2);
    meta.tags = vec![("tag".into(), [7; 16]); 30];
    let key = Key::new(&collection, &id);
    let full = NewEntry::new(vec![9; max]).ttl(Duration::from_secs(60)).meta(meta.clone());
    store.put(key, full, PutMode::Replace).await.unwrap();
    let entry = store.get(key).await.unwrap().unwrap();
    assert!(entry.value.len() == max && entry.meta == meta);

    meta.tags = vec![("tag".into(), [7; 16]); 300];
    let above = NewEntry::new(vec![8; max]).meta(meta);
    let error = store.put(key, above, PutMode::Replace).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotDone));
    assert_eq!(store.get(key).await.unwrap().unwrap().value[0], 9, "the old value stays");
}

#[tokio::test]
async fn long_names_count_for_the_size_and_are_listed_whole() {
    let Some(table) = Table::unmade() else { return };
    let store = table.open().await;
    let names = ["ä".repeat(100_000), "ä".repeat(100_000) + "x", "y".repeat(500_000)];
    for id in &names[..2] {
        put(&store, id, id.clone()).await.unwrap();
    }
    assert_eq!(put(&store, &names[2], "").await.unwrap_err().kind(), ErrorKind::TooLarge);
    let items = store.scan(Scan::one(C).prefix(&names[0]).values(), None).await.unwrap().items;
    let mut listed: Vec<_> =
        items.iter().map(|item| (item.id.to_string(), item.entry.clone().unwrap().value)).collect();
    listed.sort();
    assert!(listed == names[..2].iter().map(|id| (id.clone(), id.clone().into())).collect::<Vec<_>>());
}

#[tokio::test]
async fn ids_are_listed_in_their_order_also_where_some_are_cut() {
    let Some(table) = Table::unmade() else { return };
    let store = table.open().await;
    let mut ids: Vec<_> = [900, 937, 999, 1_000].map(|len| "m".repeat(len)).into();
    ids.extend(["a".repeat(2_000), "b".to_owned(), "n".to_owned(), "z".repeat(3_000)]);
    for id in ids.iter().rev() {
        put(&store, id, "x").await.unwrap();
    }
    ids.sort();
    for limit in [1_000, 3, 1] {
        let (mut listed, mut from) = (Vec::new(), None);
        loop {
            let page = store.scan(Scan::one(C).limit(limit), from.as_ref()).await.unwrap();
            listed.extend(page.items.into_iter().map(|item| item.id));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert!(listed == ids, "{limit} a page");
    }
}

#[tokio::test]
async fn a_listing_passes_over_megabytes_that_have_expired() {
    let Some(table) = Table::unmade() else { return };
    let clock = Clock::manual();
    let store = table.open_with(&clock).await;
    let ids: Vec<_> = (0..3_000).map(|n| format!("{n:04}")).collect();
    let entry = |id| (Key::new(C, id), NewEntry::new(vec![0; 1_500]).ttl(Duration::from_secs(1)));
    let written = store.put_many(ids.iter().map(|id| entry(id)).collect()).await.unwrap();
    assert!(written.iter().all(Result::is_ok));
    put(&store, "last", "x").await.unwrap();
    put_for(&store, "0000 first", "x", Duration::from_secs(60)).await;
    clock.advance(Duration::from_secs(2));
    for scan in [Scan::one(C), Scan::under(""), Scan::one(C).values().limit(10), Scan::under("").limit(1)] {
        let (mut listed, mut from) = (Vec::new(), None);
        loop {
            let page = store.scan(scan, from.as_ref()).await.unwrap();
            listed.extend(page.items.into_iter().map(|item| item.id));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(listed, ["0000 first", "last"], "{scan:?}");
    }
}

#[tokio::test]
async fn the_listing_of_a_namespace_shows_no_other_however_they_are_named() {
    let Some(table) = Table::unmade() else { return };
    let namespaces =
        ["a", "a/", "a/b", "a%2F", "", "a%"].map(str::to_owned).into_iter().chain(["n".repeat(3_000)]);
    let mut stores = Vec::new();
    for namespace in namespaces {
        let mut config = table.config();
        config.create = true;
        config.namespace.clone_from(&namespace);
        let store = kv_dynamo::DynamoStore::open(config).await.unwrap();
        put(&store, "id", namespace.clone()).await.unwrap();
        stores.push((namespace, store));
    }
    for (namespace, store) in stores {
        let items = store.scan(Scan::under("").values(), None).await.unwrap().items;
        let [item] = items.as_slice() else { panic!("{} items", items.len()) };
        assert_eq!((&*item.collection, &*item.id), (C, "id"));
        assert!(item.entry.as_ref().unwrap().value == namespace);
        assert!(value(&store, "id").await.unwrap().unwrap() == namespace);
    }
}
