//! Names beyond what the index holds whole, and odd ones.

use kv_core::{Key, NewEntry, PutMode, Scan, Store};
use kv_elastic::ElasticStore;

use crate::server::{HERE, Server, list};

async fn put_all(store: &ElasticStore, names: &[(String, String)]) {
    let entries = names.iter().map(|(collection, id)| (Key::new(collection, id), NewEntry::new("x")));
    for answer in store.put_many(entries.collect()).await.unwrap() {
        answer.unwrap();
    }
}

async fn listed(store: &ElasticStore, scan: Scan<'_>) -> Vec<(String, String)> {
    let items = list(store, scan).await;
    let mut names: Vec<_> = items.into_iter().map(|item| (item.collection.into(), item.id.into())).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "some are listed twice");
    names
}

/// Names around the length that is indexed, many of them with the same head.
fn long_names() -> Vec<String> {
    let head = "é".repeat(3_999); // two bytes short of the indexed length
    let tails = ["", "a", "aa", "aaa", "é", "ab", "aab", "aaéé", "\u{10FFFF}", "\0", "zz"];
    let mut names: Vec<_> = tails.iter().map(|tail| format!("{head}{tail}")).collect();
    names.extend((0..30).map(|n| format!("{head}aa{}{n:02}", "long".repeat(500))));
    names.push("é".to_owned());
    names.sort();
    names
}

#[tokio::test]
async fn long_ids_are_listed_completely_whatever_the_page() {
    let Some(server) = Server::found() else { return };
    let store = server.store().await;
    let names: Vec<_> = long_names().into_iter().map(|id| (HERE.to_owned(), id)).collect();
    put_all(&store, &names).await;
    for limit in [1_000, 7, 1] {
        assert!(listed(&store, Scan::one(HERE).limit(limit)).await == names, "{limit} a page");
    }
    assert!(listed(&store, Scan::under("").values().limit(10)).await == names);
}

#[tokio::test]
async fn a_prefix_of_any_length_selects_exactly() {
    let Some(server) = Server::found() else { return };
    let store = server.store().await;
    let names = long_names();
    let all: Vec<_> = names.iter().map(|id| (HERE.to_owned(), id.clone())).collect();
    put_all(&store, &all).await;
    let longest = names.iter().max_by_key(|name| name.len()).unwrap().clone();
    let cuts = [1, 2, 199, 200, 201, 3_998, 3_999, 4_000, 4_001, 4_002, 4_100, 6_000];
    let prefixes = cuts.map(|count| longest.chars().take(count).collect::<String>());
    for prefix in prefixes.iter().chain(&names) {
        let expected: Vec<_> =
            all.iter().filter(|(_, id)| id.starts_with(prefix.as_str())).cloned().collect();
        for scan in [Scan::one(HERE), Scan::under("h").limit(5)] {
            let found = listed(&store, scan.prefix(prefix)).await;
            assert!(found == expected, "{} of {} with {} bytes", found.len(), expected.len(), prefix.len());
        }
    }
}

#[tokio::test]
async fn long_collections_stay_apart_and_are_found_by_their_beginning() {
    let Some(server) = Server::found() else { return };
    let store = server.store().await;
    let collections = long_names();
    let all: Vec<_> = collections.iter().map(|name| (name.clone(), "id".to_owned())).collect();
    put_all(&store, &all).await;
    for name in &collections {
        assert!(listed(&store, Scan::one(name)).await == [(name.clone(), "id".to_owned())]);
        let expected: Vec<_> =
            all.iter().filter(|(found, _)| found.starts_with(name.as_str())).cloned().collect();
        assert!(listed(&store, Scan::under(name).limit(3)).await == expected, "under {} bytes", name.len());
    }
}

#[tokio::test]
async fn names_that_mean_something_in_json_in_a_path_or_in_a_query_stand_for_themselves() {
    let Some(server) = Server::found() else { return };
    let store = server.store().await;
    let odd = [
        "\"", "\\", "\\\"", "{}", "_all", "*", "?", "..", "/", "%2F", "\u{2028}", "\u{0}", "\u{feff}", "_id",
        "null",
    ];
    let names: Vec<_> = odd.iter().flat_map(|a| odd.map(|b| ((*a).to_owned(), b.to_owned()))).collect();
    put_all(&store, &names).await;
    for (collection, id) in &names {
        let key = Key::new(collection, id);
        assert!(store.get(key).await.unwrap().is_some(), "{key:?}");
    }
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(listed(&store, Scan::under("").limit(50)).await, sorted);
    for name in odd {
        assert_eq!(listed(&store, Scan::one(name)).await.len(), odd.len(), "{name:?}");
        let one = store.put(Key::new(name, name), NewEntry::new("y"), PutMode::Create).await;
        assert!(one.is_err(), "{name:?} is there already");
    }
}
