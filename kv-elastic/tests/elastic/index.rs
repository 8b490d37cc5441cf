//! The index: made once, whoever comes first; another's is left alone.

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_elastic::ElasticStore;
use reqwest::Method;
use serde_json::json;

use crate::fake::mapping;
use crate::server::{HERE, Server, list, set, value};

#[tokio::test]
async fn many_who_open_a_new_index_at_once_make_it_once() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let config = server.config();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let config = config.clone();
            tokio::spawn(async move {
                let store = ElasticStore::open(config).await.unwrap();
                let id = n.to_string();
                store.put(Key::new(HERE, &id), NewEntry::new("x"), PutMode::Create).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let store = ElasticStore::open(config).await.unwrap();
    assert_eq!(list(&store, kv_core::Scan::one(HERE)).await.len(), 8);
    server.delete_index().await;
}

#[tokio::test]
async fn the_mapping_is_the_documented_one() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    server.store().await;
    let (_, found) = server.ask(Method::GET, &format!("{}/_mapping", server.index), None).await;
    assert_eq!(found[&server.index]["mappings"], mapping());
    server.delete_index().await;
}

#[tokio::test]
async fn an_index_with_another_mapping_is_refused_and_left_alone() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let foreign = json!({ "mappings": { "properties": { "user": { "type": "text" } } } });
    server.put(&server.index, foreign).await;
    let error = ElasticStore::open(server.config()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Invalid, Some("open")));
    assert!(error.message().contains(&format!("`{}` is not one of Larder's", server.index)), "{error}");
    let (_, found) = server.ask(Method::GET, &format!("{}/_mapping", server.index), None).await;
    let fields = found[&server.index]["mappings"]["properties"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["user"]);
    server.delete_index().await;
}

#[tokio::test]
async fn a_missing_index_is_not_created_unless_asked_for() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let mut config = server.config();
    config.create = false;
    let error = ElasticStore::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(server.ask(Method::GET, &server.index, None).await.0, 404);
}

#[tokio::test]
async fn an_index_that_was_deleted_or_closed_under_a_store_is_no_absence() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let store = server.store().await;
    set(&store, "a", "x").await;
    let key = Key::new(HERE, "a");
    server.ask(Method::POST, &format!("{}/_close", server.index), None).await;
    assert_eq!(store.get(key).await.unwrap_err().kind(), ErrorKind::Unavailable);
    server.ask(Method::POST, &format!("{}/_open?wait_for_active_shards=1", server.index), None).await;
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    server.delete_index().await;
    let get = store.get(key).await.unwrap_err();
    let take = store.take(key, None).await.unwrap_err();
    let batch = store.get_many(&[key]).await.unwrap().remove(0).unwrap_err();
    let scan = store.scan(kv_core::Scan::one(HERE), None).await.unwrap_err();
    for error in [get, take, batch, scan] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error}");
    }
}

#[tokio::test]
async fn namespaces_of_one_index_never_meet() {
    let Some(server) = Server::found() else { return };
    let (one, other) = (server.store().await, server.store().await);
    set(&one, "a", "one").await;
    assert_eq!(value(&other, "a").await, None);
    set(&other, "a", "other").await;
    assert_eq!(value(&one, "a").await.as_deref(), Some("one"));
    assert_eq!(list(&one, kv_core::Scan::under("")).await.len(), 1);
    assert_eq!(one.held().await.unwrap().entries, 1);
}
