//! Invalidation against fetches, in very many orders.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_cache::Cache;
use kv_core::testing::ReferenceStore;
use kv_core::{Clock, Key, Store};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// What the caches stand for: a number that only rises.
type Truth = Arc<AtomicU64>;

async fn yields(rng: &mut StdRng) {
    for _ in 0..rng.random_range(0..6) {
        tokio::task::yield_now().await;
    }
}

/// Reads the truth in the middle of a fetch of random length.
async fn ask(cache: &Cache<u64>, truth: &Truth, seed: u64) -> u64 {
    let truth = Arc::clone(truth);
    let fetch = move || async move {
        let mut rng = StdRng::seed_from_u64(seed);
        yields(&mut rng).await;
        let value = truth.load(Ordering::SeqCst);
        yields(&mut rng).await;
        Ok::<_, Infallible>(value)
    };
    cache.get_or_fetch("id", fetch).await.unwrap()
}

/// What readers must not fall below: raised only after an invalidation returned.
#[derive(Clone, Default)]
struct World {
    truth: Truth,
    invalidated: Truth,
}

async fn write(cache: Cache<u64>, world: World, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..6 {
        yields(&mut rng).await;
        let written = world.truth.fetch_add(1, Ordering::SeqCst) + 1;
        yields(&mut rng).await;
        cache.invalidate("id").await.unwrap();
        world.invalidated.fetch_max(written, Ordering::SeqCst);
    }
}

async fn read(cache: Cache<u64>, world: World, seed: u64, same_process: bool) {
    let mut rng = StdRng::seed_from_u64(seed);
    for round in 0..12 {
        yields(&mut rng).await;
        let least = world.invalidated.load(Ordering::SeqCst);
        if rng.random_bool(0.4) {
            if let Some(hit) = cache.get("id").await {
                assert!(hit.value >= least, "seed {seed}: {} was cached after {least}", hit.value);
            }
        } else if rng.random_bool(0.2) {
            // A caller that loses patience.
            let mut asked = Box::pin(ask(&cache, &world.truth, seed * 31 + round));
            let _ = futures_util::future::poll_immediate(&mut asked).await;
        } else {
            let value = ask(&cache, &world.truth, seed * 31 + round).await;
            assert!(!same_process || value >= least, "seed {seed}: {value} was returned after {least}");
        }
    }
}

/// A store that loses entries now and then, as one that evicts does.
async fn evict(store: ReferenceStore, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..4 {
        yields(&mut rng).await;
        store.take(Key::new("c", "id"), None).await.unwrap();
    }
}

async fn one_world(seed: u64) -> (u64, u64) {
    let store = ReferenceStore::new(&Clock::system());
    let world = World::default();
    let (here, there): (Cache<u64>, Cache<u64>) =
        (Cache::new(store.clone(), "c"), Cache::new(store.clone(), "c"));
    let mut tasks = vec![tokio::spawn(write(here.clone(), world.clone(), seed))];
    for reader in 1..4 {
        tasks.push(tokio::spawn(read(here.clone(), world.clone(), seed + reader * 1_000_003, true)));
        tasks.push(tokio::spawn(read(there.clone(), world.clone(), seed + reader * 2_000_003, false)));
    }
    if seed.is_multiple_of(2) {
        tasks.push(tokio::spawn(evict(store.clone(), seed)));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for cache in [&here, &there] {
        if let Some(hit) = cache.get("id").await {
            assert_eq!(hit.value, world.truth.load(Ordering::SeqCst), "seed {seed}: an old value stayed");
        }
    }
    let (a, b) = (here.statistics(), there.statistics());
    (a.hits + b.hits, a.overtaken + b.overtaken)
}

#[tokio::test]
async fn an_invalidation_never_leaves_the_old_value_cached() {
    let (mut hits, mut overtaken) = (0, 0);
    for seed in 0..2_000 {
        let (hit, over) = one_world(seed).await;
        hits += hit;
        overtaken += over;
    }
    assert!(hits > 1_000 && overtaken > 1_000, "{hits} hits, {overtaken} overtaken: the runs hardly met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_invalidation_never_leaves_the_old_value_cached_on_many_threads() {
    for seed in 0..500 {
        one_world(seed).await;
    }
}
