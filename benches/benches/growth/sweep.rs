//! How fast entries go that have expired, beside all that have not.

use std::time::Duration;

use kv_core::{Change, Changes, Clock, Key, NewEntry, Store as _};
use larder_benches::larder::Larder;
use larder_benches::measure::{Plan, What};
use larder_benches::workload::Values;

/// So many expire at once: fewer than a subscription holds for who has not heard of them yet.
const EXPIRING: u64 = 1_000;
const COLLECTION: &str = "expiring";
const TTL: Duration = Duration::from_secs(1);
/// A sweep takes some milliseconds.
const LONGEST: Duration = Duration::from_secs(60);

/// An operation is one entry that was removed by itself: readers miss it from its deadline on, whether it was or not, but
/// its change is told when it is gone.
pub(crate) fn run(plan: &Plan, what: What<'_>, values: &Values, larder: &Larder, clock: &Clock) {
    plan.alone(
        what,
        values.bytes(),
        async || written(larder, values).await,
        async |mut changes| {
            clock.advance(TTL + Duration::from_millis(1));
            tokio::time::timeout(LONGEST, gone(&mut changes)).await.expect("what has expired is swept")
        },
    );
}

/// Writes them, and hands out a subscription to what becomes of them.
async fn written(larder: &Larder, values: &Values) -> Changes {
    let ids: Vec<String> = (0..EXPIRING).map(|number| format!("key{number:07}")).collect();
    let entry = |number| NewEntry::new(values.of(number).clone()).ttl(TTL);
    let entries = ids.iter().zip(0..).map(|(id, number)| (Key::new(COLLECTION, id), entry(number)));
    for written in larder.0.put_many(entries.collect()).await.expect("a batch is written") {
        written.expect("a put succeeds");
    }
    let mut changes = larder.0.changes().await.expect("changes are told");
    assert_eq!(changes.next().await, Some(Change::All), "a subscription begins so");
    changes
}

async fn gone(changes: &mut Changes) -> u64 {
    for _ in 0..EXPIRING {
        match changes.next().await {
            Some(Change::Key { collection, .. }) if collection == COLLECTION => {}
            other => panic!("{other:?} instead of an entry that is gone"),
        }
    }
    EXPIRING
}
