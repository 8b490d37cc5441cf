//! The server under test, and shorthands.

use std::time::Duration;

use kv_core::testing::service;
use kv_core::{Entry, Item, Key, NewEntry, PutMode, Scan, Store, StoreUrl, Version};
use kv_elastic::{ElasticConfig, ElasticStore};
use serde_json::Value;

/// The collection that a test uses if it needs only one.
pub(crate) const HERE: &str = "here";

/// A server, and an index in it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) index: String,
}

impl Server {
    /// `None`, loudly, where there is no server and nothing requires one.
    pub(crate) fn found() -> Option<Self> {
        let url = service("LARDER_TEST_OPENSEARCH")?;
        let config = ElasticConfig::from_url(&mut StoreUrl::parse(&url).unwrap()).unwrap();
        Some(Self { host: config.hosts.first().unwrap().clone(), index: "larder-tests".to_owned() })
    }

    /// The same server with an index that no other test uses; to be deleted with [`Server::delete_index`].
    pub(crate) fn own_index(mut self) -> Self {
        self.index = format!("larder-test-{:016x}", rand::random::<u64>());
        self
    }

    /// A namespace of its own, and no reaper.
    pub(crate) fn config(&self) -> ElasticConfig {
        let mut config = ElasticConfig::new([self.host.clone()]);
        config.index.clone_from(&self.index);
        config.namespace = format!("test-{:032x}", rand::random::<u128>());
        config.reap_every = Duration::ZERO;
        config.open_timeout = Duration::from_secs(30); // the machine may be busy
        config
    }

    pub(crate) async fn store(&self) -> ElasticStore {
        ElasticStore::open(self.config()).await.unwrap()
    }

    /// Asks the server by hand, past Larder: status and body.
    pub(crate) async fn ask(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = reqwest::Client::new().request(method, format!("http://{}/{path}", self.host));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    pub(crate) async fn put(&self, path: &str, body: Value) {
        let (status, said) = self.ask(reqwest::Method::PUT, path, Some(body)).await;
        assert!(status < 300, "{status} {said}");
    }

    pub(crate) async fn settings(&self, settings: Value) {
        self.put(&format!("{}/_settings", self.index), settings).await;
    }

    pub(crate) async fn delete_index(&self) {
        self.ask(reqwest::Method::DELETE, &self.index, None).await;
    }
}

/// Writes `value` under `id`, for ever.
pub(crate) async fn set(store: &ElasticStore, id: &str, value: &'static str) -> Version {
    store.put(Key::new(HERE, id), NewEntry::new(value), PutMode::Replace).await.unwrap()
}

/// Writes `value` under `id`, to live for `ttl`.
pub(crate) async fn set_for(store: &ElasticStore, id: &str, ttl: Duration) -> Version {
    store.put(Key::new(HERE, id), NewEntry::new("x").ttl(ttl), PutMode::Replace).await.unwrap()
}

pub(crate) async fn read(store: &ElasticStore, id: &str) -> Option<Entry> {
    store.get(Key::new(HERE, id)).await.unwrap()
}

pub(crate) async fn value(store: &ElasticStore, id: &str) -> Option<String> {
    read(store, id).await.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

/// All items of a scan.
pub(crate) async fn list(store: &ElasticStore, scan: Scan<'_>) -> Vec<Item> {
    let (mut items, mut from) = (Vec::new(), None);
    loop {
        let page = store.scan(scan, from.as_ref()).await.unwrap();
        items.extend(page.items);
        from = page.next;
        if from.is_none() {
            return items;
        }
    }
}

pub(crate) fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| &*item.id).collect()
}
