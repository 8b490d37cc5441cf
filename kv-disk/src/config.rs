//! Where the store lies and how it is to be opened.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kv_core::backend::embedded::{Directory, Durability};
use kv_core::{Clock, Result, StoreUrl};

/// The library that keeps the files. Recorded in the directory when the store is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// sled 0.34: the default; fastest writes, up to about a million entries.
    Sled,
    /// redb 4: opens at once whatever its size and keeps to its memory; every write is synced to the disk.
    Redb,
}

impl Engine {
    pub(crate) const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// The name, as it stands in URLs and in the directory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the store lies and how it is to be opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiskConfig {
    /// The directory, the store's alone. It may be moved while the store is closed.
    pub dir: PathBuf,
    /// Sets apart several users of one directory, one after the other. Default `larder`.
    pub namespace: String,
    /// The engine for a new store; an existing one must have been made with it. `None`: what is there, else sled.
    pub engine: Option<Engine>,
    /// What an acknowledged write survives. Default [`Durability::Os`], after which a power cut may cost about the last
    /// 500 ms; redb knows no such step and keeps [`Durability::Always`] in any case.
    pub durability: Durability,
    /// Whether a missing store is created. Default true.
    pub create: bool,
    /// How long to wait for another process to let go of the directory. Default 5 s; zero does not wait.
    pub lock_wait: Duration,
    /// What the engine's cache may take in bytes; sled takes it as a wish. Default 64 MiB.
    pub cache_bytes: usize,
    /// Whose wall clock decides that an entry has expired.
    pub clock: Clock,
}

impl DiskConfig {
    /// A store in `dir` with all defaults.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            namespace: "larder".to_owned(),
            engine: None,
            durability: Durability::default(),
            create: true,
            lock_wait: Duration::from_secs(5),
            cache_bytes: 64 << 20,
            clock: Clock::system(),
        }
    }
    /// What `disk:///abs/dir` or `disk:rel/dir` asks for: `engine=sled|redb`, `durability=os|always`, `create=false`,
    /// `lock_wait=0`, and the reserved `namespace`.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what to write.
    pub fn from_url(url: &mut StoreUrl) -> Result<Self> {
        let mut config = Self::new(url.directory()?);
        if let Some(namespace) = &url.reserved().namespace {
            config.namespace.clone_from(namespace);
        }
        let params = url.params();
        config.engine = params.take_choice("engine", &Engine::ALL.map(|engine| (engine.as_str(), engine)))?;
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

    use kv_core::{ErrorKind, StoreUrl};

    use kv_core::backend::embedded::Durability;

    use super::{DiskConfig, Engine};

    fn read(url: &str) -> kv_core::Result<DiskConfig> {
        DiskConfig::from_url(&mut StoreUrl::parse(url)?)
    }

    #[test]
    fn a_url_without_parameters_means_the_defaults() {
        let config = read("disk:///var/lib/app").unwrap();
        assert_eq!(config.dir, Path::new("/var/lib/app"));
        assert_eq!((config.engine, config.durability, config.create), (None, Durability::Os, true));
        assert_eq!(config.namespace, "larder");
        assert_eq!(read("disk:some/dir").unwrap().dir, Path::new("some/dir"));
    }

    #[test]
    fn every_parameter_is_read() {
        let config =
            read("disk:d?engine=redb&durability=always&create=false&namespace=n&lock_wait=0").unwrap();
        assert_eq!((config.engine, config.durability), (Some(Engine::Redb), Durability::Always));
        assert_eq!((config.create, config.namespace.as_str()), (false, "n"));
        assert!(config.lock_wait.is_zero());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for url in
            ["disk:d?engine=lmdb", "disk:d?durability=none", "disk:d?engin=sled", "disk:d?create=1", "disk:"]
        {
            assert_eq!(read(url).unwrap_err().kind(), ErrorKind::Invalid, "{url}");
        }
    }
}
