//! Where the store lies and how it is to be opened.

use std::path::PathBuf;
use std::time::Duration;

use kv_core::backend::embedded::{Directory, Durability};
use kv_core::{Clock, Result, StoreUrl};

/// Where the store lies and how it is to be opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RocksConfig {
    /// The directory, the store's alone. It may be moved while the store is closed.
    pub dir: PathBuf,
    /// Sets apart several users of one directory, one after the other. Default `larder`.
    pub namespace: String,
    /// What an acknowledged write survives. Default [`Durability::Os`].
    pub durability: Durability,
    /// Whether a missing store is created. Default true.
    pub create: bool,
    /// How long to wait for another process to let go of the directory. Default 5 s; zero does not wait.
    pub lock_wait: Duration,
    /// What the cache of read blocks may take in bytes. What is written takes up to 64 MiB beside it. Default 64 MiB.
    pub cache_bytes: usize,
    /// Whose wall clock decides that an entry has expired.
    pub clock: Clock,
}

impl RocksConfig {
    /// A store in `dir` with all defaults.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            namespace: "larder".to_owned(),
            durability: Durability::default(),
            create: true,
            lock_wait: Duration::from_secs(5),
            cache_bytes: 64 << 20,
            clock: Clock::system(),
        }
    }
    /// What `rocksdb:///abs/dir` or `rocksdb:rel/dir` asks for: `durability=os|always`, `create=false`, `lock_wait=0`,
    /// and the reserved `namespace`.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what to write.
    pub fn from_url(url: &mut StoreUrl) -> Result<Self> {
        let mut config = Self::new(url.directory()?);
        if let Some(namespace) = &url.reserved().namespace {
            config.namespace.clone_from(namespace);
        }
        let params = url.params();
        let durabilities = Durability::ALL.map(|durability| (durability.as_str(), durability));
        config.durability = params.take_choice("durability", &durabilities)?.unwrap_or_default();
        config.create = params.take_bool("create")?.unwrap_or(true);
        config.lock_wait = params.take_duration("lock_wait")?.unwrap_or(config.lock_wait);
        params.finish()?;
        Ok(config)
    }

    /// Whether the directory holds a store already, or cannot be looked at. While false, opening creates one.
    pub fn exists(&self) -> bool {
        Directory::holds_a_store(&self.dir)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kv_core::backend::embedded::Durability;
    use kv_core::{ErrorKind, StoreUrl};

    use super::RocksConfig;

    fn read(url: &str) -> kv_core::Result<RocksConfig> {
        RocksConfig::from_url(&mut StoreUrl::parse(url)?)
    }

    #[test]
    fn a_url_without_parameters_means_the_defaults() {
        let config = read("rocksdb:///var/lib/app").unwrap();
        assert_eq!(config.dir, Path::new("/var/lib/app"));
        assert_eq!((config.durability, config.create), (Durability::Os, true));
        assert_eq!(config.namespace, "larder");
        assert_eq!(read("rocksdb:some/dir").unwrap().dir, Path::new("some/dir"));
    }

    #[test]
    fn every_parameter_is_read() {
        let config = read("rocksdb:d?durability=always&create=false&namespace=n&lock_wait=0").unwrap();
        assert_eq!((config.durability, config.create), (Durability::Always, false));
        assert_eq!(config.namespace, "n");
        assert!(config.lock_wait.is_zero());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for url in ["rocksdb:d?engine=sled", "rocksdb:d?durability=none", "rocksdb:d?create=1", "rocksdb:"] {
            assert_eq!(read(url).unwrap_err().kind(), ErrorKind::Invalid, "{url}");
        }
    }
}
