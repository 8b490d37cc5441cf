//! How a store is found in its directory, or made there.

use kv_core::backend::embedded::{Directory, Namespace, Open, Poison};
use kv_core::backend::encode;
use kv_core::{Error, ErrorKind, Result};

use crate::config::RocksConfig;
use crate::engine::Rocks;

/// The name in the directory.
const ENGINE: &str = "rocksdb";

/// Opens or creates the store. Blocks, up to `lock_wait` and then as long as the engine reads.
pub(crate) fn open(config: &RocksConfig) -> Result<Open<Rocks>> {
    let directory = Directory::claim(&config.dir, config.create, config.lock_wait)?;
    let poison = Poison::default();
    find_or_create(&directory, config, &poison)?;
    let db = poison.guard(|| Rocks::open(&directory.data(), config))?;
    let namespace = Namespace::new(&config.namespace, encode(&[&config.namespace], ""));
    Open::new(directory, db, poison, config.clock.clone(), namespace)
}

fn find_or_create(directory: &Directory, config: &RocksConfig, poison: &Poison) -> Result<()> {
    match directory.engine()?.as_deref() {
        Some(ENGINE) => Ok(()),
        Some(other) => Err(Error::new(
            ErrorKind::Invalid,
            format!("the store was made with engine={other}: open it as `disk`, or choose another directory"),
        )),
        None => directory.create(ENGINE, |dir| poison.guard(|| Rocks::create(dir, config))),
    }
}
