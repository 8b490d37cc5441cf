//! Law 9, and the ends of a store: first use, reclaim, close.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;

use crate::testing::tools::{LAWS, Subject, empty, ms, number, race, siblings};
use crate::testing::{Harness, Held, Shown, Size, pass};
use crate::{ErrorKind, Key, Listing, NewEntry, PutMode, Result, Scan, Store, Version};

/// The first use, by 64 tasks at once, sets a store up once: no write of theirs is lost.
pub async fn first_use_by_many_tasks_loses_nothing(h: &impl Harness) -> Shown {
    for _ in 0..5 {
        let store = empty(h).await?;
        let size = Size { tasks: 64, rounds: 1, ..h.size() };
        let answers = race(&store, size, async |store, _, task| {
            store.try_set(&task.to_string(), number(task), PutMode::Create).await
        });
        for answer in answers.await.into_iter().flatten() {
            answer.expect("the first use of a store");
        }
        for task in 0..64 {
            assert_eq!(store.value(&task.to_string()).await, Some(number(task)));
        }
    }
    Ok(())
}

/// What the harness sees inside the store.
async fn inside<H: Harness>(h: &H, store: &Subject<H::Store>) -> Option<Held> {
    h.held(store).await
}

/// Waits for the store to hold at most `entries`, without using it.
async fn shrinks_to<H: Harness>(h: &H, store: &Subject<H::Store>, entries: u64) {
    let until = Instant::now() + h.size().patience;
    while let Some(held) = inside(h, store).await.filter(|held| held.entries > entries) {
        assert!(
            Instant::now() < until,
            "it goes on holding {} entries, {entries} at most live",
            held.entries
        );
        pass(h, ms(20)).await;
        tokio::time::sleep(ms(5)).await;
    }
}

/// Expired entries are freed though nobody uses the store.
pub async fn expired_entries_are_freed_also_when_idle(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let Held { entries: before, bytes } =
        inside(h, &store).await.ok_or(crate::testing::Skipped(NOBODY_LOOKS))?;
    for n in 0..300 {
        store.set_for(&format!("short {n}"), vec![1; 1_000], ms(600)).await;
    }
    for n in 0..10 {
        store.set(&format!("for ever {n}"), "x").await;
    }
    pass(h, ms(651)).await;
    shrinks_to(h, &store, before + 10).await;
    let held = inside(h, &store).await.expect("it could be looked into before");
    assert!(held.bytes < bytes + 100_000, "{} bytes are held for 10 small entries", held.bytes);
    for n in 0..10 {
        assert_eq!(store.value(&format!("for ever {n}")).await, Some("x".into()), "a live entry was freed");
    }
    Ok(())
}

const NOBODY_LOOKS: &str = "cannot be looked into";

/// Expired entries are freed while others are written: what is held follows what lives.
pub async fn expired_entries_are_freed_while_others_are_written(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let before = inside(h, &store).await.ok_or(crate::testing::Skipped(NOBODY_LOOKS))?.entries;
    for round in 0..10 {
        for n in 0..100 {
            store.set_for(&format!("{round} {n}"), "x", ms(50)).await;
        }
        pass(h, ms(110)).await;
    }
    store.set("last", "x").await;
    shrinks_to(h, &store, before + 1).await;
    Ok(())
}

/// Entries that were replaced or removed are not held, whatever ttl they had.
pub async fn replaced_and_removed_entries_are_not_held(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let before = inside(h, &store).await.ok_or(crate::testing::Skipped(NOBODY_LOOKS))?.entries;
    for n in 0..500 {
        store.set_for("same", number(n), ms(86_400_000)).await;
        store.set_for(&format!("taken {n}"), "x", ms(86_400_000)).await;
        store.remove(&format!("taken {n}")).await;
    }
    shrinks_to(h, &store, before + 1).await;
    Ok(())
}

