//! The block that the server sets on an index when its disk is nearly full. Set by hand here, on an index of its own.

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use serde_json::json;

use crate::server::{HERE, Server, set, value};

#[tokio::test]
async fn a_full_disk_refuses_writes_keeps_what_is_there_and_takes_writes_again() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let store = server.store().await;
    let key = Key::new(HERE, "a");
    let version = set(&store, "a", "old").await;
    server.settings(json!({ "index.blocks.read_only_allow_delete": true })).await;
    for mode in [PutMode::Replace, PutMode::Update(version)] {
        let error = store.put(key, NewEntry::new("new"), mode).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Full, Outcome::NotDone), "{error}");
    }
    let create = store.put(Key::new(HERE, "b"), NewEntry::new("new"), PutMode::Create).await.unwrap_err();
    assert_eq!(create.kind(), ErrorKind::Full);
    let entries = ["a", "b"].map(|id| (Key::new(HERE, id), NewEntry::new("new")));
    for answer in store.put_many(entries.into()).await.unwrap() {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Full, Outcome::NotDone));
    }
    let take = store.take(key, None).await.unwrap_err();
    let delete = store.delete_many(&[key]).await.unwrap().remove(0).unwrap_err();
    for error in [take, delete] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Full, Outcome::NotDone), "{error}");
    }
    assert_eq!(value(&store, "a").await.as_deref(), Some("old"));
    assert_eq!(value(&store, "b").await, None);
    server.settings(json!({ "index.blocks.read_only_allow_delete": null })).await;
    set(&store, "a", "new").await;
    assert_eq!(store.take(key, None).await.unwrap().unwrap().value, "new");
    server.delete_index().await;
}

#[tokio::test]
async fn an_index_that_somebody_locked_is_denied() {
    let Some(server) = Server::found().map(Server::own_index) else { return };
    let store = server.store().await;
    server.settings(json!({ "index.blocks.write": true })).await;
    let error = store.put(Key::new(HERE, "a"), NewEntry::new("x"), PutMode::Replace).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone));
    server.delete_index().await;
}
