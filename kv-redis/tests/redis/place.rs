//! Where the tests find their servers, and stores that stay apart on them.

use std::time::Duration;

use kv_core::{Result, StoreUrl};
use kv_redis::{RedisConfig, RedisStore};

/// What the variable holds; `None`, loudly, where it is not set and nothing requires it.
pub(crate) fn variable(name: &str) -> Option<String> {
    let found = std::env::var(name).ok();
    if found.is_none() {
        let required = std::env::var("LARDER_REQUIRE_ALL").is_ok_and(|all| all == "1");
        assert!(!required, "{name} is not set: scripts/services says what to set it to");
        eprintln!("SKIPPED: {name} is not set");
    }
    found
}

/// A namespace that nobody else has.
pub(crate) fn namespace() -> String {
    format!("test-{:032x}", rand::random::<u128>())
}

/// The configuration of a URL, with the patience that a busy machine needs.
pub(crate) fn config(url: &str, namespace: &str) -> RedisConfig {
    let mut config =
        RedisConfig::from_url(&mut StoreUrl::parse(url).expect("a URL")).expect("a configuration");
    namespace.clone_into(&mut config.namespace);
    config.response_timeout = Duration::from_secs(20);
    config.connect_timeout = Duration::from_secs(20);
    if let (Some(tls), Ok(ca)) = (&mut config.tls, std::env::var("LARDER_TEST_REDIS_TLS_CA")) {
        tls.ca_file = Some(ca.into());
    }
    config
}

/// A store in `namespace` on the server of `url`.
pub(crate) async fn open(url: &str, namespace: &str) -> Result<RedisStore> {
    RedisStore::open(config(url, namespace)).await
}
