//! The laws, on the store that they are tried on themselves.

use kv_core::Clock;
use kv_core::testing::{Harness, Held, ReferenceStore};

struct Reference(Clock);

impl Harness for Reference {
    type Store = ReferenceStore;
    const NAME: &'static str = "reference";

    async fn empty(&self) -> ReferenceStore {
        ReferenceStore::new(&self.0)
    }

    fn clock(&self) -> &Clock {
        &self.0
    }

    async fn sibling(&self, store: &ReferenceStore) -> Option<ReferenceStore> {
        Some(store.clone())
    }

    async fn held(&self, store: &ReferenceStore) -> Option<Held> {
        Some(store.held())
    }

    async fn full(&self) -> Option<ReferenceStore> {
        Some(ReferenceStore::with_max_bytes(&self.0, 16 << 10))
    }
}

kv_core::laws!(Reference(Clock::manual()));
