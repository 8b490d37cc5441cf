//! How a store is found in its directory, or made there.

use kv_core::backend::embedded::{Directory, Open, Poison};
use kv_core::{Error, ErrorKind, Result};

use crate::config::{DiskConfig, Engine};
use crate::disk::Disk;
use crate::engine::Db;
use crate::{namespace, walk};

/// Opens or creates the store. Blocks, up to `lock_wait` and then as long as the engine reads.
pub(crate) fn open(config: &DiskConfig) -> Result<(Open<Disk>, Engine)> {
    let directory = Directory::claim(&config.dir, config.create, config.lock_wait)?;
    let poison = Poison::default();
    let engine = found_or_created(&directory, config, &poison)?;
    let db = poison.guard(|| Db::open(engine, &directory.data(), config))?;
    let (namespace, note) = match poison.guard(|| namespace::claim(&db, &config.namespace)) {
        Ok(claimed) => claimed,
        Err(failed) => {
            if poison.is_poisoned() {
                db.abandon();
            }
            return Err(failed);
        }
    };
    let mut open = Open::new(directory, Disk::new(db, note), poison, config.clock.clone(), namespace)?;
    open.start("larder-walk", walk::walk)?;
    Ok((open, engine))
}

fn found_or_created(directory: &Directory, config: &DiskConfig, poison: &Poison) -> Result<Engine> {
    if let Some(found) = directory.engine()? {
        let found = known(&found)?;
        return match config.engine {
            Some(wanted) if wanted != found => Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the store was made with engine={found}; leave the engine out, or choose another directory"
                ),
            )),
            _ => Ok(found),
        };
    }
    let engine = config.engine.unwrap_or(Engine::Sled);
    directory.create(engine.as_str(), |dir| poison.guard(|| Db::create(engine, dir, config)))?;
    Ok(engine)
}

fn known(name: &str) -> Result<Engine> {
    let known = Engine::ALL.into_iter().find(|engine| engine.as_str() == name);
    known.ok_or_else(|| {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "the store was made with engine={name}, which is none of `disk`; choose another directory"
            ),
        )
    })
}
