//! Laws 7 and 9, and the ends of a store: first use, dropped futures, reclaim, close.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;

use crate::testing::tools::{LAWS, Subject, empty, ms, needs, number, race, siblings};
use crate::testing::{Harness, Held, Shown, Size, pass};
use crate::{ErrorKind, Key, Listing, NewEntry, PutMode, Result, Scan, Store, Version};

/// Polls `future` at most `polls` times, then drops it.
async fn poll_then_drop<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let answer = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(answer) = answer {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

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

/// A write whose future was dropped happened wholly or not at all.
pub async fn a_dropped_write_happens_wholly_or_not_at_all(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for n in 0..200 {
        let old = store.set("a", "old").await;
        let entry = NewEntry::new("new");
        let new = entry.version();
        let mode = if n % 2 == 0 { PutMode::Replace } else { PutMode::Update(old) };
        poll_then_drop(store.put(Key::new(LAWS, "a"), entry, mode), n % 5).await;
        let entry = store.read("a").await.expect("either the old or the new entry");
        let whole = [("old", old), ("new", new)].map(|(value, version)| (Bytes::from(value), version));
        assert!(whole.contains(&(entry.value, entry.version)), "neither the old nor the new entry");
    }
    Ok(())
}

/// A `Create` whose future was dropped made the whole entry or none.
pub async fn a_dropped_create_makes_the_whole_entry_or_none(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for n in 0..200 {
        let (id, entry) = (n.to_string(), NewEntry::new("new"));
        let new = entry.version();
        poll_then_drop(store.put(Key::new(LAWS, &id), entry, PutMode::Create), n % 5).await;
        if let Some(entry) = store.read(&id).await {
            assert_eq!((entry.value.as_ref(), entry.version), (&b"new"[..], new));
        }
    }
    Ok(())
}

/// A `take` whose future was dropped removed the entry or left it, for good.
pub async fn a_dropped_take_removes_or_leaves(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for n in 0..200 {
        let version = store.set("a", "x").await;
        poll_then_drop(store.take(Key::new(LAWS, "a"), None), n % 5).await;
        match store.remove("a").await {
            Some(entry) => assert_eq!((entry.value.as_ref(), entry.version), (&b"x"[..], version)),
            None => assert_eq!(store.read("a").await, None, "what was taken came back"),
        }
    }
    Ok(())
}

/// A batch whose future was dropped left each of its entries old or new.
pub async fn a_dropped_batch_leaves_each_entry_old_or_new(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let ids: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let batch =
        |value: &'static str| ids.iter().map(|id| (Key::new(LAWS, id), NewEntry::new(value))).collect();
    for polls in 0..8 {
        for answer in store.put_many(batch("old")).await.expect("a batch") {
            answer.expect("a write");
        }
        poll_then_drop(store.put_many(batch("new")), polls).await;
        let keys: Vec<_> = ids.iter().map(|id| Key::new(LAWS, id)).collect();
        for value in store.values(&keys).await {
            assert!(matches!(value.as_deref(), Some(b"old" | b"new")), "an entry is gone or torn");
        }
    }
    Ok(())
}

/// After many dropped futures of each kind a store answers as before.
pub async fn a_store_stays_usable_after_many_dropped_futures(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set("a", "x").await;
    let keys = [Key::new(LAWS, "a"), Key::new(LAWS, "b")];
    for n in 0..200 {
        let polls = n % 4;
        poll_then_drop(store.get(keys[0]), polls).await;
        poll_then_drop(store.get_many(&keys), polls).await;
        poll_then_drop(store.put(keys[1], NewEntry::new("y"), PutMode::Replace), polls).await;
        poll_then_drop(store.take(keys[1], None), polls).await;
        poll_then_drop(store.delete_many(&keys[1..]), polls).await;
        poll_then_drop(store.scan(Scan::one(LAWS), None), polls).await;
    }
    let answers = async {
        assert_eq!(store.value("a").await, Some("x".into()));
        store.set("c", "z").await;
        assert_eq!(store.remove("c").await.map(|entry| entry.value), Some("z".into()));
    };
    tokio::time::timeout(h.size().patience, answers).await.expect("it still answers");
    Ok(())
}

/// Where one process owns the data, a write whose future was dropped never lands after a later one was acknowledged.
pub async fn a_dropped_write_never_lands_after_a_later_one(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    needs(store.capabilities().exclusive, "is shared over a network, where a dropped write may land late")?;
    for n in 0..200 {
        let key = n.to_string();
        let early = store.put(Key::new(LAWS, &key), NewEntry::new("early"), PutMode::Replace);
        poll_then_drop(early, 1 + n % 3).await;
        store.set(&key, "late").await;
        assert_eq!(store.value(&key).await, Some("late".into()));
    }
    tokio::time::sleep(ms(100)).await; // for a write that was handed to a thread
    for n in 0..200 {
        assert_eq!(store.value(&n.to_string()).await, Some("late".into()), "a dropped write landed late");
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
