//! From a scheme to its backend.

use std::future::ready;
#[cfg(any(feature = "dynamo", feature = "elastic", feature = "memcached"))]
use std::time::Duration;

use kv_core::{AnyStore, Reserved, Result, StoreUrl};

use super::{Frame, Missing, Way, look_at_directory};
#[cfg(feature = "pykv")]
use crate::foreign;
use crate::platform::Platform;
use crate::{password, scheme};

/// One arm per backend: its config from the URL, then what opens it. A backend in a directory says whether it is there.
pub(super) async fn by_scheme(
    platform: &impl Platform,
    app: &str,
    url: &mut StoreUrl,
    reserved: Reserved,
    way: Way<'_>,
) -> Result<AnyStore> {
    let scheme = scheme::find(url.scheme())?;
    let Way { missing, findings, is_sealed_later } = way;
    let frame = Frame { platform, app, place: scheme.place, reserved, findings, is_sealed_later };
    if missing == Missing::IsRefused {
        look_at_directory(url).await?;
    }
    password::set(platform, url).await?;
    match url.scheme() {
        #[cfg(feature = "memory")]
        "memory" => {
            let config = kv_memory::MemoryConfig::from_url(url)?;
            frame.around(async { kv_memory::MemoryStore::open(config) }).await
        }
        #[cfg(feature = "disk")]
        "disk" => {
            let mut config = kv_disk::DiskConfig::from_url(url)?;
            config.create &= missing == Missing::IsMade;
            disk(frame, config).await
        }
        #[cfg(feature = "rocksdb")]
        "rocksdb" => {
            let mut config = kv_rocksdb::RocksConfig::from_url(url)?;
            config.create &= missing == Missing::IsMade;
            rocksdb(frame, config).await
        }
        #[cfg(feature = "memcached")]
        "memcached" => {
            let mut config = kv_memcached::MemcachedConfig::from_url(url)?;
            config.response_timeout = patience(config.response_timeout, frame.reserved.timeout);
            frame.around(kv_memcached::MemcachedStore::open(config)).await
        }
        #[cfg(feature = "dynamo")]
        "dynamodb" => {
            let mut config = kv_dynamo::DynamoConfig::from_url(url)?;
            config.timeout = patience(config.timeout, frame.reserved.timeout);
            config.create &= missing == Missing::IsMade;
            dynamo(frame, config).await
        }
        #[cfg(feature = "mongo")]
        "mongodb" | "mongodb+srv" => {
            let mut config = kv_mongo::MongoConfig::from_url(url)?;
            config.create &= missing == Missing::IsMade;
            mongo(frame, config).await
        }
        #[cfg(feature = "redis")]
        name if name.starts_with("redis") || name.starts_with("valkey") => {
            #[cfg(feature = "pykv")]
            if foreign::is_asked(&frame.reserved) {
                return foreign::redis(frame, url).await;
            }
            let config = kv_redis::RedisConfig::from_url(url)?;
            frame.around(kv_redis::RedisStore::open(config)).await
        }
        #[cfg(feature = "elastic")]
        "elasticsearch" | "opensearch" => {
            let mut config = kv_elastic::ElasticConfig::from_url(url)?;
            config.patience = patience(config.patience, frame.reserved.timeout);
            config.open_timeout = patience(config.open_timeout, frame.reserved.timeout);
            config.create &= missing == Missing::IsMade;
            frame.around(kv_elastic::ElasticStore::open(config)).await
        }
        #[cfg(feature = "pykv")]
        "filetree" => foreign::tree(frame, url).await,
        // Not to be reached: what `find` calls built has its arm above.
        _ => frame.around(ready(Err::<AnyStore, _>(scheme::not_built(scheme)))).await,
    }
}

/// How long a backend waits by itself at most: never less than a try may take.
#[cfg(any(feature = "dynamo", feature = "elastic", feature = "memcached"))]
fn patience(own: Duration, given: Option<Duration>) -> Duration {
    /// In place of none.
    const UNLIMITED: Duration = Duration::from_secs(24 * 3600);
    match given {
        Some(given) if given.is_zero() => UNLIMITED,
        Some(given) => own.max(given),
        None => own,
    }
}

#[cfg(feature = "disk")]
pub(crate) async fn disk(frame: Frame<'_, impl Platform>, config: kv_disk::DiskConfig) -> Result<AnyStore> {
    let (platform, exists) = (frame.platform, config.exists() || !config.create);
    let opening = async {
        let store = kv_disk::DiskStore::open(config).await?;
        for warning in store.warnings() {
            platform.tell(warning);
        }
        Ok(store)
    };
    frame.around_directory(exists, opening).await
}

#[cfg(feature = "dynamo")]
async fn dynamo(frame: Frame<'_, impl Platform>, config: kv_dynamo::DynamoConfig) -> Result<AnyStore> {
    let platform = frame.platform;
    let opening = async {
        let store = kv_dynamo::DynamoStore::open(config).await?;
        for warning in store.warnings() {
            platform.tell(warning);
        }
        Ok(store)
    };
    frame.around(opening).await
}

#[cfg(feature = "mongo")]
async fn mongo(frame: Frame<'_, impl Platform>, config: kv_mongo::MongoConfig) -> Result<AnyStore> {
    let platform = frame.platform;
    let opening = async {
        let store = kv_mongo::MongoStore::open(config).await?;
        for warning in store.warnings() {
            platform.tell(warning);
        }
        Ok(store)
    };
    frame.around(opening).await
}

#[cfg(feature = "rocksdb")]
async fn rocksdb(frame: Frame<'_, impl Platform>, config: kv_rocksdb::RocksConfig) -> Result<AnyStore> {
    let (platform, exists) = (frame.platform, config.exists() || !config.create);
    let opening = async {
        let store = kv_rocksdb::RocksStore::open(config).await?;
        for warning in store.warnings() {
            platform.tell(warning);
        }
        Ok(store)
    };
    frame.around_directory(exists, opening).await
}

#[cfg(all(test, any(feature = "dynamo", feature = "elastic", feature = "memcached")))]
mod tests {
    use std::time::Duration;

    use super::patience;

    #[test]
    fn a_backend_never_gives_up_before_the_url_does() {
        let own = Duration::from_secs(10);
        assert_eq!(patience(own, None), own);
        assert_eq!(patience(own, Some(Duration::from_secs(2))), own);
        assert_eq!(patience(own, Some(Duration::from_secs(60))), Duration::from_secs(60));
        assert!(patience(own, Some(Duration::ZERO)) > Duration::from_secs(3600), "zero is no limit");
    }
}
