//! Scripts that the server forgets.

use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};
use kv_redis::RedisStore;

use crate::private::{Server, say};

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
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(&mut raw).await.unwrap();
    let calls = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.and_then(|line| line.split(',').next()).map_or(0, |count| count.parse::<u32>().unwrap())
    };
    assert_eq!(calls("eval"), 2, "each of the two scripts was told once");
    assert_eq!(calls("evalsha"), 20);
}