fn closed<T>(what: &str, answer: Result<T>) {
    match answer {
        Ok(_) => panic!("{what} succeeded after close"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{what}: {error}"),
    }
}

fn all_closed<T>(what: &str, answer: Result<Vec<Result<T>>>) {
    match answer {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{what}: {error}"),
        Ok(answers) => answers.into_iter().for_each(|answer| closed(what, answer)),
    }
}

async fn everything_is_closed<S: Store>(store: &Subject<S>) {
    let key = Key::new(LAWS, "a");
    closed("get", store.get(key).await);
    closed("put", store.put(key, NewEntry::new("x"), PutMode::Replace).await);
    closed("create", store.put(key, NewEntry::new("x"), PutMode::Create).await);
    closed("update", store.put(key, NewEntry::new("x"), PutMode::Update(Version::random())).await);
    closed("take", store.take(key, None).await);
    closed("take", store.take(key, Some(Version::random())).await);
    all_closed("get_many", store.get_many(&[key]).await);
    all_closed("put_many", store.put_many(vec![(key, NewEntry::new("x"))]).await);
    all_closed("delete_many", store.delete_many(&[key]).await);
    if store.capabilities().scan != Listing::No {
        closed("scan", store.scan(Scan::one(LAWS), None).await);
    }
    if store.capabilities().signals {
        closed("signal", store.signal("topic", Bytes::new()).await);
        closed("signals", store.signals("topic").await);
    }
    if store.capabilities().changes {
        closed("changes", store.changes().await);
    }
}

/// After `close` every operation is `Closed`.
pub async fn every_operation_after_close_is_closed(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set("a", "x").await;
    store.close().await.expect("a close");
    everything_is_closed(&store).await;
    Ok(())
}

/// A store that was never used can be closed, and is then closed.
pub async fn a_store_that_was_never_used_closes(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.close().await.expect("a close");
    everything_is_closed(&store).await;
    Ok(())
}

/// `close` ends the store for its other handles too.
pub async fn close_ends_other_handles_too(h: &impl Harness) -> Shown {
    let (store, sibling) = siblings(h).await?;
    store.set("a", "x").await;
    sibling.read("a").await;
    store.close().await.expect("a close");
    everything_is_closed(&sibling).await;
    sibling.close().await.expect("closing again is no error");
    Ok(())
}

/// Closing twice, or many times at once, is no error.
pub async fn closing_again_is_no_error(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set("a", "x").await;
    let size = Size { tasks: 8, rounds: 2, ..h.size() };
    let answers = race(&store, size, async |store, _, _| store.close().await);
    for answer in answers.await.into_iter().flatten() {
        answer.expect("a close");
    }
    everything_is_closed(&store).await;
    Ok(())
}

/// `close` waits for operations in flight: each has ended, done or `Closed`, when it returns.
pub async fn close_waits_for_operations_in_flight(h: &impl Harness) -> Shown {
    let (store, over) = (empty(h).await?, Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> =
        (0..16).map(|n| tokio::spawn(write_until_closed(store.clone(), n, Arc::clone(&over)))).collect();
    tokio::time::sleep(ms(20)).await;
    tokio::time::timeout(h.size().patience, store.close()).await.expect("it ends").expect("a close");
    over.store(true, Ordering::SeqCst);
    let all = async {
        for writer in writers {
            writer.await.expect("a writer");
        }
    };
    // They need only be told: the seconds are for a busy machine.
    tokio::time::timeout(h.size().patience / 10, all).await.expect("an operation outlived the close");
    Ok(())
}

async fn write_until_closed<S: Store>(store: Subject<S>, writer: usize, over: Arc<AtomicBool>) {
    for n in 0.. {
        let begun_after_close = over.load(Ordering::SeqCst);
        match store.try_set(&format!("{writer} {n}"), "x", PutMode::Create).await {
            Ok(_) => assert!(!begun_after_close, "a write was acknowledged after the close"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}
