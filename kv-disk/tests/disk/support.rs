//! What these tests share.

use std::path::Path;

use kv_core::Result;
pub(crate) use kv_core::testing::embedded::kind::{Kind, Opening, opened};
pub(crate) use kv_core::testing::embedded::{child, entries, expected, fill, id, put, value};
use kv_disk::{DiskConfig, DiskStore, Durability, Engine};
use tempfile::TempDir;

/// Every engine with every durability that it has.
pub(crate) const MODES: [(Engine, Durability); 3] =
    [(Engine::Sled, Durability::Os), (Engine::Sled, Durability::Always), (Engine::Redb, Durability::Always)];

pub(crate) const ENGINES: [Engine; 2] = [Engine::Sled, Engine::Redb];

/// One of [`MODES`].
#[derive(Clone, Copy)]
pub(crate) struct Mode(pub(crate) usize);

impl Mode {
    pub(crate) const SLED: Self = Self(0);
    pub(crate) const REDB: Self = Self(2);

    fn config(self, dir: &Path) -> DiskConfig {
        let (engine, durability) = MODES[self.0];
        let mut config = config(engine, dir);
        config.durability = durability;
        config
    }
}

impl Kind for Mode {
    type Store = DiskStore;
    const HOLDER: &'static str = "directory::a_child_holds_the_directory";
    const WRITER: &'static str = "crash::a_child_writes_until_it_is_killed";

    fn number(self) -> usize {
        self.0
    }

    fn name(self) -> String {
        let (engine, durability) = MODES[self.0];
        format!("{engine}, {durability:?}")
    }

    async fn open(self, dir: &Path, opening: Opening) -> Result<DiskStore> {
        let mut config = self.config(dir);
        config.create = opening.create;
        config.lock_wait = opening.lock_wait;
        config.clock = opening.clock;
        config.namespace = opening.namespace;
        DiskStore::open(config).await
    }

    async fn held(store: &DiskStore) -> u64 {
        store.held().await.unwrap().entries
    }

    fn warnings(store: &DiskStore) -> &[String] {
        store.warnings()
    }
}

/// Runs a test on each engine, in a directory of its own.
pub(crate) async fn each(test: impl AsyncFn(Mode, &Path)) {
    for mode in [Mode::SLED, Mode::REDB] {
        test(mode, TempDir::new().unwrap().path()).await;
    }
}

pub(crate) fn config(engine: Engine, dir: &Path) -> DiskConfig {
    let mut config = DiskConfig::new(dir);
    config.engine = Some(engine);
    config
}

pub(crate) async fn open(engine: Engine, dir: &Path) -> DiskStore {
    DiskStore::open(config(engine, dir)).await.unwrap()
}
