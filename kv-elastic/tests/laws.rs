//! The laws of a store, on the server that `LARDER_TEST_OPENSEARCH` names.

use std::time::Duration;

use kv_core::testing::{Harness, Held, Size, service};
use kv_core::{Clock, StoreUrl};
use kv_elastic::{ElasticConfig, ElasticStore};

/// Opens stores in namespaces of their own in one index. The caller's clock judges, so it is moved by hand.
struct Elastic {
    url: String,
    clock: Clock,
}

impl Elastic {
    /// `None`, loudly, where there is no server and nothing requires one.
    fn found() -> Option<Self> {
        service("LARDER_TEST_OPENSEARCH").map(|url| Self { url, clock: Clock::manual() })
    }
}

impl Harness for Elastic {
    type Store = ElasticStore;
    const NAME: &'static str = "opensearch";

    async fn empty(&self) -> ElasticStore {
        let mut url = StoreUrl::parse(&self.url).expect("a URL");
        let mut config = ElasticConfig::from_url(&mut url).expect("a config");
        "larder-laws".clone_into(&mut config.index);
        config.namespace = format!("laws-{:032x}", rand::random::<u128>());
        config.clock = self.clock.clone();
        config.reap_every = Duration::from_millis(500);
        config.reap_after = Duration::ZERO;
        config.open_timeout = Duration::from_secs(30); // the machine may be busy
        ElasticStore::open(config).await.expect("the server")
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn size(&self) -> Size {
        Size { patience: Duration::from_secs(60), ..Size::SMALL }
    }

    async fn sibling(&self, store: &ElasticStore) -> Option<ElasticStore> {
        Some(store.clone())
    }

    async fn held(&self, store: &ElasticStore) -> Option<Held> {
        let held = store.held().await.expect("a count");
        Some(Held { entries: held.entries, bytes: held.bytes })
    }
}

kv_core::laws!(match Elastic::found() {
    Some(harness) => harness,
    None => return,
});
