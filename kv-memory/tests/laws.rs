//! The laws, on a store that refuses when it is full and on one that evicts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod refusing {
    use kv_core::Clock;
    use kv_core::testing::{Harness, Held};
    use kv_memory::{MemoryConfig, MemoryStore};

    struct Memory(Clock);

    impl Memory {
        fn store(&self, config: MemoryConfig) -> MemoryStore {
            MemoryStore::open(config.clock(self.0.clone())).unwrap()
        }
    }

    impl Harness for Memory {
        type Store = MemoryStore;
        const NAME: &'static str = "memory";

        async fn empty(&self) -> MemoryStore {
            self.store(MemoryConfig::default())
        }

        fn clock(&self) -> &Clock {
            &self.0
        }

        async fn sibling(&self, store: &MemoryStore) -> Option<MemoryStore> {
            Some(store.clone())
        }

        async fn held(&self, store: &MemoryStore) -> Option<Held> {
            let held = store.held();
            Some(Held { entries: held.entries, bytes: held.bytes })
        }

        async fn full(&self) -> Option<MemoryStore> {
            Some(self.store(MemoryConfig::default().max_bytes(32 << 10)))
        }
    }

    kv_core::laws!(Memory(Clock::manual()));
}

mod evicting {
    use kv_core::Clock;
    use kv_core::testing::{Harness, Held};
    use kv_memory::{MemoryConfig, MemoryStore, OnFull};

    struct Cache(Clock);

    impl Harness for Cache {
        type Store = MemoryStore;
        const NAME: &'static str = "memory?on_full=evict";

        async fn empty(&self) -> MemoryStore {
            let config = MemoryConfig::default().max_bytes(1 << 30).on_full(OnFull::Evict);
            MemoryStore::open(config.clock(self.0.clone())).unwrap()
        }

        fn clock(&self) -> &Clock {
            &self.0
        }

        async fn sibling(&self, store: &MemoryStore) -> Option<MemoryStore> {
            Some(store.clone())
        }

        async fn held(&self, store: &MemoryStore) -> Option<Held> {
            let held = store.held();
            Some(Held { entries: held.entries, bytes: held.bytes })
        }
    }

    kv_core::laws!(Cache(Clock::manual()));
}
