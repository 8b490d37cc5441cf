//! Laws 1, 3 and the operations: what is acknowledged is seen, and conditions hold.

use crate::testing::tools::{LAWS, empty, number, refused, siblings};
use crate::testing::{Harness, Shown};
use crate::{ErrorKind, Key, NewEntry, PutMode, Store, Version};

/// What was put is what the next read finds.
pub async fn an_acknowledged_put_is_seen_by_the_next_read(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for n in 0..100 {
        store.set("a", number(n)).await;
        assert_eq!(store.value("a").await, Some(number(n)));
        store.set(&n.to_string(), number(n)).await;
    }
    for n in 0..100 {
        assert_eq!(store.value(&n.to_string()).await, Some(number(n)), "an earlier one was lost");
    }
    Ok(())
}

/// An acknowledged write is seen through another handle on the same data, replaced and removed ones too.
pub async fn an_acknowledged_write_is_seen_through_another_handle(h: &impl Harness) -> Shown {
    let (here, there) = siblings(h).await?;
    for n in 0..20 {
        here.set("a", number(n)).await;
        assert_eq!(there.value("a").await, Some(number(n)));
    }
    assert!(there.remove("a").await.is_some());
    assert_eq!(here.value("a").await, None);
    Ok(())
}

/// `take` hands out the entry and leaves nothing.
pub async fn take_gives_the_value_once(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let version = store.set("a", "x").await;
    let entry = store.remove("a").await.expect("the entry");
    assert_eq!((entry.value.as_ref(), entry.version), (&b"x"[..], version));
    assert_eq!(store.remove("a").await, None);
    assert_eq!(store.read("a").await, None);
    Ok(())
}

/// An absent entry is `None` for `get` and `take`, with a version too.
pub async fn absence_is_no_error(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    assert_eq!(store.read("a").await, None);
    assert_eq!(store.remove("a").await, None);
    let answer = store.take(Key::new(LAWS, "a"), Some(Version::random())).await;
    assert_eq!(answer.expect("absence is no conflict"), None);
    Ok(())
}

/// `Create` meets a live entry: `AlreadyExists`, and the entry stays.
pub async fn create_over_a_live_entry_fails_and_leaves_it(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let version = store.try_set("a", "old", PutMode::Create).await.expect("nothing was there");
    refused(store.try_set("a", "new", PutMode::Create).await, ErrorKind::AlreadyExists);
    let entry = store.read("a").await.expect("the old entry");
    assert_eq!((entry.value.as_ref(), entry.version), (&b"old"[..], version));
    Ok(())
}

/// `Create` succeeds where an entry was taken or deleted.
pub async fn create_succeeds_where_an_entry_was_removed(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for n in 0..5 {
        store.try_set("a", number(n), PutMode::Create).await.expect("nothing is there");
        assert_eq!(store.remove("a").await.expect("the entry").value, number(n));
    }
    store.try_set("a", "x", PutMode::Create).await.expect("nothing is there");
    store.delete_many(&[Key::new(LAWS, "a")]).await.expect("a batch");
    store.try_set("a", "y", PutMode::Create).await.expect("nothing is there");
    Ok(())
}

/// `Update` with the live entry's version replaces it.
pub async fn update_with_the_right_version_replaces(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let mut version = store.set("a", "0").await;
    for n in 1..10 {
        version = store.try_set("a", number(n), PutMode::Update(version)).await.expect("the right version");
        assert_eq!(store.value("a").await, Some(number(n)));
    }
    Ok(())
}

/// `Update` of an absent entry is a `Conflict` and writes nothing.
pub async fn update_of_an_absent_entry_is_a_conflict(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    refused(store.try_set("a", "x", PutMode::Update(Version::random())).await, ErrorKind::Conflict);
    assert_eq!(store.read("a").await, None);
    let version = store.set("b", "x").await;
    store.remove("b").await;
    refused(store.try_set("b", "y", PutMode::Update(version)).await, ErrorKind::Conflict);
    assert_eq!(store.read("b").await, None, "the update revived what was taken");
    Ok(())
}

/// `Update` with another version is a `Conflict` and leaves the entry.
pub async fn update_with_another_version_is_a_conflict_and_leaves_the_entry(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let first = store.set("a", "1").await;
    let second = store.set("a", "2").await;
    for other in [first, Version::random(), Version::from_bytes([0; 16])] {
        refused(store.try_set("a", "3", PutMode::Update(other)).await, ErrorKind::Conflict);
    }
    let entry = store.read("a").await.expect("the entry");
    assert_eq!((entry.value.as_ref(), entry.version), (&b"2"[..], second));
    Ok(())
}

/// `take` with another version is a `Conflict` and leaves the entry; with its own it takes.
pub async fn take_with_another_version_is_a_conflict_and_leaves_the_entry(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let first = store.set("a", "1").await;
    let second = store.set("a", "2").await;
    let key = Key::new(LAWS, "a");
    refused(store.take(key, Some(first)).await, ErrorKind::Conflict);
    assert_eq!(store.value("a").await, Some("2".into()));
    let taken = store.take(key, Some(second)).await.expect("its own version");
    assert_eq!(taken.map(|entry| entry.version), Some(second));
    assert_eq!(store.read("a").await, None);
    Ok(())
}

/// The version that a put answers is the one drawn for the entry, and the one that every read finds.
pub async fn the_version_answered_is_the_one_drawn_and_stored(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let mut last = None;
    for mode in [PutMode::Create, PutMode::Replace] {
        let entry = NewEntry::new("x");
        let drawn = entry.version();
        assert_eq!(store.put(Key::new(LAWS, "a"), entry, mode).await.expect("a put"), drawn);
        assert_eq!(store.read("a").await.map(|entry| entry.version), Some(drawn));
        last = Some(drawn);
    }
    let entry = NewEntry::new("x");
    let drawn = entry.version();
    let mode = PutMode::Update(last.expect("a version"));
    assert_eq!(store.put(Key::new(LAWS, "a"), entry, mode).await.expect("a put"), drawn);
    assert_eq!(store.remove("a").await.map(|entry| entry.version), Some(drawn));
    Ok(())
}

/// The version of an entry never fits one that was made anew under its key, not even with the same value.
pub async fn an_old_version_never_fits_an_entry_made_anew(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let old = store.set("a", "same").await;
    store.remove("a").await;
    let new = store.set("a", "same").await;
    assert_ne!(old, new);
    refused(store.try_set("a", "x", PutMode::Update(old)).await, ErrorKind::Conflict);
    refused(store.take(Key::new(LAWS, "a"), Some(old)).await, ErrorKind::Conflict);
    assert_eq!(store.read("a").await.map(|entry| entry.version), Some(new));
    Ok(())
}
