//! Caches with a near tier.

use std::convert::Infallible;
use std::time::Duration;

use kv_cache::{Cache, Near};
use kv_core::{Clock, StoreExt as _};

use crate::bench::{Bench, Counted, bench, changed, heard};

#[tokio::test]
async fn a_cache_with_a_near_tier_asks_the_store_once_and_hears_of_invalidations() {
    let clock = Clock::manual();
    let far = Counted::new(&clock, true);
    let near = Near::default().clock(clock.clone());
    let cache = |store: &Counted| Cache::<u64>::new(store.clone(), "c").near(&near);
    let (here, there) = (cache(&far), cache(&far));
    let read = |cache: &Cache<u64>, value| {
        let cache = cache.tagged(["t"]);
        async move { cache.get_or_fetch("id", move || async move { Ok::<_, Infallible>(value) }).await.unwrap() }
    };
    assert_eq!(read(&here, 1).await, 1);
    heard().await; // the first news: anything may have changed
    read(&here, 2).await;
    far.asked();
    for _ in 0..5 {
        assert_eq!(read(&here, 3).await, 1);
    }
    assert_eq!(far.asked(), 0, "neither the value nor its tag");
    there.invalidate("id").await.unwrap();
    far.tell(changed("id"));
    heard().await;
    assert_eq!(read(&here, 4).await, 4);
    read(&here, 5).await;
    there.invalidate_tag("t").await.unwrap();
    assert_eq!(read(&here, 6).await, 4, "the news did not come");
    clock.advance(Duration::from_millis(1_001));
    assert_eq!(read(&here, 7).await, 7, "a tag is asked for after a second");
}

#[tokio::test]
async fn one_near_tier_may_stand_before_several_caches() {
    let Bench { far, near, .. } = bench(false);
    let store = near.erased();
    let (one, two): (Cache<u64>, Cache<u64>) = (Cache::new(store.clone(), "c"), Cache::new(store, "c"));
    one.get_or_fetch("id", || async { Ok::<_, Infallible>(1) }).await.unwrap();
    assert_eq!(one.get("id").await.unwrap().value, 1);
    far.asked();
    assert_eq!(two.get("id").await.unwrap().value, 1);
    assert_eq!(far.asked(), 0);
    two.invalidate("id").await.unwrap();
    assert_eq!(one.get("id").await, None, "they are one process");
}
