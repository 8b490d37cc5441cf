//! The laws of a store, on memory behind each wrapper and behind all of them at once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::Mutex;
use std::time::Duration;

use kv_core::testing::{Harness, Held};
use kv_core::{AnyStore, Clock, Compress, Prefix, ReadOnly, Store as _, StoreExt as _, Timeout, TtlPolicy};
use kv_encrypt::{Encrypted, KeyRing, SecretKey};
use kv_memory::{MemoryConfig, MemoryStore};

const HOUR: Duration = Duration::from_secs(3_600);

/// Opens memory stores for one harness, and remembers the last one so that it can be looked into.
struct Bench {
    clock: Clock,
    below: Mutex<Option<MemoryStore>>,
}

impl Bench {
    fn new() -> Self {
        Self { clock: Clock::manual(), below: Mutex::default() }
    }

    fn open(&self, config: MemoryConfig) -> MemoryStore {
        let store = MemoryStore::open(config.clock(self.clock.clone())).unwrap();
        *self.below.lock().unwrap() = Some(store.clone());
        store
    }

    fn held(&self) -> Option<Held> {
        let held = self.below.lock().unwrap().as_ref()?.held();
        Some(Held { entries: held.entries, bytes: held.bytes })
    }
}

/// One harness and its run of all laws: a module, the name in the record, the store's type, how it is wrapped, and
/// the exceptions.
macro_rules! laws_behind {
    ($module:ident, $name:literal, $store:ty, $wrap:expr $(, $exceptions:ident($($law:ident = $why:literal),* $(,)?))*) => {
        mod $module {
            use super::*;

            struct Wrapped(Bench);

            impl Harness for Wrapped {
                type Store = $store;
                const NAME: &'static str = $name;

                async fn empty(&self) -> $store {
                    let wrap: fn(MemoryStore) -> $store = $wrap;
                    wrap(self.0.open(MemoryConfig::default()))
                }

                fn clock(&self) -> &Clock {
                    &self.0.clock
                }

                async fn sibling(&self, store: &$store) -> Option<$store> {
                    Some(store.clone())
                }

                async fn held(&self, _: &$store) -> Option<Held> {
                    self.0.held()
                }

                async fn full(&self) -> Option<$store> {
                    let wrap: fn(MemoryStore) -> $store = $wrap;
                    let store = wrap(self.0.open(MemoryConfig::default().max_bytes(32 << 10)));
                    store.capabilities().writable.then_some(store)
                }
            }

            kv_core::laws!(Wrapped(Bench::new()) $(, $exceptions($($law = $why),*))*);
        }
    };
}

laws_behind!(erased, "memory, erased", AnyStore, |store| store.erased());
laws_behind!(prefixed, "memory, prefixed", Prefix<MemoryStore>, |store| store.prefixed("app%/:*"));
laws_behind!(prefixed_twice, "memory, prefixed twice", Prefix<Prefix<MemoryStore>>, |store| {
    store.prefixed("outer/").prefixed("")
});
laws_behind!(read_only, "memory, read-only", ReadOnly<MemoryStore>, |store| store.read_only());
laws_behind!(compressed, "memory, compressed", Compress<MemoryStore>, |store| store.compressed());
laws_behind!(timed, "memory, with a timeout", Timeout<MemoryStore>, |store| store.timeout(HOUR));
laws_behind!(ttl_policy, "memory, ttl policy without settings", TtlPolicy<MemoryStore>, TtlPolicy::new);
laws_behind!(
    default_ttl,
    "memory, default ttl",
    TtlPolicy<MemoryStore>,
    |store| store.default_ttl(HOUR),
    breaks(
        an_entry_without_ttl_never_expires = "entries without ttl get the default, which is what it is for",
        a_put_without_ttl_over_an_old_ttl_never_expires =
            "entries without ttl get the default, which is what it is for",
        create_succeeds_over_what_expired = "entries without ttl get the default, which is what it is for",
        each_entry_of_a_batch_has_its_own_ttl =
            "entries without ttl get the default, which is what it is for",
        a_scan_gives_entries_exactly_if_asked =
            "entries without ttl get the default, which is what it is for",
    )
);
laws_behind!(all, "memory, sealed, compressed, prefixed, timed, ttl policy", All, |store| {
    let keys = KeyRing::new([SecretKey::from_bytes([1; 32])]).unwrap();
    let sealed = Encrypted::new(store, keys).context("laws");
    TtlPolicy::new(sealed.compressed().prefixed("app").timeout(HOUR))
});

/// All wrappers in their one right order.
type All = TtlPolicy<Timeout<Prefix<Compress<Encrypted<MemoryStore>>>>>;
