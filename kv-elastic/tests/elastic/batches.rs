//! Batches: cut to what the server takes, each entry with its own answer.

use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, Result, Store};
use kv_elastic::ElasticStore;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::server::{HERE, Server, read, set, value};

#[tokio::test]
async fn a_batch_is_cut_to_the_body_that_the_server_takes() {
    let Some(server) = Server::found() else { return };
    let mut config = server.config();
    config.body_limit = Some(64 << 10);
    let store = ElasticStore::open(config).await.unwrap();
    let ids: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let entries = ids.iter().map(|id| (Key::new(HERE, id), NewEntry::new(vec![7; 2_000])));
    for answer in store.put_many(entries.collect()).await.unwrap() {
        answer.unwrap();
    }
    let keys: Vec<_> = ids.iter().map(|id| Key::new(HERE, id)).collect();
    for found in store.get_many(&keys).await.unwrap() {
        assert_eq!(found.unwrap().unwrap().value.len(), 2_000);
    }
}

#[tokio::test]
async fn entries_that_cannot_be_sent_fail_by_themselves() {
    let Some(server) = Server::found() else { return };
    let mut config = server.config();
    config.body_limit = Some(64 << 10);
    let store = ElasticStore::open(config).await.unwrap();
    set(&store, "large", "old").await;
    let long = "i".repeat(70_000);
    let entries = vec![
        (Key::new(HERE, "a"), NewEntry::new("x")),
        (Key::new(HERE, "large"), NewEntry::new(vec![0; 60_000])),
        (Key::new(HERE, "b"), NewEntry::new("x").ttl(Duration::ZERO)),
        (Key::new(HERE, &long), NewEntry::new("x")),
        (Key::new(HERE, "c"), NewEntry::new("x")),
    ];
    let answers = store.put_many(entries).await.unwrap();
    let kinds: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().err().map(kv_core::Error::kind)).collect();
    let large = Some(ErrorKind::TooLarge);
    assert_eq!(kinds, [None, large, Some(ErrorKind::Invalid), large, None]);
    assert_eq!(value(&store, "large").await.as_deref(), Some("old"));
    assert!(read(&store, "a").await.is_some() && read(&store, "c").await.is_some());
}

#[tokio::test]
async fn a_document_that_somebody_spoilt_is_corrupt_for_its_own_key_until_it_is_replaced() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let store = server.store().await;
    for id in ["good", "spoilt"] {
        set(&store, id, "x").await;
    }
    spoil(&server, &store).await;
    let keys = ["good", "spoilt", "absent"].map(|id| Key::new(HERE, id));
    let kinds: Vec<_> =
        store.get_many(&keys).await.unwrap().into_iter().map(|found| found.map_err(|e| e.kind())).collect();
    assert!(matches!(kinds.as_slice(), [Ok(Some(_)), Err(ErrorKind::Corrupt), Ok(None)]), "{kinds:?}");
    let spoilt = Key::new(HERE, "spoilt");
    assert_eq!(store.get(spoilt).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.take(spoilt, None).await.unwrap_err().kind(), ErrorKind::Corrupt);
    set(&store, "spoilt", "y").await;
    assert_eq!(value(&store, "spoilt").await.as_deref(), Some("y"));
    server.delete_index().await;
}

/// Writes a value that is no base64 into the document of `spoilt`: the server does not look into it.
async fn spoil(server: &Server, store: &ElasticStore) {
    store.held().await.unwrap(); // refreshes
    let search = json!({ "query": { "term": { "id": "spoilt" } }, "sort": ["hash"], "size": 1_000 });
    let path = format!("{}/_search", server.index);
    let (_, found) = server.ask(reqwest::Method::POST, &path, Some(search)).await;
    for hit in found.pointer("/hits/hits").and_then(Value::as_array).unwrap() {
        let mut source = hit.get("_source").unwrap().clone();
        *source.get_mut("value").unwrap() = json!("***");
        let id = hit.get("_id").and_then(Value::as_str).unwrap();
        server.put(&format!("{}/_doc/{id}", server.index), source).await;
    }
}

#[tokio::test]
async fn a_batch_of_which_the_server_refuses_some_is_not_done_as_a_whole() {
    let fake = Fake::start(|asked| {
        let full = "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];";
        let item = |n: usize| match n % 3 {
            0 => json!({ "index": { "status": 201 } }),
            1 => json!({ "index": { "status": 429, "error": { "type": "es_rejected_execution_exception" } } }),
            _ => json!({ "index": { "status": 429, "error": { "type": "cluster_block_exception", "reason": full } } }),
        };
        let items: Vec<_> = (0..asked.body.lines().count() / 2).map(item).collect();
        asked.path.contains("/_bulk").then(|| (200, json!({ "errors": true, "items": items })))
    })
    .await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let ids: Vec<_> = (0..9).map(|n| n.to_string()).collect();
    let entries = ids.iter().map(|id| (Key::new(HERE, id), NewEntry::new("x")));
    let answers = store.put_many(entries.collect()).await.unwrap();
    for (n, (answer, id)) in answers.into_iter().zip(&ids).enumerate() {
        let told: Result<_, _> =
            answer.map(drop).map_err(|error| (error.kind(), error.key().map(str::to_owned)));
        let key = Some(format!("{HERE}/{id}"));
        let expected = [Ok(()), Err((ErrorKind::Throttled, key.clone())), Err((ErrorKind::Full, key))];
        assert_eq!(told, expected[n % 3]);
    }
}
