//! Two processes, as far as the server can tell: two stores, each with a connection of its own, on the same keys.

use std::sync::Arc;

use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};
use tokio::sync::Barrier;

use crate::place::{namespace, open, variable};

const ROUNDS: usize = 50;
const KEY: Key<'static> = Key::new("shared", "a");

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_create_take_or_update_one_wins() {
    for server in ["LARDER_TEST_REDIS", "LARDER_TEST_VALKEY", "LARDER_TEST_REDIS_CLUSTER"] {
        let Some(url) = variable(server) else { continue };
        let namespace = namespace();
        let stores = [open(&url, &namespace).await.unwrap(), open(&url, &namespace).await.unwrap()];
        for _ in 0..ROUNDS {
            let start = Arc::new(Barrier::new(stores.len()));
            let racers = stores.clone().map(|store| {
                let start = Arc::clone(&start);
                tokio::spawn(async move {
                    start.wait().await;
                    let created = store.put(KEY, NewEntry::new("x"), PutMode::Create).await;
                    start.wait().await;
                    let version = store.get(KEY).await.unwrap().expect("one of us made it").version;
                    start.wait().await;
                    let updated = store.put(KEY, NewEntry::new("y"), PutMode::Update(version)).await;
                    start.wait().await;
                    let taken = store.take(KEY, None).await.unwrap();
                    (created.map_err(|e| e.kind()), updated.map_err(|e| e.kind()), taken)
                })
            });
            let mut won = [0; 3];
            for racer in racers {
                let (created, updated, taken) = racer.await.unwrap();
                assert!(matches!(created, Ok(_) | Err(ErrorKind::AlreadyExists)), "{created:?}");
                assert!(matches!(updated, Ok(_) | Err(ErrorKind::Conflict)), "{updated:?}");
                for (won, did) in won.iter_mut().zip([created.is_ok(), updated.is_ok(), taken.is_some()]) {
                    *won += usize::from(did);
                }
            }
            assert_eq!(won, [1, 1, 1], "{server}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_was_acknowledged_the_other_reads() {
    let Some(url) = variable("LARDER_TEST_REDIS") else { return };
    let namespace = namespace();
    let (here, there) = (open(&url, &namespace).await.unwrap(), open(&url, &namespace).await.unwrap());
    for n in 0..200 {
        let version = here.put(KEY, NewEntry::new(n.to_string()), PutMode::Replace).await.unwrap();
        let entry = there.get(KEY).await.unwrap().unwrap();
        assert_eq!((entry.version, entry.value), (version, n.to_string().into()));
    }
    there.take(KEY, None).await.unwrap();
}
