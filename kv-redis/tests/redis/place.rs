//! Where the tests find their servers, and stores that stay apart on them.

use std::path::PathBuf;
use std::time::Duration;

use kv_core::{Result, StoreUrl};
use kv_redis::{RedisConfig, RedisStore};

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
    if let Some(tls) = &mut config.tls {
        tls.ca_file = authority(url);
    }
    config
}

/// The file of the authority that signed the certificate of the server on the URL's port.
fn authority(url: &str) -> Option<PathBuf> {
    let port = |url: &str| url.rsplit(':').next().and_then(|rest| rest.split('/').next()).map(str::to_owned);
    let of = |server: &str| {
        let found = std::env::var(server).ok()?;
        (port(&found) == port(url)).then(|| std::env::var(format!("{server}_CA")).ok().map(PathBuf::from))?
    };
    ["LARDER_TEST_REDIS_TLS", "LARDER_TEST_REDIS_CLUSTER_TLS", "LARDER_TEST_VALKEY_TLS"]
        .into_iter()
        .find_map(of)
}

/// A store in `namespace` on the server of `url`.
pub(crate) async fn open(url: &str, namespace: &str) -> Result<RedisStore> {
    RedisStore::open(config(url, namespace)).await
}
