//! The laws of a store, behind each wrapper and behind all of them at once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::Mutex;
use std::time::Duration;

use kv_core::testing::{Harness, Held, ReferenceStore};
use kv_core::{AnyStore, Clock, Compress, Prefix, ReadOnly, Store, StoreExt as _, Timeout, TtlPolicy};
use kv_encrypt::{Encrypted, KeyRing, SecretKey};
use kv_memory::{MemoryConfig, MemoryStore};

const HOUR: Duration = Duration::from_secs(3_600);

/// A store to be wrapped.
trait Below: Store + Clone {
    fn open(clock: &Clock) -> Self;
    fn limited(clock: &Clock) -> Self;
    fn inside(&self) -> Held;
}

impl Below for MemoryStore {
    fn open(clock: &Clock) -> Self {
        Self::open(MemoryConfig::default().clock(clock.clone())).unwrap()
    }

    fn limited(clock: &Clock) -> Self {
        Self::open(MemoryConfig::default().clock(clock.clone()).max_bytes(32 << 10)).unwrap()
    }

    fn inside(&self) -> Held {
        let held = self.held();
        Held { entries: held.entries, bytes: held.bytes }
    }
}

/// Unlike memory it has a largest value, so it shows that wrappers leave room for what they add.
impl Below for ReferenceStore {
    fn open(clock: &Clock) -> Self {
        Self::new(clock)
    }

    fn limited(clock: &Clock) -> Self {
        Self::with_max_bytes(clock, 32 << 10)
    }

    fn inside(&self) -> Held {
        self.held()
    }
}

/// Opens stores for one harness, and remembers the last one so that it can be looked into.
struct Bench<B> {
    clock: Clock,
    below: Mutex<Option<B>>,
}

impl<B: Below> Bench<B> {
    fn new() -> Self {
        Self { clock: Clock::manual(), below: Mutex::default() }
    }

    fn remembered(&self, store: B) -> B {
        *self.below.lock().unwrap() = Some(store.clone());
        store
    }

    fn held(&self) -> Option<Held> {
        self.below.lock().unwrap().as_ref().map(B::inside)
    }
}

/// One harness and its run of all laws: a module, the name in the record, the store below and how it is wrapped, and
/// the exceptions.
macro_rules! laws_behind {
    (
        $module:ident, $name:literal, $below:ty => $store:ty, $wrap:expr
        $(, $exceptions:ident($($law:ident = $why:literal),* $(,)?))*
    ) => {
        mod $module {
            use super::*;

            struct Wrapped(Bench<$below>);

            impl Harness for Wrapped {
                type Store = $store;
                const NAME: &'static str = $name;

                async fn empty(&self) -> $store {
                    let wrap: fn($below) -> $store = $wrap;
                    wrap(self.0.remembered(<$below as Below>::open(&self.0.clock)))
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
                    let wrap: fn($below) -> $store = $wrap;
                    let store = wrap(self.0.remembered(<$below as Below>::limited(&self.0.clock)));
                    store.capabilities().writable.then_some(store)
                }
            }

            kv_core::laws!(Wrapped(Bench::new()) $(, $exceptions($($law = $why),*))*);
        }
    };
}

laws_behind!(erased, "AnyStore", MemoryStore => AnyStore, |store| store.erased());
laws_behind!(prefixed, "Prefix", MemoryStore => Prefix<MemoryStore>, |store| store.prefixed("app%/:*"));
laws_behind!(prefixed_twice, "Prefix in Prefix", MemoryStore => Prefix<Prefix<MemoryStore>>, |store| {
    store.prefixed("outer/").prefixed("")
});
laws_behind!(read_only, "ReadOnly", MemoryStore => ReadOnly<MemoryStore>, |store| store.read_only());
laws_behind!(compressed, "Compress", ReferenceStore => Compress<ReferenceStore>, |store| store.compressed());
laws_behind!(timed, "Timeout", MemoryStore => Timeout<MemoryStore>, |store| store.timeout(HOUR));
laws_behind!(ttl_policy, "TtlPolicy without settings", MemoryStore => TtlPolicy<MemoryStore>, TtlPolicy::new);
laws_behind!(
    default_ttl,
    "TtlPolicy with a default",
    MemoryStore => TtlPolicy<MemoryStore>,
    |store| store.default_ttl(HOUR),
    breaks(
        an_entry_without_ttl_never_expires = "an entry without ttl gets the default, which is what it is for",
        a_put_without_ttl_over_an_old_ttl_never_expires =
            "an entry without ttl gets the default, which is what it is for",
        create_succeeds_over_what_expired = "an entry without ttl gets the default, which is what it is for",
        each_entry_of_a_batch_has_its_own_ttl =
            "an entry without ttl gets the default, which is what it is for",
        a_scan_gives_entries_exactly_if_asked =
            "an entry without ttl gets the default, which is what it is for",
    )
);
laws_behind!(sealed, "Encrypted", ReferenceStore => Encrypted<ReferenceStore>, encrypted);
laws_behind!(all, "all of them", ReferenceStore => All, |store| {
    TtlPolicy::new(encrypted(store).compressed().prefixed("app").timeout(HOUR))
});

/// All wrappers in their one right order.
type All = TtlPolicy<Timeout<Prefix<Compress<Encrypted<ReferenceStore>>>>>;

fn encrypted<S: Store>(store: S) -> Encrypted<S> {
    Encrypted::new(store, KeyRing::new([SecretKey::from_bytes([1; 32])]).unwrap()).context("laws")
}
