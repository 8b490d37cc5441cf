//! What these tests share.

use std::path::Path;

pub(crate) use kv_core::testing::embedded::{child, entries, expected, fill, id, put, value};
use kv_disk::{DiskConfig, DiskStore, Durability, Engine};

/// Every engine with every durability that it has.
pub(crate) const MODES: [(Engine, Durability); 3] =
    [(Engine::Sled, Durability::Os), (Engine::Sled, Durability::Always), (Engine::Redb, Durability::Always)];

pub(crate) const ENGINES: [Engine; 2] = [Engine::Sled, Engine::Redb];

pub(crate) fn config(engine: Engine, dir: &Path) -> DiskConfig {
    let mut config = DiskConfig::new(dir);
    config.engine = Some(engine);
    config
}

pub(crate) async fn open(engine: Engine, dir: &Path) -> DiskStore {
    DiskStore::open(config(engine, dir)).await.unwrap()
}
