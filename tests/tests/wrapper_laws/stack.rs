//! A store behind wrappers, as a harness of the laws.

use std::sync::Mutex;

use kv_core::testing::{Harness, Held, ReferenceStore, Size};
use kv_core::{AnyStore, Clock, Store as _, StoreExt as _};
use kv_memory::{MemoryConfig, MemoryStore};

use super::wrappers::Wrapper;

/// What stands at the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Memory,
    /// Unlike memory it has a largest value, so it shows that wrappers leave room for what they add.
    Reference,
}

/// A store that can be looked into.
#[derive(Debug)]
enum Below {
    Memory(MemoryStore),
    Reference(ReferenceStore),
}

/// Opens stores of one kind for one stack, and remembers the last ones so that they can be looked into.
#[derive(Debug)]
pub(crate) struct Source {
    base: Base,
    pub(crate) clock: Clock,
    limited: Mutex<bool>,
    opened: Mutex<Vec<Below>>,
}

impl Source {
    /// Another empty store, for wrappers that need a second one.
    pub(crate) fn open(&self) -> AnyStore {
        let limited = *self.limited.lock().unwrap();
        let (store, below) = match self.base {
            Base::Memory => {
                let config = MemoryConfig::default().clock(self.clock.clone());
                let config = if limited { config.max_bytes(32 << 10) } else { config };
                let store = MemoryStore::open(config).unwrap();
                (store.clone().erased(), Below::Memory(store))
            }
            Base::Reference => {
                let max = if limited { 32 << 10 } else { usize::MAX };
                let store = ReferenceStore::with_max_bytes(&self.clock, max);
                (store.clone().erased(), Below::Reference(store))
            }
        };
        self.opened.lock().unwrap().push(below);
        store
    }

    fn held(&self) -> Held {
        let opened = self.opened.lock().unwrap();
        let each = opened.iter().map(|below| match below {
            Below::Memory(store) => (store.held().entries, store.held().bytes),
            Below::Reference(store) => (store.held().entries, store.held().bytes),
        });
        let (entries, bytes) = each.fold((0, 0), |sum, held| (sum.0 + held.0, sum.1 + held.1));
        Held { entries, bytes }
    }
}

/// Wrappers, outermost first, around a base.
pub(crate) struct Stack {
    source: Source,
    size: Size,
    wrappers: Vec<&'static Wrapper>,
}

impl Stack {
    pub(crate) fn new(base: Base, size: Size, wrappers: Vec<&'static Wrapper>) -> Self {
        let source =
            Source { base, clock: Clock::manual(), limited: Mutex::default(), opened: Mutex::default() };
        Self { source, size, wrappers }
    }

    pub(crate) fn name(&self) -> String {
        let names: Vec<_> = self.wrappers.iter().map(|wrapper| wrapper.name).collect();
        names.join(" around ")
    }

    fn build(&self, limited: bool) -> AnyStore {
        *self.source.limited.lock().unwrap() = limited;
        self.source.opened.lock().unwrap().clear();
        let store = self.source.open();
        self.wrappers.iter().rev().fold(store, |store, wrapper| (wrapper.wrap)(&self.source, store))
    }
}

impl Harness for Stack {
    type Store = AnyStore;
    const NAME: &'static str = "a stack of wrappers";

    async fn empty(&self) -> AnyStore {
        self.build(false)
    }

    fn clock(&self) -> &Clock {
        &self.source.clock
    }

    fn size(&self) -> Size {
        self.size
    }

    async fn sibling(&self, store: &AnyStore) -> Option<AnyStore> {
        Some(store.clone())
    }

    async fn held(&self, _: &AnyStore) -> Option<Held> {
        Some(self.source.held())
    }

    async fn full(&self) -> Option<AnyStore> {
        let store = self.build(true);
        store.capabilities().writable.then_some(store)
    }
}
