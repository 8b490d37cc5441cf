//! Other wrappers on either side of it.

use std::time::Duration;

use kv_cache::{Near, NearExt as _};
use kv_core::testing::{Fault, Faults, Faulty, ReferenceStore};
use kv_core::{AnyStore, Clock, ErrorKind, NewEntry, PutMode, Store, StoreExt as _};

use crate::bench::{Counted, KEY, put, value};

/// How often the store is asked while the entry is read twice.
async fn asked_twice(far: &Counted, store: &impl Store) -> u64 {
    far.asked();
    for _ in 0..2 {
        store.get(KEY).await.expect("read");
    }
    far.asked()
}

#[tokio::test]
async fn outside_the_retry_a_write_that_came_through_is_copied_and_inside_its_lost_try_forbids_that() {
    for outside in [true, false] {
        let (clock, faults) = (Clock::manual(), Faults::none());
        let far = Counted::new(&clock, false);
        let (failing, near) = (Faulty::new(far.clone(), &faults), Near::default().clock(clock));
        let store = if outside {
            failing.retried().near_cached(&near).erased()
        } else {
            failing.near_cached(&near).retried().erased()
        };
        faults.next("put", Fault::lost(ErrorKind::Timeout));
        store.put(KEY, NewEntry::new("x"), PutMode::Replace).await.expect("a second try");
        let expected = if outside { 1 } else { 2 };
        assert_eq!(asked_twice(&far, &store).await, expected, "outside: {outside}");
    }
}

#[tokio::test]
async fn outside_a_near_tier_a_refused_write_leaves_the_copy_and_inside_it_costs_it() {
    for outside in [true, false] {
        let clock = Clock::manual();
        let far = Counted::new(&clock, false);
        far.put(KEY, NewEntry::new("x"), PutMode::Create).await.expect("written");
        let near = Near::default().clock(clock);
        let store = if outside {
            far.clone().near_cached(&near).read_only().erased()
        } else {
            far.clone().read_only().near_cached(&near).erased()
        };
        assert_eq!(asked_twice(&far, &store).await, 1);
        let refused = store.put(KEY, NewEntry::new("y"), PutMode::Replace).await.expect_err("read-only");
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert_eq!(asked_twice(&far, &store).await, u64::from(!outside), "outside: {outside}");
    }
}

#[tokio::test]
async fn on_either_side_of_a_policy_of_ttls_a_copy_ends_with_its_entry() {
    let ttl = Duration::from_secs(2);
    for outside in [true, false] {
        let clock = Clock::manual();
        let far = Counted::new(&clock, false);
        let near = Near::default().clock(clock.clone());
        let store = if outside {
            far.clone().near_cached(&near).default_ttl(ttl).erased()
        } else {
            far.clone().default_ttl(ttl).near_cached(&near).erased()
        };
        store.put(KEY, NewEntry::new("x"), PutMode::Replace).await.expect("written");
        assert_eq!(asked_twice(&far, &store).await, 1);
        let left = store.get(KEY).await.expect("read").expect("it lives").ttl;
        assert_eq!(left, Some(ttl), "outside: {outside}");
        clock.advance(ttl + Duration::from_millis(50));
        assert!(store.get(KEY).await.expect("read").is_none(), "outside: {outside}");
    }
}

/// A store behind a fallback and a near tier, in one order or another.
type Stack = fn(Faulty<Counted>, ReferenceStore, &Near) -> AnyStore;

#[tokio::test]
async fn what_a_fallback_read_elsewhere_is_used_for_a_second_however_long_copies_are_kept() {
    let stacks: [Stack; 3] = [
        |first, replica, near| first.falling_back(replica).near_cached(near).erased(),
        |first, replica, near| first.falling_back(replica).retried().near_cached(near).erased(),
        |first, replica, near| {
            let routed =
                ReferenceStore::new(&near.clock).routed().collection("c", first.falling_back(replica));
            routed.retried().near_cached(near).erased()
        },
    ];
    for stack in stacks {
        let (clock, faults) = (Clock::manual(), Faults::none());
        let near = Near::default().ttl(Duration::from_secs(3_600)).clock(clock.clone());
        let replica = ReferenceStore::new(&clock);
        put(&replica, "id", "old").await;
        let store = stack(Faulty::new(Counted::new(&clock, true), &faults), replica, &near);
        put(&store, "id", "new").await;
        faults.next("get", Fault::refused(ErrorKind::Throttled));
        assert_eq!(value(&store, "id").await, Some("old".into()), "the first store is away");
        clock.advance(Duration::from_millis(999));
        assert_eq!(value(&store, "id").await, Some("old".into()), "it was copied");
        clock.advance(Duration::from_millis(1));
        assert_eq!(value(&store, "id").await, Some("new".into()), "nobody told");
    }
}

#[tokio::test]
async fn over_a_store_that_reads_ahead_copies_are_kept_as_long_as_they_are_to_be() {
    let (clock, faults) = (Clock::manual(), Faults::none());
    let far = Counted::new(&clock, false);
    let ahead = Faulty::new(far.clone(), &faults).telling(|store| store.reads_ahead = true);
    let store = ahead.near_cached(&Near::default().ttl(Duration::from_secs(3_600)).clock(clock.clone()));
    put(&store, "id", "x").await;
    assert_eq!(asked_twice(&far, &store).await, 1);
    clock.advance(Duration::from_secs(3_599));
    assert_eq!(asked_twice(&far, &store).await, 0);
}
