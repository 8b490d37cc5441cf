//! `.session_cache(..)`: what a copy of a session saves, and that nobody is served by one for long.

use std::time::Duration;

use kv_core::AnyStore;
use kv_memory::MemoryStore;
use larder_tests::node::Caller;
use larder_tests::shared::Shared;
use serde_json::{Value, json};

use crate::{Pair, soon};

/// Longer than this test takes.
const LIFE: Duration = Duration::from_secs(400);

async fn pair() -> Pair {
    let store = Shared::new(AnyStore::new(MemoryStore::new()));
    Pair::with(store, |server| server.session_cache(LIFE)).await
}

/// A caller that both replicas have a copy of.
async fn known(pair: &Pair) -> Caller {
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    for node in [&pair.a, &pair.b] {
        assert_eq!(caller.send(node, &ping(&caller)).await.status, 200);
    }
    caller
}

fn ping(caller: &Caller) -> Value {
    caller.request("ping", &json!({}))
}

#[tokio::test]
async fn while_a_copy_lives_the_store_is_not_asked() {
    let pair = pair().await;
    let caller = known(&pair).await;
    pair.store_b.trips();
    for _ in 0..20 {
        assert_eq!(caller.send(&pair.b, &ping(&caller)).await.status, 200);
    }
    assert!(!pair.store_b.trips().iter().any(|trip| trip == "get sessions"));
    assert_eq!(caller.text(&pair.a, "count", json!({})).await, "1");
    assert_eq!(caller.text(&pair.b, "count", json!({})).await, "2", "of state there are no copies");
}

#[tokio::test]
async fn a_replica_that_hears_of_an_end_forgets_its_copy() {
    let pair = pair().await;
    let caller = known(&pair).await;
    assert_eq!(caller.end(&pair.b).await.status, 204);
    assert_eq!(caller.send(&pair.b, &ping(&caller)).await.status, 404);
    soon(async {
        while caller.send(&pair.a, &ping(&caller)).await.status != 404 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_else_is_served_by_a_copy() {
    let pair = pair().await;
    let caller = known(&pair).await;
    let mut thief = Caller::begin_as(&pair.a, "2025-11-25", "bob").await;
    thief.session.clone_from(&caller.session);
    for node in [&pair.a, &pair.b] {
        assert_eq!(thief.send(node, &ping(&thief)).await.status, 404);
        assert_eq!(thief.end(node).await.status, 404);
        assert_eq!(caller.send(node, &ping(&caller)).await.status, 200);
    }
}
