//! The task that deletes what has expired.

use std::time::{Duration, Instant};

use kv_core::{Clock, Key, NewEntry, PutMode, Store};
use kv_elastic::{ElasticConfig, ElasticStore};

use crate::server::{HERE, Server, read, set, set_for};

const OFTEN: Duration = Duration::from_millis(200);

fn reaping(server: &Server) -> (ElasticConfig, Clock) {
    let (mut config, clock) = (server.config(), Clock::manual());
    config.clock = clock.clone();
    config.reap_every = OFTEN;
    (config, clock)
}

async fn until(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !met().await {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_has_been_expired_for_a_minute_is_deleted_and_nothing_else() {
    let Some(server) = Server::found() else { return };
    let (config, clock) = reaping(&server);
    let store = ElasticStore::open(config).await.unwrap();
    let other = server.store().await; // another namespace of the same index
    for n in 0..50 {
        set_for(&store, &format!("short {n}"), Duration::from_secs(1)).await;
        set_for(&other, &format!("short {n}"), Duration::from_millis(1)).await;
    }
    set_for(&store, "long", Duration::from_secs(600)).await;
    set(&store, "for ever", "x").await;
    set_for(&store, "prolonged", Duration::from_secs(1)).await;
    set_for(&store, "prolonged", Duration::from_secs(600)).await;
    clock.advance(Duration::from_secs(30));
    assert!(read(&store, "short 0").await.is_none(), "it is gone at once, deleted or not");
    tokio::time::sleep(OFTEN * 5).await;
    assert_eq!(store.held().await.unwrap().entries, 53, "a caller who is behind may still want them");
    clock.advance(Duration::from_secs(40));
    until("the short ones are deleted", async || store.reaped().entries == 50).await;
    assert_eq!(store.held().await.unwrap().entries, 3);
    assert_eq!(store.reaped().failures, 0);
    for id in ["long", "for ever", "prolonged"] {
        assert!(read(&store, id).await.is_some(), "{id}");
    }
    assert_eq!(other.held().await.unwrap().entries, 50);
}

#[tokio::test]
async fn the_place_of_what_was_taken_is_kept_for_a_minute() {
    let Some(server) = Server::found() else { return };
    let (config, clock) = reaping(&server);
    let ahead = {
        let mut config = config.clone();
        config.clock = Clock::manual();
        config.clock.skew_ms(5_000);
        ElasticStore::open(config).await.unwrap()
    };
    let store = ElasticStore::open(config).await.unwrap();
    for id in ["first", "second"] {
        set(&store, id, "x").await;
    }
    store.take(Key::new(HERE, "first"), None).await.unwrap().unwrap();
    clock.advance(Duration::from_secs(40));
    store.take(Key::new(HERE, "second"), None).await.unwrap().unwrap();
    assert_eq!(store.held().await.unwrap().entries, 2, "now the search of the reapers sees them");
    tokio::time::sleep(OFTEN * 5).await;
    assert_eq!(store.held().await.unwrap().entries, 2, "who took them may be about to look");
    clock.advance(Duration::from_secs(40));
    until("the first one's place is deleted", async || store.reaped().entries == 1).await;
    tokio::time::sleep(OFTEN * 5).await;
    assert_eq!(store.held().await.unwrap().entries, 1, "the second one was taken 40 seconds ago");
    clock.advance(Duration::from_secs(40));
    until("the second one's place is deleted", async || store.reaped().entries == 2).await;
    assert_eq!((store.reaped().failures, ahead.reaped().failures), (0, 0));
}

#[tokio::test]
async fn what_an_older_version_left_where_something_was_taken_is_deleted() {
    let Some(server) = Server::found() else { return };
    let (config, _) = reaping(&server);
    let hash = format!("{:064x}", rand::random::<u128>());
    let claim = serde_json::json!({ "namespace": config.namespace, "collection": HERE, "id": "a", "hash": hash,
        "version": "0".repeat(32), "deadline": 1, "size": 0, "value": "" });
    let store = ElasticStore::open(config).await.unwrap();
    server.put(&format!("{}/_doc/{hash}?refresh=true", server.index), claim).await;
    until("it is deleted", async || store.reaped().entries == 1).await;
    assert_eq!(store.held().await.unwrap().entries, 0);
}

#[tokio::test]
async fn what_is_written_anew_is_not_deleted_by_an_old_view_of_it() {
    let Some(server) = Server::found() else { return };
    let (mut config, clock) = reaping(&server);
    config.reap_after = Duration::ZERO;
    config.reap_every = Duration::from_millis(20);
    let store = ElasticStore::open(config).await.unwrap();
    let key = Key::new(HERE, "code");
    for n in 0..60 {
        set_for(&store, "code", Duration::from_millis(1)).await;
        clock.advance(Duration::from_millis(10));
        if n % 4 == 0 {
            store.held().await.unwrap(); // now the search of the reaper sees it too
        }
        let version = store.put(key, NewEntry::new("anew"), PutMode::Create).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let entry = store.get(key).await.unwrap().expect("a live entry was deleted");
        assert_eq!(entry.version, version);
        store.take(key, Some(version)).await.unwrap().expect("a live entry was deleted");
    }
}

#[tokio::test]
async fn the_task_ends_with_the_last_handle_and_with_close() {
    let Some(server) = Server::found() else { return };
    let (config, clock) = reaping(&server);
    let writer = {
        let mut config = config.clone();
        config.reap_every = Duration::ZERO;
        ElasticStore::open(config).await.unwrap()
    };
    let (dropped, closed) =
        (ElasticStore::open(config.clone()).await.unwrap(), ElasticStore::open(config).await.unwrap());
    drop(dropped);
    closed.close().await.unwrap();
    set_for(&writer, "a", Duration::from_secs(1)).await;
    clock.advance(Duration::from_secs(120));
    tokio::time::sleep(OFTEN * 5).await;
    assert_eq!(writer.held().await.unwrap().entries, 1);
    assert_eq!(closed.reaped().entries, 0);
}

#[tokio::test]
async fn a_reaper_that_may_not_delete_is_counted_and_harms_nobody() {
    let fake = crate::fake::Fake::start(|asked| {
        let denied = crate::fake::exception(403, "security_exception", "no delete by query");
        asked.path.contains("/_delete_by_query").then_some(denied)
    })
    .await;
    let mut config = fake.config();
    config.reap_every = Duration::from_millis(10);
    let store = ElasticStore::open(config).await.unwrap();
    until("it has failed twice", async || store.reaped().failures >= 2).await;
    store.put(Key::new(HERE, "a"), NewEntry::new("x"), PutMode::Replace).await.unwrap();
    store.close().await.unwrap();
}
