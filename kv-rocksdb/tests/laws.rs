//! The laws of a store, with both durabilities.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::Mutex;

use kv_core::Clock;
use kv_core::testing::{Harness, Held, Size};
use kv_rocksdb::{Durability, RocksConfig, RocksStore};
use tempfile::TempDir;

/// Opens stores below directories that go away with it.
struct Bench {
    clock: Clock,
    durability: Durability,
    dirs: Mutex<Vec<TempDir>>,
}

impl Bench {
    fn new(durability: Durability) -> Self {
        Self { clock: Clock::manual(), durability, dirs: Mutex::default() }
    }

    async fn empty(&self) -> RocksStore {
        let dir = TempDir::new().unwrap();
        let mut config = RocksConfig::new(dir.path().join("store"));
        config.durability = self.durability;
        config.clock = self.clock.clone();
        self.dirs.lock().unwrap().push(dir);
        RocksStore::open(config).await.unwrap()
    }
}

/// One harness and its run of all laws.
macro_rules! laws_of {
    ($module:ident, $name:literal, $durability:ident, $size:expr) => {
        mod $module {
            use super::*;

            struct Rocks(Bench);

            impl Harness for Rocks {
                type Store = RocksStore;
                const NAME: &'static str = $name;

                async fn empty(&self) -> RocksStore {
                    self.0.empty().await
                }

                fn clock(&self) -> &Clock {
                    &self.0.clock
                }

                fn size(&self) -> Size {
                    $size
                }

                async fn sibling(&self, store: &RocksStore) -> Option<RocksStore> {
                    Some(store.clone())
                }

                async fn held(&self, store: &RocksStore) -> Option<Held> {
                    let held = store.held().await.unwrap();
                    Some(Held { entries: held.entries, bytes: held.bytes })
                }
            }

            kv_core::laws!(Rocks(Bench::new(Durability::$durability)));
        }
    };
}

laws_of!(os, "rocksdb (os)", Os, Size::MEDIUM);
laws_of!(always, "rocksdb (always)", Always, Size::SMALL);
