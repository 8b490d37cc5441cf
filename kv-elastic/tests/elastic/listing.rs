//! Listing sees what was acknowledged before it began, though searches lag behind.

use std::time::Duration;

use kv_core::{Clock, Scan, Store};
use kv_elastic::ElasticStore;
use serde_json::json;

use crate::server::{HERE, Server, ids, list, set, set_for};

const MINUTE: Duration = Duration::from_secs(60);

/// An index that is never refreshed but by who asks for it.
async fn lagging(server: &Server) -> (ElasticStore, Clock) {
    let mut config = server.config();
    config.clock = Clock::manual();
    let clock = config.clock.clone();
    let store = ElasticStore::open(config).await.unwrap();
    server.settings(json!({ "index.refresh_interval": "-1" })).await;
    (store, clock)
}

#[tokio::test]
async fn a_scan_lists_what_no_search_has_seen_yet() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let (store, _) = lagging(&server).await;
    for id in ["b", "a", "c"] {
        set(&store, id, "x").await;
    }
    assert_eq!(ids(&list(&store, Scan::one(HERE)).await), ["a", "b", "c"]);
    set(&store, "d", "x").await;
    assert_eq!(ids(&list(&store, Scan::one(HERE)).await), ["a", "b", "c", "d"]);
    server.delete_index().await;
}

#[tokio::test]
async fn an_entry_that_was_prolonged_during_a_scan_is_listed() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let (store, clock) = lagging(&server).await;
    for id in ["a", "b", "c"] {
        set_for(&store, id, MINUTE).await;
    }
    for scan in [Scan::one(HERE).limit(1), Scan::one(HERE).limit(1).values()] {
        let first = store.scan(scan, None).await.unwrap();
        assert_eq!(ids(&first.items), ["a"]);
        set_for(&store, "b", MINUTE * 10).await; // no search will see that before the next refresh
        clock.advance(MINUTE * 2);
        let mut rest = Vec::new();
        let mut from = first.next;
        while let Some(cursor) = from {
            let page = store.scan(scan, Some(&cursor)).await.unwrap();
            rest.extend(page.items);
            from = page.next;
        }
        assert_eq!(ids(&rest), ["b"], "it lives throughout, and c has expired");
        for id in ["a", "c"] {
            set_for(&store, id, MINUTE).await;
        }
    }
    server.delete_index().await;
}

#[tokio::test]
async fn a_scan_goes_on_behind_a_damaged_document_where_that_is_asked_for() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let store = server.store().await;
    for id in ["a", "b", "c", "d"] {
        set(&store, id, "x").await;
    }
    server.ask(reqwest::Method::POST, &format!("{}/_refresh", server.index), None).await;
    for (id, doc) in [("b", json!({ "value": "%" })), ("c", json!({ "version": "none" }))] {
        let query = json!({ "query": { "term": { "id": id } } });
        let search = format!("{}/_search?filter_path=hits.hits._id", server.index);
        let (_, found) = server.ask(reqwest::Method::POST, &search, Some(query)).await;
        let document = found["hits"]["hits"][0]["_id"].as_str().unwrap().to_owned();
        let update = format!("{}/_update/{document}?refresh=true", server.index);
        let (status, said) = server.ask(reqwest::Method::POST, &update, Some(json!({ "doc": doc }))).await;
        assert!(status < 300, "{status} {said}");
    }
    let scan = Scan::one(HERE).values();
    assert!(store.scan(scan, None).await.is_err());
    for limit in [1, 10] {
        let (mut found, mut damaged, mut from) = (String::new(), Vec::new(), None);
        loop {
            let page = store.scan(scan.limit(limit).skip_damaged(), from.as_ref()).await.unwrap();
            found.extend(page.items.iter().map(|item| &*item.id));
            damaged.extend(page.damaged.into_iter().filter_map(|one| one.name).map(|(_, id)| id));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        damaged.sort_unstable();
        assert_eq!((found.as_str(), damaged), ("ad", vec!["b".to_owned(), "c".to_owned()]), "{limit}");
    }
    server.delete_index().await;
}
