//! Orders that are known to be wrong, each with what it loses. Those of wrappers of one crate are in that crate's tests.

use kv_core::{AnyStore, ErrorKind, Key, NewEntry, PutMode, Store, StoreExt as _};
use kv_memory::MemoryStore;

use super::wrappers::encrypted;

const A: Key<'static> = Key::new("c", "a");

async fn set(store: &impl Store, key: Key<'_>, value: impl Into<bytes::Bytes>) {
    store.put(key, NewEntry::new(value), PutMode::Replace).await.unwrap();
}

/// How many bytes the bottom holds of 10,000 that shrink well.
async fn stored(bottom: &MemoryStore, stack: AnyStore) -> usize {
    set(&stack, A, vec![b'x'; 10_000]).await;
    assert_eq!(stack.get(A).await.unwrap().unwrap().value.len(), 10_000);
    bottom.get(A).await.unwrap().unwrap().value.len()
}

#[tokio::test]
async fn what_is_compressed_outside_encryption_is_small_and_what_is_compressed_inside_is_not() {
    let bottom = MemoryStore::new();
    assert!(stored(&bottom, encrypted(bottom.clone()).compressed().erased()).await < 200);
    assert!(stored(&bottom, encrypted(bottom.clone().compressed()).erased()).await > 10_000);
}

/// Writes a value under the prefix `one`, moves its stored bytes to the prefix `two`, and reads them there.
async fn moved(one: &AnyStore, two: &AnyStore, bottom: &MemoryStore) -> Result<bytes::Bytes, ErrorKind> {
    set(one, A, "for the first tenant").await;
    let sealed = bottom.get(Key::new("one/c", "a")).await.unwrap().unwrap().value;
    set(bottom, Key::new("two/c", "a"), sealed).await;
    two.get(A).await.map(|found| found.unwrap().value).map_err(|error| error.kind())
}

#[tokio::test]
async fn under_a_prefix_outside_encryption_a_value_stays_where_it_was_sealed_and_inside_it_can_be_moved() {
    let bottom = MemoryStore::new();
    let right = |prefix: &str| encrypted(bottom.clone()).prefixed(prefix).erased();
    assert_eq!(moved(&right("one"), &right("two"), &bottom).await, Err(ErrorKind::Corrupt));
    let wrong = |prefix: &str| encrypted(bottom.clone().prefixed(prefix)).erased();
    assert_eq!(moved(&wrong("one"), &wrong("two"), &bottom).await.unwrap(), "for the first tenant");
}
