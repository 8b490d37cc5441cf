//! From a URL to a store.

use kv_core::{AnyStore, Reserved, Result, StoreUrl};

use crate::keys::{Place, Seal};
use crate::layers;
use crate::platform::Platform;
use crate::scheme;

/// Opens `url` for `app`, whose key file is the last place to look for a key.
pub(crate) async fn open(platform: &impl Platform, app: &str, url: &str) -> Result<AnyStore> {
    let opened = by_scheme(platform, app, &mut StoreUrl::parse(url)?).await;
    opened.map_err(|error| error.during("open"))
}

async fn by_scheme(platform: &impl Platform, app: &str, url: &mut StoreUrl) -> Result<AnyStore> {
    let reserved = url.reserved().clone();
    match url.scheme() {
        #[cfg(feature = "memory")]
        "memory" => {
            layers::check("memory", &reserved)?;
            memory(platform, app, url, &reserved).await
        }
        #[cfg(feature = "disk")]
        "disk" => {
            layers::check("disk", &reserved)?;
            disk(platform, app, kv_disk::DiskConfig::from_url(url)?, &reserved).await
        }
        missing => Err(scheme::missing(missing)),
    }
}

#[cfg(feature = "memory")]
async fn memory(
    platform: &impl Platform,
    app: &str,
    url: &mut StoreUrl,
    reserved: &Reserved,
) -> Result<AnyStore> {
    let config = kv_memory::MemoryConfig::from_url(url)?;
    let seal = Seal::find(platform, app, reserved, Place::Fleeting).await?;
    Ok(layers::around(kv_memory::MemoryStore::open(config)?, reserved, seal))
}

#[cfg(feature = "disk")]
pub(crate) async fn disk(
    platform: &impl Platform,
    app: &str,
    config: kv_disk::DiskConfig,
    reserved: &Reserved,
) -> Result<AnyStore> {
    let place = if config.exists() || !config.create { Place::ExistingDisk } else { Place::NewDisk };
    let seal = Seal::find(platform, app, reserved, place).await?;
    let store = kv_disk::DiskStore::open(config).await?;
    for warning in store.warnings() {
        platform.tell(warning);
    }
    Ok(layers::around(store, reserved, seal))
}
