//! The bodies of batches for backends without batches.

use std::pin::pin;
use std::task::{Context, Waker};

use kv_core::{Error, ErrorKind, Key, NewEntry, PutMode, Result, Store, Version, each};
use kv_memory::MemoryStore;

fn key(id: &str) -> Key<'_> {
    Key::new("c", id)
}

#[tokio::test]
async fn batches_keep_the_order_and_the_last_of_duplicates_wins() {
    let store = MemoryStore::new();
    let entries = [("a", "1"), ("b", "2"), ("a", "3")];
    let entries = entries.map(|(id, value)| (key(id), NewEntry::new(value)));
    let versions: Vec<Version> = entries.iter().map(|(_, entry)| entry.version()).collect();
    let answers: Result<Vec<_>> = each::put_many(&store, entries.into()).await.unwrap().into_iter().collect();
    assert_eq!(answers.unwrap(), versions);
    let read = each::get_many(&store, &[key("b"), key("x"), key("a"), key("a")]).await.unwrap();
    let read: Vec<_> = read.into_iter().map(|answer| answer.unwrap().map(|entry| entry.value)).collect();
    assert_eq!(read, [Some("2".into()), None, Some("3".into()), Some("3".into())]);
    let removed = each::delete_many(&store, &[key("a"), key("x"), key("a")]).await.unwrap();
    assert!(removed.len() == 3 && removed.iter().all(Result::is_ok));
    assert!(store.get(key("a")).await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_wrapper_could_not_prepare_fails_at_its_own_place() {
    let refusal = || Err(Error::new(ErrorKind::TooLarge, "too large"));
    for refused in [vec![], vec![0], vec![1, 2], vec![0, 2, 4], vec![4], vec![0, 1, 2, 3, 4]] {
        let store = MemoryStore::new();
        let ids = ["0", "1", "2", "3", "4"];
        let prepared = |at: usize| if refused.contains(&at) { refusal() } else { Ok(NewEntry::new("v")) };
        let entries = ids.iter().enumerate().map(|(at, id)| (key(id), prepared(at))).collect();
        let answers = each::put_prepared(&store, entries).await.unwrap();
        assert_eq!(answers.len(), 5);
        for (at, (answer, id)) in answers.iter().zip(ids).enumerate() {
            let there = store.get(key(id)).await.unwrap().is_some();
            assert_eq!(
                (answer.is_err(), there),
                (refused.contains(&at), !refused.contains(&at)),
                "{refused:?} {at}"
            );
            if let Err(error) = answer {
                assert_eq!(error.key(), Some(format!("c/{id}").as_str()));
            }
        }
    }
}

#[tokio::test]
async fn a_long_batch_yields_on_a_store_that_never_waits() {
    let store = MemoryStore::new();
    store.put(key("a"), NewEntry::new("1"), PutMode::Replace).await.unwrap();
    let keys = vec![key("a"); 1_000];
    let mut batch = pin!(each::get_many(&store, &keys));
    let mut yields = 0;
    while batch.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        yields += 1;
    }
    assert!(yields >= 1_000 / each::EVERY, "{yields}");
}
