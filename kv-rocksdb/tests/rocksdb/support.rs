//! What these tests share.

use std::path::Path;

pub(crate) use kv_core::testing::embedded::{child, entries, expected, fill, id, put, value};
use kv_rocksdb::{Durability, RocksConfig, RocksStore};

pub(crate) const MODES: [Durability; 2] = [Durability::Os, Durability::Always];

pub(crate) async fn open(dir: &Path) -> RocksStore {
    RocksStore::open(RocksConfig::new(dir)).await.unwrap()
}
