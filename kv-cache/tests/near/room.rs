//! What is not copied, and how much is held.

use kv_cache::{LEASE, Near, NearExt as _};
use kv_core::{Clock, Key, Meta, NewEntry, PutMode, Store as _};

use crate::bench::{Counted, put, value};

#[tokio::test]
async fn large_values_and_leases_are_not_copied() {
    let clock = Clock::manual();
    let far = Counted::new(&clock, false);
    let near = far.clone().near_cached(&Near::default().max_item_bytes(10).clock(clock));
    put(&far, "large", "12345678901").await;
    put(&far, "small", "1234567890").await;
    let lease = NewEntry::new("").meta(Meta::codec(LEASE));
    far.put(Key::new("c", "lease"), lease, PutMode::Replace).await.unwrap();
    for (id, asked) in [("large", 2), ("small", 1), ("lease", 2)] {
        far.asked();
        value(&near, id).await;
        value(&near, id).await;
        assert_eq!(far.asked(), asked, "{id}");
    }
}

#[tokio::test]
async fn it_holds_no_more_than_it_may() {
    let clock = Clock::manual();
    let far = Counted::new(&clock, false);
    let near = far.clone().near_cached(&Near::default().max_bytes(64 << 10).clock(clock));
    for n in 0..500 {
        let id = n.to_string();
        far.put(Key::new("c", &id), NewEntry::new(vec![0; 1_000]), PutMode::Replace).await.unwrap();
        value(&near, &id).await;
    }
    let held = near.held();
    assert!(held.bytes <= 64 << 10 && held.entries > 20, "{held:?}");
}
