//! From a URL to a store.

use std::future::{Future, ready};
use std::sync::{Mutex, PoisonError};

use kv_core::backend::embedded::Directory;
use kv_core::{AnyStore, Diagnose, Error, ErrorKind, Finding, Reserved, Result, Store, StoreUrl};

use crate::foreign;
use crate::keys::{Place, Seal};
use crate::platform::Platform;
use crate::scheme::{self, Where};
use crate::{layers, note, password};

/// What becomes of a store that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is made, unless the URL says otherwise.
    IsMade,
    /// That is an error, whatever the URL says.
    IsRefused,
}

/// How a store is to be opened.
#[derive(Clone, Copy)]
struct Way<'a> {
    missing: Missing,
    /// Where the backend is to say how its database is set up.
    findings: Option<&'a Mutex<Vec<Finding>>>,
    /// Whether the caller looks at the note and seals what is opened here.
    is_sealed_later: bool,
}

/// Opens `url` for `app`, whose key file is the last place to look for a key.
pub(crate) async fn open(
    platform: &impl Platform,
    app: &str,
    url: &str,
    missing: Missing,
) -> Result<AnyStore> {
    opened(platform, app, url, missing, None).await
}

/// As [`open`]; beside it what the backend says of its database.
pub(crate) async fn diagnose(
    platform: &impl Platform,
    app: &str,
    url: &str,
    missing: Missing,
) -> Result<(AnyStore, Vec<Finding>)> {
    let findings = Mutex::default();
    let store = opened(platform, app, url, missing, Some(&findings)).await?;
    Ok((store, findings.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// The store of `url` from its encryption downwards: without what stands above it. It must be there.
#[cfg(feature = "encrypt")]
pub(crate) async fn open_encrypted(
    platform: &impl Platform,
    app: &str,
    url: &str,
) -> Result<kv_encrypt::Encrypted<AnyStore>> {
    let named = |error: kv_core::Error| error.during("open");
    let mut url = StoreUrl::parse(url).map_err(named)?;
    let scheme = scheme::find(url.scheme()).map_err(named)?;
    let mut reserved = layers::checked(scheme, url.reserved()).map_err(named)?;
    if foreign::is_asked(&reserved) {
        return Err(named(layers::invalid("what py-key-value wrote is only read: no key of it is changed")));
    }
    let place = match scheme.place {
        Where::Process | Where::Network => Place::Elsewhere,
        Where::Directory => Place::ExistingDirectory,
    };
    look_at_directory(&url).await.map_err(named)?;
    let seal = Seal::find(platform, app, &reserved, place).await.map_err(named)?;
    let seal =
        seal.ok_or_else(|| named(layers::invalid("the URL asks for no encryption: add `encrypt=aead`")))?;
    (reserved.encrypt, reserved.key_file, reserved.compress) = (None, None, None);
    (reserved.prefix, reserved.ttl, reserved.near) = (None, None, None);
    let way = Way { missing: Missing::IsRefused, findings: None, is_sealed_later: true };
    let backend = by_scheme(platform, app, &mut url, reserved, way).await.map_err(named)?;
    let note = looked_at(&backend, scheme.place, Some(&seal)).await.map_err(named)?;
    let noted = kv_core::StoreExt::erased(seal.noted(backend, note.as_deref()));
    Ok(seal.directly_around(noted))
}

/// How the store of `url` seals its values.
#[cfg(feature = "encrypt")]
pub(crate) async fn sealing(
    platform: &impl Platform,
    app: &str,
    url: &str,
) -> Result<Option<crate::platform::Sealing>> {
    let url = StoreUrl::parse(url)?;
    let place = match scheme::find(url.scheme())?.place {
        Where::Process | Where::Network => Place::Elsewhere,
        Where::Directory => Place::ExistingDirectory,
    };
    let seal = Seal::find(platform, app, url.reserved(), place).await?;
    Ok(seal.map(|seal| seal.sealing()))
}

async fn opened(
    platform: &impl Platform,
    app: &str,
    url: &str,
    missing: Missing,
    findings: Option<&Mutex<Vec<Finding>>>,
) -> Result<AnyStore> {
    let named = |error: kv_core::Error| error.during("open");
    let mut url = StoreUrl::parse(url).map_err(named)?;
    let scheme = scheme::find(url.scheme()).map_err(named)?;
    let reserved = layers::checked(scheme, url.reserved()).map_err(named)?;
    let way = Way { missing, findings, is_sealed_later: false };
    by_scheme(platform, app, &mut url, reserved, way).await.map_err(named)
}

/// One arm per backend: its config from the URL, then what opens it. A backend in a directory says whether it is there.
async fn by_scheme(
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
            let config = kv_memcached::MemcachedConfig::from_url(url)?;
            frame.around(kv_memcached::MemcachedStore::open(config)).await
        }
        #[cfg(feature = "dynamo")]
        "dynamodb" => {
            let mut config = kv_dynamo::DynamoConfig::from_url(url)?;
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
            config.create &= missing == Missing::IsMade;
            frame.around(kv_elastic::ElasticStore::open(config)).await
        }
        #[cfg(feature = "pykv")]
        "filetree" => foreign::tree(frame, url).await,
        // Not to be reached: what `find` calls built has its arm above.
        _ => frame.around(ready(Err::<AnyStore, _>(scheme::not_built(scheme)))).await,
    }
}

/// Sees to it that a directory holds a store, before anybody asks for the key that was made with it.
async fn look_at_directory(url: &StoreUrl) -> Result<()> {
    if !matches!(url.scheme(), "disk" | "rocksdb") {
        return Ok(());
    }
    let dir = url.directory()?;
    let look = tokio::task::spawn_blocking(move || (Directory::holds_a_store(&dir), dir)).await;
    let (holds_a_store, dir) = look.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "looking into the directory was interrupted").because(error)
    })?;
    if holds_a_store {
        return Ok(());
    }
    let message = format!("there is no store in {}, and none is to be made", dir.display());
    Err(Error::new(ErrorKind::Invalid, message))
}

