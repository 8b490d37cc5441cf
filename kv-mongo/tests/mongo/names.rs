//! Names that a database may stumble over.

use std::collections::BTreeSet;

use kv_core::{Collections, Key, NewEntry, PutMode, Scan, Store};
use kv_mongo::MongoStore;

use crate::support::Server;

async fn listed(store: &MongoStore, scan: Scan<'_>) -> BTreeSet<(String, String)> {
    let (mut found, mut from) = (BTreeSet::new(), None);
    loop {
        let page = store.scan(scan, from.as_ref()).await.unwrap();
        for item in page.items {
            assert!(found.insert((item.collection.into(), item.id.into())), "listed twice");
        }
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
}

/// Names with NULs, dollars, dots, slashes and escapes, and some that are stored as hashes.
fn odd() -> Vec<String> {
    let long = "long/".repeat(250);
    let plain = [
        "",
        "\0",
        "a\0b",
        "$set",
        "$$NOW",
        "$",
        "a.b",
        "/",
        "//",
        "%",
        "%2F",
        "_id",
        "é",
        "e\u{301}",
        "\u{10FFFF}",
    ];
    let mut names: Vec<_> = plain.iter().map(|name| (*name).to_owned()).collect();
    names.extend(["x".repeat(880), "x".repeat(900), "€".repeat(300), "😀".repeat(300)]);
    names.extend([long.clone(), format!("{long}a"), format!("{long}b"), format!("{long}\0")]);
    names
}

#[tokio::test]
async fn every_pair_of_odd_names_is_an_entry_of_its_own_in_each_operation() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    let names = odd();
    let pairs: Vec<_> = names.iter().flat_map(|c| names.iter().map(move |id| Key::new(c, id))).collect();
    for (n, key) in pairs.iter().enumerate().step_by(2) {
        store.put(*key, NewEntry::new(n.to_string()), PutMode::Create).await.unwrap();
    }
    let rest = pairs.iter().enumerate().skip(1).step_by(2);
    let rest: Vec<_> = rest.map(|(n, key)| (*key, NewEntry::new(n.to_string()))).collect();
    for answer in store.put_many(rest).await.unwrap() {
        answer.unwrap();
    }
    for (n, found) in store.get_many(&pairs).await.unwrap().into_iter().enumerate() {
        assert_eq!(found.unwrap().unwrap().value, n.to_string(), "{:?}", pairs[n]);
    }
    let all = pairs.iter().map(|key| (key.collection.to_owned(), key.id.to_owned())).collect();
    assert!(listed(&store, Scan::under("").limit(100)).await == all, "not all are listed");
    for (n, key) in pairs.iter().enumerate().step_by(7) {
        let found = store.get(*key).await.unwrap().unwrap();
        let next = NewEntry::new("next");
        let version = store.put(*key, next, PutMode::Update(found.version)).await.unwrap();
        let taken = store.take(*key, Some(version)).await.unwrap().unwrap();
        assert_eq!((found.value, taken.value), (n.to_string().into(), "next".into()));
    }
}

#[tokio::test]
async fn every_prefix_lists_exactly_what_begins_so() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    let names = odd();
    let collections = ["", "a\0b", "$set", "/", "%2F", &names[15], &names[19], &names[20]];
    let all: Vec<_> = collections.iter().flat_map(|c| names.iter().map(move |id| Key::new(c, id))).collect();
    for answer in store.put_many(all.iter().map(|key| (*key, NewEntry::new("x"))).collect()).await.unwrap() {
        answer.unwrap();
    }
    let long = "long/".repeat(250);
    for start in ["", "a", "%", "x", &long] {
        for prefix in ["", "a", "$", "/", "e", "long/l", &long, &format!("{long}a")] {
            for scan in [Scan::under(start).prefix(prefix), Scan::one(start).prefix(prefix)] {
                let is_one = matches!(scan.collections, Collections::One(_));
                let wanted = all.iter().filter(|key| {
                    let fits =
                        if is_one { key.collection == start } else { key.collection.starts_with(start) };
                    fits && key.id.starts_with(prefix)
                });
                let wanted: BTreeSet<_> =
                    wanted.map(|key| (key.collection.to_owned(), key.id.to_owned())).collect();
                assert!(listed(&store, scan.limit(90)).await == wanted, "{start:?} {prefix:?} {is_one}");
            }
        }
    }
}
