//! The wrappers, in the one right order, and how each is put around a store.

use std::time::Duration;

use kv_cache::{Near, NearExt as _};
use kv_core::testing::{Fault, Faults, Faulty};
use kv_core::{AnyStore, ErrorKind, Stats, Store, StoreExt as _, TtlPolicy};
use kv_encrypt::{Encrypted, KeyRing, SecretKey};

use super::beside::Beside;
use super::stack::Source;

const HOUR: Duration = Duration::from_secs(3_600);

/// One wrapper.
#[derive(Debug)]
pub(crate) struct Wrapper {
    /// In the page of laws.
    pub(crate) name: &'static str,
    /// What its `Debug` begins with.
    pub(crate) shown: &'static str,
    pub(crate) wrap: fn(&Source, AnyStore) -> AnyStore,
    /// It runs the laws alone in the tests of its own crate.
    pub(crate) elsewhere: bool,
}

const fn wrapper(
    name: &'static str,
    shown: &'static str,
    wrap: fn(&Source, AnyStore) -> AnyStore,
) -> Wrapper {
    Wrapper { name, shown, wrap, elsewhere: false }
}

/// Outermost first.
pub(crate) const ORDER: &[Wrapper] = &[
    wrapper("Traced", "Traced", |_, store| store.traced().hashed_ids().erased()),
    wrapper("Metered", "Metered", |_, store| store.metered().by_collection().erased()),
    wrapper("Counted", "Counted", |_, store| store.counted(&Stats::new()).erased()),
    wrapper("ReadOnly beside a writer", "Beside", |_, store| Beside::new(store).erased()),
    wrapper("SizeLimit", "SizeLimit", |_, store| store.limited(64 << 20).erased()),
    wrapper("TtlPolicy without settings", "TtlPolicy", |_, store| TtlPolicy::new(store).erased()),
    Wrapper { elsewhere: true, ..wrapper("NearCache", "NearCache", near) },
    wrapper("Retry", "Retry", |_, store| store.retried().deadline(HOUR).erased()),
    wrapper("Timeout", "Timeout", |_, store| store.timeout(HOUR).erased()),
    wrapper("Fallback", "Fallback", |source, store| store.falling_back(source.open()).erased()),
    wrapper("Route", "Route", |source, store| {
        // The collection that most laws use stands in the second store, others in the first.
        store.routed().collection("laws", source.open()).under("elsewhere/", source.open()).erased()
    }),
    wrapper("Prefix", "Prefix", |_, store| store.prefixed("app%/:*").erased()),
    wrapper("Compress", "Compress", |_, store| store.compressed().erased()),
    wrapper("Encrypted", "Encrypted", |_, store| encrypted(store).erased()),
];

/// What is run alone beside those.
pub(crate) const SINGLES: &[Wrapper] = &[
    wrapper("AnyStore", "", |_, store| store),
    wrapper("Faulty without faults", "Faulty", |_, store| Faulty::new(store, &Faults::none()).erased()),
    wrapper("Prefix in Prefix", "Prefix", |_, store| store.prefixed("outer/").prefixed("").erased()),
    wrapper("ReadOnly", "ReadOnly", |_, store| store.read_only().erased()),
    wrapper("Retry around refusals", "Retry", |_, store| refusing(store).erased()),
];

pub(crate) static DEFAULT_TTL: Wrapper =
    wrapper("TtlPolicy with a default", "TtlPolicy", |_, store| store.default_ttl(HOUR).erased());

/// The first store takes less than the one where most laws keep their entries.
pub(crate) static UNEQUAL: Wrapper = wrapper("Route over unequal stores", "Route", |source, store| {
    store.limited(1 << 20).routed().collection("laws", source.open()).erased()
});

pub(crate) fn named(name: &str) -> &'static Wrapper {
    let all = ORDER.iter().chain(SINGLES).chain([&DEFAULT_TTL, &UNEQUAL]);
    all.into_iter().find(|wrapper| wrapper.name == name).unwrap()
}

fn near(source: &Source, store: AnyStore) -> AnyStore {
    let near = Near::default().clock(source.clock.clone());
    store.near_cached(&near).erased()
}

/// One call in five is refused, and nobody outside the retry notices.
fn refusing(store: AnyStore) -> impl Store {
    let refusals = [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Timeout].map(Fault::refused);
    let faults = Faults::random(7, 20, &refusals);
    Faulty::new(store, &faults).retried().tries(1_000).pauses(Duration::ZERO, Duration::ZERO).deadline(HOUR)
}

pub(crate) fn encrypted<S: Store>(store: S) -> Encrypted<S> {
    Encrypted::new(store, KeyRing::new([SecretKey::from_bytes([1; 32])]).unwrap()).context("laws")
}