/// The note of a backend that was just opened; one whose note forbids to open it so is closed again.
async fn looked_at(store: &impl Store, place: Where, seal: Option<&Seal>) -> Result<Option<String>> {
    let checked = match note::look(store, place).await {
        Ok(found) => note::check(found.as_deref(), seal).map(|()| found),
        Err(error) => Err(error),
    };
    if checked.is_err() {
        drop(store.close().await); // nothing was written
    }
    checked
}

/// What stands around a backend: the same for each.
pub(crate) struct Frame<'a, P> {
    pub(crate) platform: &'a P,
    pub(crate) app: &'a str,
    pub(crate) place: Where,
    pub(crate) reserved: Reserved,
    /// Where the backend is to say how its database is set up.
    pub(crate) findings: Option<&'a Mutex<Vec<Finding>>>,
    /// Whether the caller looks at the note and seals what is opened.
    pub(crate) is_sealed_later: bool,
}

impl<P: Platform> Frame<'_, P> {
    /// The store that `opening` opens, in the wrappers that the URL asks for. Not for a directory.
    pub(crate) async fn around<S: Store + Diagnose>(
        self,
        opening: impl Future<Output = Result<S>> + Send,
    ) -> Result<AnyStore> {
        self.around_directory(true, opening).await
    }

    /// As `around`, for a directory that holds a store already or not: its key may be made with it, not later.
    pub(crate) async fn around_directory<S: Store + Diagnose>(
        self,
        exists: bool,
        opening: impl Future<Output = Result<S>> + Send,
    ) -> Result<AnyStore> {
        let Self { platform, app, place: lies, reserved, findings, is_sealed_later } = self;
        let place = match lies {
            Where::Process | Where::Network => Place::Elsewhere,
            Where::Directory if exists => Place::ExistingDirectory,
            Where::Directory => Place::NewDirectory,
        };
        let seal = Seal::find(platform, app, &reserved, place).await?;
        let store = opening.await?;
        if let Some(findings) = findings {
            let found = store.diagnose().await;
            findings.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
        let note = match lies {
            Where::Process => seal.as_ref().map(Seal::key), // nobody else comes upon what it holds
            _ if is_sealed_later || foreign::is_asked(&reserved) => None,
            _ => looked_at(&store, lies, seal.as_ref()).await?,
        };
        Ok(layers::around(store, &reserved, seal, note.as_deref()))
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
