//! Batches: answers in the order of the questions, each entry for itself, of any length.

use bytes::Bytes;

use crate::testing::tools::{LAWS, Subject, empty, number};
use crate::testing::{Harness, Shown};
use crate::{ErrorKind, Key, NewEntry, PutMode, Result, Store, Version};

fn keys(ids: &[String]) -> Vec<Key<'_>> {
    ids.iter().map(|id| Key::new(LAWS, id)).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("id {n:05}")).collect()
}

/// Writes the values under the ids, in one batch, and hands back the versions that were drawn.
async fn write<S: Store>(store: &Subject<S>, entries: &[(&str, &str)]) -> Vec<Version> {
    let entries: Vec<_> =
        entries.iter().map(|(id, value)| (Key::new(LAWS, id), NewEntry::new(value.to_string()))).collect();
    let drawn: Vec<_> = entries.iter().map(|(_, entry)| entry.version()).collect();
    let answers: Result<Vec<_>> = store.put_many(entries).await.expect("a batch").into_iter().collect();
    assert_eq!(answers.expect("each write"), drawn, "the versions answered are not those drawn");
    drawn
}

/// An empty batch is answered with nothing.
pub async fn an_empty_batch_is_answered_with_nothing(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    assert!(store.get_many(&[]).await.expect("no reads").is_empty());
    assert!(store.put_many(Vec::new()).await.expect("no writes").is_empty());
    assert!(store.delete_many(&[]).await.expect("no deletes").is_empty());
    Ok(())
}

/// A batch of one does what the single operation does.
pub async fn a_batch_of_one_does_what_the_single_operation_does(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let drawn = write(&store, &[("a", "x")]).await;
    let entry = store.read("a").await.expect("the entry");
    assert_eq!((entry.value, vec![entry.version]), ("x".into(), drawn));
    let answers = store.get_many(&[Key::new(LAWS, "a")]).await.expect("a batch");
    let read = answers.into_iter().next().expect("one answer").expect("a read");
    assert_eq!(read, store.read("a").await);
    assert_eq!(store.delete_many(&[Key::new(LAWS, "a")]).await.expect("a batch").len(), 1);
    assert_eq!(store.read("a").await, None);
    Ok(())
}

/// A batch of thousands keeps its order, whatever a round trip carries.
pub async fn a_batch_of_thousands_keeps_its_order(h: &impl Harness) -> Shown {
    let (store, count) = (empty(h).await?, h.size().batch);
    let ids = numbered(count);
    let entries: Vec<_> = ids.iter().enumerate().rev().collect(); // not in the order in which a store would sort
    let entries = entries.iter().map(|(n, id)| (Key::new(LAWS, id), NewEntry::new(number(*n)))).collect();
    for answer in store.put_many(entries).await.expect("a batch") {
        answer.expect("a write");
    }
    let found = store.values(&keys(&ids)).await;
    assert_eq!(found.len(), count);
    assert!(
        found.iter().enumerate().all(|(n, value)| *value == Some(number(n))),
        "an answer is out of order"
    );
    let (gone, kept) = ids.split_at(count - 1);
    assert!(store.delete_many(&keys(gone)).await.expect("a batch").iter().all(Result::is_ok));
    assert!(store.values(&keys(gone)).await.iter().all(Option::is_none), "an entry outlived its deletion");
    assert_eq!(store.values(&keys(kept)).await, [Some(number(count - 1))]);
    Ok(())
}

/// Each of several reads of one key in a batch gets its answer.
pub async fn duplicate_reads_in_a_batch_are_all_answered(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    write(&store, &[("a", "1"), ("b", "2")]).await;
    let keys = ["a", "b", "a", "absent", "a", "b", "absent"].map(|id| Key::new(LAWS, id));
    let (a, b) = (Some(Bytes::from("1")), Some(Bytes::from("2")));
    assert_eq!(store.values(&keys).await, [a.clone(), b.clone(), a.clone(), None, a, b, None]);
    Ok(())
}

