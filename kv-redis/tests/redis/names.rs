//! Names with characters that the server, its patterns or its cluster take for their own.

use std::collections::BTreeSet;

use kv_core::testing::service;
use kv_core::{Key, NewEntry, PutMode, Scan, Store};

use crate::place::{namespace, open};

const ODD: [&str; 16] =
    ["", ":", "::", "%", "%3A", "{", "}", "{a}", "*", "?", "[a-c]", "\\", "^a", "a b\r\n", "\0", "ä€😀"];

#[tokio::test]
async fn odd_names_are_kept_apart_and_listed_as_they_are() {
    for server in ["LARDER_TEST_REDIS", "LARDER_TEST_REDIS_CLUSTER", "LARDER_TEST_VALKEY"] {
        let Some(url) = service(server) else { continue };
        let namespace = format!("{}{{x}}:*%", namespace());
        let store = open(&url, &namespace).await.unwrap();
        for collection in ODD {
            for id in ODD {
                let value = format!("{collection}|{id}");
                store.put(Key::new(collection, id), NewEntry::new(value), PutMode::Create).await.unwrap();
            }
        }
        for collection in ODD {
            for prefix in ODD {
                let found = listed(&store, Scan::one(collection).prefix(prefix)).await;
                let wanted = ODD.iter().filter(|id| id.starts_with(prefix));
                let wanted: BTreeSet<_> =
                    wanted.map(|id| (collection.to_owned(), (*id).to_owned())).collect();
                assert_eq!(found, wanted, "{server}: {collection:?}, {prefix:?}");
            }
            let found = listed(&store, Scan::under(collection)).await.len();
            let wanted = ODD.iter().filter(|other| other.starts_with(collection)).count() * ODD.len();
            assert_eq!(found, wanted, "{server}: under {collection:?}");
        }
        for collection in ODD {
            for id in ODD {
                let entry = store.take(Key::new(collection, id), None).await.unwrap().expect("its own entry");
                assert_eq!(entry.value, format!("{collection}|{id}"));
            }
        }
        assert!(listed(&store, Scan::under("")).await.is_empty());
    }
}

async fn listed(store: &impl Store, scan: Scan<'_>) -> BTreeSet<(String, String)> {
    let (mut found, mut from) = (BTreeSet::new(), None);
    loop {
        let page = store.scan(scan, from.as_ref()).await.unwrap();
        found.extend(page.items.into_iter().map(|item| (item.collection.into(), item.id.into())));
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn databases_of_one_server_are_apart_and_their_topics_too() {
    let Some(url) = service("LARDER_TEST_REDIS") else { return };
    let namespace = namespace();
    let (zero, one) = (url.clone(), url.trim_end_matches("/0").to_owned() + "/1");
    let (zero, one) = (open(&zero, &namespace).await.unwrap(), open(&one, &namespace).await.unwrap());
    let key = Key::new("c", "a");
    zero.put(key, NewEntry::new("zero"), PutMode::Create).await.unwrap();
    assert!(one.get(key).await.unwrap().is_none());
    let mut heard = one.signals("t").await.unwrap();
    zero.signal("t", "not for you".into()).await.unwrap();
    one.signal("t", "for you".into()).await.unwrap();
    assert_eq!(heard.next().await, Some(kv_core::Signal::Message("for you".into())));
    zero.take(key, None).await.unwrap();
}
