//! Law 7: a dropped future leaves the old state or the new one, and the store usable.

use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;

use crate::testing::tools::{LAWS, empty, ms, needs};
use crate::testing::{Harness, Shown};
use crate::{Key, NewEntry, PutMode, Scan, Store};

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

/// A write whose future was dropped happened wholly or not at all.
pub async fn a_dropped_write_happens_wholly_or_not_at_all(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for n in 0..200 {
        let id = n.to_string(); // its own: over a network a dropped write may land late
        let old = store.set(&id, "old").await;
        let entry = NewEntry::new("new");
        let new = entry.version();
        let mode = if n % 2 == 0 { PutMode::Replace } else { PutMode::Update(old) };
        poll_then_drop(store.put(Key::new(LAWS, &id), entry, mode), n % 5).await;
        let entry = store.read(&id).await.expect("either the old or the new entry");
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