/// Of several writes of one key in a batch the last wins.
pub async fn of_duplicate_writes_in_a_batch_the_last_wins(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let drawn = write(&store, &[("a", "first"), ("b", "x"), ("a", "second"), ("a", "last")]).await;
    let entry = store.read("a").await.expect("the entry");
    assert_eq!((entry.value, Some(entry.version)), ("last".into(), drawn.last().copied()));
    assert_eq!(store.value("b").await, Some("x".into()));
    let ids: Vec<_> = (0..1_500).map(|n| format!("{}", n % 700)).collect(); // duplicates in different round trips
    let entries = ids.iter().enumerate().map(|(n, id)| (Key::new(LAWS, id), NewEntry::new(number(n))));
    store.put_many(entries.collect()).await.expect("a batch");
    for id in [0, 99, 100, 699] {
        let last = if id < 100 { 1_400 + id } else { 700 + id };
        assert_eq!(store.value(&id.to_string()).await, Some(number(last)));
    }
    Ok(())
}

/// Several deletions of one key in a batch are no error.
pub async fn duplicate_deletions_in_a_batch_are_no_error(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    write(&store, &[("a", "1"), ("b", "2")]).await;
    let keys = ["a", "b", "a", "a"].map(|id| Key::new(LAWS, id));
    let answers = store.delete_many(&keys).await.expect("a batch");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), keys.len());
    assert_eq!(store.values(&keys).await, [None, None, None, None]);
    Ok(())
}

/// Present and absent keys in one batch are told apart, in their places.
pub async fn a_batch_tells_present_and_absent_apart(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let ids = numbered(300);
    for (n, id) in ids.iter().enumerate().filter(|(n, _)| n % 3 == 0) {
        store.set(id, number(n)).await;
    }
    for (n, value) in store.values(&keys(&ids)).await.into_iter().enumerate() {
        assert_eq!(value, (n % 3 == 0).then(|| number(n)));
    }
    Ok(())
}

/// Deleting what is not there is no error, and deletes nothing else.
pub async fn deleting_what_is_absent_is_no_error(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    write(&store, &[("a", "1"), ("ab", "2"), ("b", "3")]).await;
    let keys = ["absent", "a", ""].map(|id| Key::new(LAWS, id));
    let answers = store.delete_many(&keys).await.expect("a batch");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), keys.len());
    let kept = store.values(&["a", "ab", "b"].map(|id| Key::new(LAWS, id))).await;
    assert_eq!(kept, [None, Some("2".into()), Some("3".into())]);
    Ok(())
}

/// A batch of writes replaces what was there, and its versions are those of the entries.
pub async fn a_batch_of_writes_replaces_what_was_there(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let old = store.set("a", "old").await;
    let drawn = write(&store, &[("a", "new"), ("b", "new")]).await;
    let [of_a, of_b] = *drawn.as_slice() else { panic!("two versions were drawn") };
    let entry = store.read("a").await.expect("the entry");
    assert_eq!((entry.value, entry.version), ("new".into(), of_a));
    let update = store.try_set("a", "x", PutMode::Update(old)).await;
    assert_eq!(update.map_err(|error| error.kind()), Err(ErrorKind::Conflict));
    store.try_set("b", "x", PutMode::Update(of_b)).await.expect("the version of the batch");
    Ok(())
}

/// One batch reaches several collections.
pub async fn a_batch_reaches_several_collections(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let keys = [Key::new("one", "a"), Key::new("two", "a"), Key::new("", "a"), Key::new("one", "b")];
    let entries = keys.iter().enumerate().map(|(n, key)| (*key, NewEntry::new(number(n))));
    store.put_many(entries.collect()).await.expect("a batch");
    assert_eq!(store.values(&keys).await, [0, 1, 2, 3].map(|n| Some(number(n))));
    store.delete_many(&keys[..2]).await.expect("a batch");
    assert_eq!(store.values(&keys).await, [None, None, Some(number(2)), Some(number(3))]);
    Ok(())
}

/// A batch of 12 MiB, more than a round trip carries, is written and read whole.
pub async fn a_batch_of_12_mib_is_written_and_read(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let size = store.capabilities().max_value.map_or(1 << 20, |max| max.min(1 << 20));
    let ids = numbered((12 << 20) / size);
    let value = |n: usize| Bytes::from(vec![u8::try_from(n % 251).expect("below 251"); size]);
    let entries = ids.iter().enumerate().map(|(n, id)| (Key::new(LAWS, id), NewEntry::new(value(n))));
    for answer in store.put_many(entries.collect()).await.expect("a batch") {
        answer.expect("a write");
    }
    for (n, found) in store.values(&keys(&ids)).await.into_iter().enumerate() {
        assert!(found == Some(value(n)), "value {n} is not what was put");
    }
    Ok(())
}
