//! The laws, on the store that they are tried on themselves: by a clock that is moved, and by one that is waited for.

use kv_core::Clock;
use kv_core::testing::{Harness, Held, ReferenceStore, Size};

mod by_hand {
    use super::{Clock, Harness, Held, ReferenceStore};

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
}

/// As the laws run on a server, whose clock nobody moves.
mod in_real_time {
    use super::{Clock, Harness, ReferenceStore, Size};

    struct Reference(Clock);

    impl Harness for Reference {
        type Store = ReferenceStore;
        const NAME: &'static str = "reference in real time";

        async fn empty(&self) -> ReferenceStore {
            ReferenceStore::new(&self.0)
        }

        fn clock(&self) -> &Clock {
            &self.0
        }

        fn size(&self) -> Size {
            Size::SMALL
        }

        async fn sibling(&self, store: &ReferenceStore) -> Option<ReferenceStore> {
            Some(store.clone())
        }
    }

    kv_core::laws!(Reference(Clock::system()));
}
