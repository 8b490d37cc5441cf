//! A node that has frozen: its system takes connections, and it says nothing. Another one is there.

use std::time::{Duration, Instant};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_elastic::{ElasticConfig, ElasticStore};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::fake::Fake;
use crate::proxy::{Proxy, Way};

const KEY: Key<'static> = Key::new("c", "i");

/// A node that was frozen from the beginning, as long as the listener is kept.
async fn frozen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    (listener, host)
}

#[tokio::test]
async fn opening_goes_on_with_the_next_node() {
    let ((_one, first), (_other, second)) = (frozen().await, frozen().await);
    let fake = Fake::start(|_| None).await;
    let mut config = fake.config();
    config.hosts = vec![first, second, fake.host.clone()];
    let started = Instant::now();
    let store = ElasticStore::open(config).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    let put = store.put(KEY, NewEntry::new("x"), PutMode::Replace);
    timeout(Duration::from_secs(1), put).await.expect("the node that answered").unwrap();
}

#[tokio::test]
async fn opening_ends_in_time_where_no_node_answers() {
    let ((_one, first), (_other, second)) = (frozen().await, frozen().await);
    for hosts in [vec![first.clone()], vec![first, second]] {
        let mut config = ElasticConfig::new(hosts);
        config.open_timeout = Duration::from_secs(2);
        let started = Instant::now();
        let error = ElasticStore::open(config).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotDone), "{error}");
        assert!(started.elapsed() < Duration::from_secs(4), "it took {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_waits_for_no_document_longer_than_it_may() {
    // As where a part of the index is on a node that has frozen.
    let fake = Fake::start(|asked| {
        if asked.path.contains("/_doc/") {
            std::thread::sleep(Duration::from_secs(5));
        }
        None
    })
    .await;
    let mut config = fake.config();
    config.open_timeout = Duration::from_secs(1);
    let started = Instant::now();
    ElasticStore::open(config).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(4), "it took {:?}", started.elapsed());
}

/// A store that was opened on the first of two nodes, which has frozen since.
async fn frozen_since(patience: Duration) -> (ElasticStore, [Fake; 2], Proxy) {
    let nodes = [Fake::start(|_| None).await, Fake::start(|_| None).await];
    let [first, second] = nodes.each_ref();
    let proxy = Proxy::to(&first.host).await;
    let mut config = first.config();
    config.hosts = vec![proxy.host.clone(), second.host.clone()];
    config.patience = patience;
    let store = ElasticStore::open(config).await.unwrap();
    proxy.set(Way::AnswersStalled);
    (store, nodes, proxy)
}

/// The write is sent once, and the next one goes to the other node.
async fn next_goes_elsewhere(store: &ElasticStore, [first, second]: &[Fake; 2]) {
    let put = store.put(KEY, NewEntry::new("x"), PutMode::Replace);
    timeout(Duration::from_secs(5), put).await.expect("the other node").unwrap();
    assert_eq!((first.writes().len(), second.writes().len()), (1, 1));
}

#[tokio::test]
async fn after_a_timeout_the_next_call_goes_to_another_node() {
    let (store, nodes, _proxy) = frozen_since(Duration::from_secs(2)).await;
    let error = store.put(KEY, NewEntry::new("x"), PutMode::Replace).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown), "{error}");
    next_goes_elsewhere(&store, &nodes).await;
}

#[tokio::test]
async fn after_a_call_that_a_wrapper_gave_up_the_next_one_goes_to_another_node() {
    let (store, nodes, _proxy) = frozen_since(Duration::from_secs(30)).await;
    let put = store.put(KEY, NewEntry::new("x"), PutMode::Replace);
    timeout(Duration::from_secs(1), put).await.expect_err("it is silent");
    next_goes_elsewhere(&store, &nodes).await;
}
