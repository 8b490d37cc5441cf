//! The server gone, back, silent, or cut off after it has done what was asked.

use std::time::{Duration, Instant};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Scan, Store};
use kv_elastic::{ElasticConfig, ElasticStore};

use crate::proxy::{Proxy, Way};
use crate::server::{HERE, Server, set, value};

/// A store that reaches the server through a proxy, and one that reaches it directly.
async fn through(server: &Server, proxy: &Proxy, patience: Duration) -> (ElasticStore, ElasticStore) {
    let direct = server.config();
    let mut config = direct.clone();
    config.hosts = vec![proxy.host.clone()];
    config.patience = patience;
    (ElasticStore::open(config).await.unwrap(), ElasticStore::open(direct).await.unwrap())
}

/// A port on which nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_done() {
    let mut config = ElasticConfig::new([nobody().await]);
    config.reap_every = Duration::ZERO;
    let error = ElasticStore::open(config).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_found_again() {
    let Some(server) = Server::found() else { return };
    let proxy = Proxy::to(&server.host).await;
    let (store, _) = through(&server, &proxy, Duration::from_secs(20)).await;
    set(&store, "a", "x").await;
    let host = proxy.vanish();
    let key = Key::new(HERE, "a");
    // A connection that was open is cut: then nobody knows. From then on nobody can be reached, and nothing is done.
    let first = store.put(key, NewEntry::new("y"), PutMode::Replace).await.unwrap_err();
    assert_eq!(first.kind(), ErrorKind::Unavailable);
    let put = store.put(key, NewEntry::new("y"), PutMode::Replace).await.unwrap_err();
    let take = store.take(key, None).await.unwrap_err();
    let batch = store.put_many(vec![(key, NewEntry::new("y"))]).await.unwrap().remove(0).unwrap_err();
    let scan = store.scan(Scan::one(HERE), None).await.unwrap_err();
    for error in [put, take, batch, scan] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error}");
    }
    let _back = Proxy::back(&host, &server.host).await;
    let back = Instant::now();
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    assert!(back.elapsed() < Duration::from_secs(10), "it took {:?}", back.elapsed());
    set(&store, "a", "z").await;
}

#[tokio::test]
async fn another_node_stands_in_for_one_that_cannot_be_reached() {
    let Some(server) = Server::found() else { return };
    let mut config = server.config();
    config.hosts = vec![nobody().await, server.host.clone(), nobody().await];
    let store = ElasticStore::open(config).await.unwrap();
    set(&store, "a", "x").await;
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_and_was_done() {
    let Some(server) = Server::found() else { return };
    let proxy = Proxy::to(&server.host).await;
    let (store, direct) = through(&server, &proxy, Duration::from_secs(20)).await;
    let key = Key::new(HERE, "a");
    proxy.set(Way::AnswersLost);
    let entry = NewEntry::new("x");
    let (version, again) = (entry.version(), entry.resend());
    let error = store.put(key, entry, PutMode::Create).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
    proxy.set(Way::Open);
    eventually(&direct, "a", Some("x")).await;
    // Who sends the same entry again learns that it is there: a version is drawn once.
    assert_eq!(store.put(key, again, PutMode::Create).await.unwrap(), version);
    let other = store.put(key, NewEntry::new("y"), PutMode::Create).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_take_whose_answer_is_lost_is_never_delivered_again() {
    let Some(server) = Server::found() else { return };
    let proxy = Proxy::to(&server.host).await;
    let (store, direct) = through(&server, &proxy, Duration::from_secs(20)).await;
    for n in 0..20 {
        let id = n.to_string();
        let key = Key::new(HERE, &id);
        set(&direct, &id, "once").await;
        // Lost now and then at the look, now and then at the deletion.
        let taking = store.take(key, None);
        let losing = async {
            tokio::time::sleep(Duration::from_millis(n % 10)).await;
            proxy.set(Way::AnswersLost);
        };
        let (taken, ()) = tokio::join!(taking, losing);
        proxy.set(Way::Open);
        let delivered = match taken {
            Ok(entry) => usize::from(entry.is_some()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                if error.outcome() == Outcome::NotDone {
                    assert_eq!(
                        value(&direct, &id).await.as_deref(),
                        Some("once"),
                        "it said that nothing was done"
                    );
                }
                0
            }
        };
        let later = usize::from(direct.take(key, None).await.unwrap().is_some());
        assert!(delivered + later <= 1, "delivered twice");
    }
}

#[tokio::test]
async fn a_silent_server_is_a_timeout_and_the_store_goes_on_when_it_speaks_again() {
    let Some(server) = Server::found() else { return };
    let proxy = Proxy::to(&server.host).await;
    let (store, _) = through(&server, &proxy, Duration::from_secs(5)).await;
    set(&store, "a", "x").await;
    proxy.set(Way::AnswersStalled);
    let key = Key::new(HERE, "a");
    let started = Instant::now();
    let put = store.put(key, NewEntry::new("y"), PutMode::Replace).await.unwrap_err();
    assert_eq!((put.kind(), put.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    assert!(started.elapsed() < Duration::from_secs(20), "it hung for {:?}", started.elapsed());
    // The look before a write: nothing was written, so a timeout there is not unknown.
    let take = store.take(key, None).await.unwrap_err();
    assert_eq!((take.kind(), take.outcome()), (ErrorKind::Timeout, Outcome::NotDone));
    proxy.set(Way::Open);
    assert_eq!(value(&store, "a").await.as_deref(), Some("y"));
}

/// Waits until the value is as expected: a request that was cut off may still be at work.
async fn eventually(store: &ElasticStore, id: &str, expected: Option<&str>) {
    let until = Instant::now() + Duration::from_secs(20);
    while value(store, id).await.as_deref() != expected {
        assert!(Instant::now() < until, "{id} never becomes {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
