//! What these tests share.

use std::path::Path;

use kv_core::Result;
pub(crate) use kv_core::testing::embedded::kind::{Kind, Opening, opened};
pub(crate) use kv_core::testing::embedded::{child, entries, expected, fill, id, put, value};
use kv_rocksdb::{Durability, RocksConfig, RocksStore};
use tempfile::TempDir;

pub(crate) const MODES: [Durability; 2] = [Durability::Os, Durability::Always];

/// One of [`MODES`].
#[derive(Clone, Copy)]
pub(crate) struct Mode(pub(crate) usize);

impl Kind for Mode {
    type Store = RocksStore;
    const HOLDER: &'static str = "directory::a_child_holds_the_directory";
    const WRITER: &'static str = "crash::a_child_writes_until_it_is_killed";

    fn number(self) -> usize {
        self.0
    }

    fn name(self) -> String {
        format!("{:?}", MODES[self.0])
    }

    async fn open(self, dir: &Path, opening: Opening) -> Result<RocksStore> {
        let mut config = RocksConfig::new(dir);
        config.durability = MODES[self.0];
        config.create = opening.create;
        config.lock_wait = opening.lock_wait;
        config.clock = opening.clock;
        config.namespace = opening.namespace;
        RocksStore::open(config).await
    }

    async fn held(store: &RocksStore) -> u64 {
        store.held().await.unwrap().entries
    }

    fn warnings(store: &RocksStore) -> &[String] {
        store.warnings()
    }
}

/// Runs a test in a directory of its own.
pub(crate) async fn in_a_directory(test: impl AsyncFn(Mode, &Path)) {
    test(Mode(0), TempDir::new().unwrap().path()).await;
}

pub(crate) async fn open(dir: &Path) -> RocksStore {
    RocksStore::open(RocksConfig::new(dir)).await.unwrap()
}
