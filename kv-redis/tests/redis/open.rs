//! What opening accepts, and what it says of the rest.

use std::time::Duration;

use kv_core::testing::service;
use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_redis::RedisStore;

use crate::crash::Watched;
use crate::place::{config, namespace, open};
use crate::private::{PATIENCE, Server, free_port, say, until};

#[tokio::test]
async fn another_kind_of_server_is_refused_with_what_to_write() {
    if let Some(url) = service("LARDER_TEST_REDIS") {
        let error = open(&url.replace("redis://", "redis+cluster://"), "n").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unexpected), "{error:?}");
        let error = open(&url.replace("/0", "/5000"), "n").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
    if let Some(url) = service("LARDER_TEST_REDIS_CLUSTER") {
        let first = url.replace("redis+cluster://", "redis://");
        let error = open(first.split(',').next().unwrap(), "n").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.message().contains("redis+cluster://"), "{error}");
    }
    if let Some(url) = service("LARDER_TEST_REDIS_SENTINEL") {
        let direct = url.replace("redis+sentinel://", "redis://").replace("/mymaster/0", "");
        let error = open(&direct, "n").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.message().contains("redis+sentinel://"), "{error}");
        let error = open(&url.replace("mymaster", "nobody"), "n").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable_at_once() {
    let error = open(&format!("redis://127.0.0.1:{}", free_port()), "n").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
    assert_eq!(error.operation(), Some("open"));
}

#[tokio::test]
async fn a_listener_that_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut config = config(&format!("redis://127.0.0.1:{port}"), "n");
    config.connect_timeout = Duration::from_millis(200);
    let error = RedisStore::open(config).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
}

#[tokio::test]
async fn a_sentinel_that_says_nothing_holds_nobody_up() {
    let Some(watched) = Watched::start(0).await else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = silent.local_addr().unwrap();
    let mut config = config(&format!("redis+sentinel://{first},127.0.0.1:{}/main/0", watched.port), "n");
    config.connect_timeout = 2 * PATIENCE; // what waiting for the first one would take
    let opened = tokio::time::timeout(PATIENCE, RedisStore::open(config)).await;
    let store = opened.expect("the other one was asked meanwhile").unwrap();
    store.put(Key::new("c", "a"), NewEntry::new("x"), PutMode::Create).await.unwrap();
}

#[tokio::test]
async fn what_a_sentinel_says_tells_more_than_one_that_cannot_be_reached() {
    let Some(watched) = Watched::start(0).await else { return };
    for hosts in [[free_port(), watched.port], [watched.port, free_port()]] {
        let [first, second] = hosts.map(|port| format!("127.0.0.1:{port}"));
        let error = open(&format!("redis+sentinel://{first},{second}/nobody/0"), "n").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
}

#[tokio::test]
async fn sentinels_that_want_a_password_get_their_own() {
    let Some(watched) = Watched::behind(0, Some("s3ntinel-pw")).await else { return };
    let mut config = config(&format!("redis+sentinel://127.0.0.1:{}/main/0", watched.port), &namespace());
    for wrong in [None, Some("wr0ng-pw".to_owned())] {
        config.sentinel_password = wrong;
        let error = RedisStore::open(config.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("wr0ng-pw"), "{error:?}");
    }
    config.sentinel_password = Some("s3ntinel-pw".to_owned());
    let store = RedisStore::open(config).await.unwrap();
    store.put(Key::new("c", "a"), NewEntry::new("x"), PutMode::Create).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_of_this_machine_will_do() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("redis.sock").display().to_string();
    let Some(_server) = Server::start(&["--unixsocket", &path]).await else { return };
    let store = open(&format!("redis+unix://{path}?db=3"), &namespace()).await.unwrap();
    let key = Key::new("c", "a");
    store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
    assert_eq!(store.take(key, None).await.unwrap().unwrap().value, "x");
}

/// How many connections the server has beside the one that asks.
async fn clients(raw: &mut redis::aio::MultiplexedConnection) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(raw).await.unwrap();
    list.lines().count() - 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_stays_connected_once_the_store_is_closed_or_gone() {
    for closed in [true, false] {
        let Some(server) = Server::start(&[]).await else { return };
        let mut raw = server.raw().await;
        let store = RedisStore::open(server.config()).await.unwrap();
        let busy: Vec<_> = (0..64)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.get(Key::new("c", "a")).await.unwrap() })
            })
            .collect();
        for task in busy {
            assert!(task.await.unwrap().is_none());
        }
        assert_eq!(clients(&mut raw).await, 1, "all share one connection");
        let kept = closed.then(|| store.clone());
        if closed {
            store.close().await.unwrap();
        }
        drop(store);
        until("the connection has gone", async || clients(&mut raw).await == 0).await;
        drop(kept);
    }
}

#[test]
fn a_store_outlives_the_executor_that_opened_it() {
    let Some(url) = service("LARDER_TEST_REDIS") else { return };
    let executor =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = executor();
    let store = first.block_on(open(&url, &namespace())).unwrap();
    let key = Key::new("c", "a");
    first.block_on(store.put(key, NewEntry::new("x"), PutMode::Create)).unwrap();
    drop(first);
    let second = executor();
    let taken = second.block_on(store.take(key, None));
    assert_eq!(taken.unwrap().unwrap().value, "x");
}

#[test]
fn a_store_is_used_on_while_the_executor_of_its_connection_stands_still() {
    let executor = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (executor(), executor());
    let Some(server) = second.block_on(Server::start(&[])) else { return };
    let (mut raw, key) = (second.block_on(server.raw()), Key::new("c", "a"));
    // Between the death of its connection and the next one the first executor stops anywhere.
    for turns in [0, 2, 8] {
        let mut config = server.config();
        (config.response_timeout, config.connect_timeout) =
            (Duration::from_millis(200), Duration::from_millis(200));
        let store = first.block_on(RedisStore::open(config)).unwrap();
        second.block_on(say(&mut raw, "CLIENT KILL TYPE normal SKIPME yes"));
        first.block_on(async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        });
        second.block_on(until("it has found out", async || store.get(key).await.is_ok()));
        second.block_on(store.close()).unwrap();
        // The first goes on, and lets go what it had.
        first.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
        second.block_on(until("no connection is left", async || clients(&mut raw).await == 0));
    }
}

#[tokio::test]
async fn each_kind_of_url_may_say_valkey_for_redis() {
    for server in ["LARDER_TEST_REDIS", "LARDER_TEST_REDIS_CLUSTER", "LARDER_TEST_REDIS_SENTINEL"] {
        let Some(url) = service(server) else { continue };
        let url = url.replacen("redis", "valkey", 1);
        let store = open(&url, &namespace()).await.unwrap();
        store.put(Key::new("c", "a"), NewEntry::new("x"), PutMode::Create).await.unwrap();
        assert_eq!(store.take(Key::new("c", "a"), None).await.unwrap().unwrap().value, "x");
    }
}
