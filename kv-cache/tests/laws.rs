//! The laws, behind a near tier: as its own process sees it, and as two processes do.

#![cfg(feature = "near")]

use std::sync::{Mutex, PoisonError};

use kv_cache::{Near, NearCache, NearExt as _};
use kv_core::Clock;
use kv_core::testing::Held;
use kv_memory::{MemoryConfig, MemoryStore};

/// Opens stores and remembers the last one, to look into it and to give another process its view.
struct Bench {
    clock: Clock,
    below: Mutex<Option<MemoryStore>>,
}

impl Bench {
    fn new() -> Self {
        Self { clock: Clock::manual(), below: Mutex::default() }
    }

    fn open(&self, config: MemoryConfig) -> NearCache<MemoryStore> {
        let store = MemoryStore::open(config.clock(self.clock.clone())).expect("a store");
        *self.below.lock().unwrap_or_else(PoisonError::into_inner) = Some(store.clone());
        self.near(store)
    }

    fn near(&self, store: MemoryStore) -> NearCache<MemoryStore> {
        store.near_cached(&Near::default().clock(self.clock.clone()))
    }

    fn below(&self) -> Option<MemoryStore> {
        self.below.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn held(&self, near: &NearCache<MemoryStore>) -> Option<Held> {
        let (near, below) = (near.held(), self.below()?.held());
        Some(Held { entries: near.entries + below.entries, bytes: near.bytes + below.bytes })
    }
}

/// One harness: a module, the name in the record, what a sibling is, and the exceptions.
macro_rules! laws_behind_a_near_tier {
    ($module:ident, $name:literal, $sibling:expr $(, $exceptions:ident($($law:ident = $why:literal),* $(,)?))*) => {
        mod $module {
            use kv_core::testing::Harness;

            use super::*;

            struct Nearby(Bench);

            impl Harness for Nearby {
                type Store = NearCache<MemoryStore>;
                const NAME: &'static str = $name;

                async fn empty(&self) -> Self::Store {
                    self.0.open(MemoryConfig::default())
                }

                fn clock(&self) -> &Clock {
                    &self.0.clock
                }

                async fn sibling(&self, store: &Self::Store) -> Option<Self::Store> {
                    let sibling: fn(&Bench, &Self::Store) -> Option<Self::Store> = $sibling;
                    sibling(&self.0, store)
                }

                async fn held(&self, store: &Self::Store) -> Option<Held> {
                    self.0.held(store)
                }

                async fn full(&self) -> Option<Self::Store> {
                    Some(self.0.open(MemoryConfig::default().max_bytes(32 << 10)))
                }
            }

            kv_core::laws!(Nearby(Bench::new()) $(, $exceptions($($law = $why),*))*);
        }
    };
}

laws_behind_a_near_tier!(one_process, "NearCache", |_, store| Some(store.clone()));
laws_behind_a_near_tier!(
    two_processes,
    "NearCache of two processes",
    |bench, _| Some(bench.near(bench.below()?)),
    cannot_show(
        an_acknowledged_write_is_seen_through_another_handle =
            "what another process wrote is seen when the news of it arrive, an instant later",
        close_ends_other_handles_too =
            "what was read before is answered until the news of the end arrive, an instant later",
    )
);
