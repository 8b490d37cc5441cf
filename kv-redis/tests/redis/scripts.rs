//! Scripts that the server forgets.

use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};
use kv_redis::RedisStore;

use crate::private::{Server, calls, say};

#[tokio::test]
async fn a_script_that_the_server_forgot_is_told_again() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let mut raw = server.raw().await;
    let key = Key::new("c", "a");
    let mut version = store.put(key, NewEntry::new("0"), PutMode::Create).await.unwrap();
    for n in 1..4 {
        say(&mut raw, "SCRIPT FLUSH").await;
        let error = store.take(key, Some(kv_core::Version::random())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        say(&mut raw, "SCRIPT FLUSH").await;
        version = store.put(key, NewEntry::new(n.to_string()), PutMode::Update(version)).await.unwrap();
    }
    say(&mut raw, "SCRIPT FLUSH").await;
    assert_eq!(store.take(key, Some(version)).await.unwrap().unwrap().value, "3");
}

#[tokio::test]
async fn after_the_first_time_a_script_goes_by_its_name() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let mut raw = server.raw().await;
    let key = Key::new("c", "a");
    let mut version = store.put(key, NewEntry::new("0"), PutMode::Create).await.unwrap();
    for n in 1..20 {
        version = store.put(key, NewEntry::new(n.to_string()), PutMode::Update(version)).await.unwrap();
    }
    assert!(store.take(key, Some(version)).await.unwrap().is_some());
    assert_eq!(calls(&mut raw, "eval").await, 2, "each of the two scripts was told once");
    assert_eq!(calls(&mut raw, "evalsha").await, 20);
}
