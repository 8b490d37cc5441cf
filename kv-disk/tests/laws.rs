//! The laws of a store, on both engines and both durabilities.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::Mutex;

use kv_core::Clock;
use kv_core::testing::{Harness, Held, Size};
use kv_disk::{DiskConfig, DiskStore, Durability, Engine};
use tempfile::TempDir;

/// Opens stores below directories that go away with it.
struct Bench {
    clock: Clock,
    engine: Engine,
    durability: Durability,
    dirs: Mutex<Vec<TempDir>>,
}

impl Bench {
    fn new(engine: Engine, durability: Durability) -> Self {
        Self { clock: Clock::manual(), engine, durability, dirs: Mutex::default() }
    }

    async fn empty(&self) -> DiskStore {
        let dir = TempDir::new().unwrap();
        let mut config = DiskConfig::new(dir.path().join("store"));
        config.engine = Some(self.engine);
        config.durability = self.durability;
        config.clock = self.clock.clone();
        self.dirs.lock().unwrap().push(dir);
        DiskStore::open(config).await.unwrap()
    }
}

/// One harness and its run of all laws.
macro_rules! laws_of {
    ($module:ident, $name:literal, $engine:ident, $durability:ident, $size:expr) => {
        mod $module {
            use super::*;

            struct Disk(Bench);

            impl Harness for Disk {
                type Store = DiskStore;
                const NAME: &'static str = $name;

                async fn empty(&self) -> DiskStore {
                    self.0.empty().await
                }

                fn clock(&self) -> &Clock {
                    &self.0.clock
                }

                fn size(&self) -> Size {
                    $size
                }

                async fn sibling(&self, store: &DiskStore) -> Option<DiskStore> {
                    Some(store.clone())
                }

                async fn held(&self, store: &DiskStore) -> Option<Held> {
                    let held = store.held().await.unwrap();
                    Some(Held { entries: held.entries, bytes: held.bytes })
                }
            }

            kv_core::laws!(Disk(Bench::new(Engine::$engine, Durability::$durability)));
        }
    };
}

laws_of!(sled, "disk (sled, os)", Sled, Os, Size::MEDIUM);
laws_of!(sled_always, "disk (sled, always)", Sled, Always, Size::SMALL);
laws_of!(redb, "disk (redb)", Redb, Always, Size::SMALL);
