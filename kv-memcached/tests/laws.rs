//! The laws of a store, on the server that `LARDER_TEST_MEMCACHED` names.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use kv_core::testing::{Harness, Size, service};
use kv_core::{Clock, StoreUrl};
use kv_memcached::{MemcachedConfig, MemcachedStore};

/// Opens stores in namespaces of their own on one server.
struct Memcached {
    url: String,
    clock: Clock,
}

impl Memcached {
    /// `None`, loudly, where there is no server and nothing requires one.
    fn found() -> Option<Self> {
        service("LARDER_TEST_MEMCACHED").map(|url| Self { url, clock: Clock::manual() })
    }
}

impl Harness for Memcached {
    type Store = MemcachedStore;
    const NAME: &'static str = "memcached";

    async fn empty(&self) -> MemcachedStore {
        let mut config = MemcachedConfig::from_url(&mut StoreUrl::parse(&self.url).unwrap()).unwrap();
        config.namespace = format!("laws-{:032x}", rand::random::<u128>());
        config.clock = self.clock.clone();
        MemcachedStore::open(config).await.unwrap()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn size(&self) -> Size {
        Size::SMALL
    }

    async fn sibling(&self, store: &MemcachedStore) -> Option<MemcachedStore> {
        Some(store.clone())
    }
}

kv_core::laws!(match Memcached::found() {
    Some(harness) => harness,
    None => return,
});
