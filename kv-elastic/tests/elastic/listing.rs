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
