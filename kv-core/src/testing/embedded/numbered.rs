//! Entries that tell their number.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::{Key, NewEntry, PutMode, Result, Scan, Store};

const COLLECTION: &str = "c";

/// The id of entry `n`.
pub fn id(n: usize) -> String {
    format!("id-{n:05}")
}

/// A value that tells its number and is torn visibly.
pub fn value(n: usize) -> Vec<u8> {
    format!("value {n:05} ").into_bytes().repeat(1 + n % 40)
}

/// Writes entry `n` into the collection `c`.
///
/// # Panics
/// When the store refuses it.
pub async fn put(store: &impl Store, n: usize) {
    store.put(Key::new(COLLECTION, &id(n)), NewEntry::new(value(n)), PutMode::Replace).await.expect("a put");
}

/// Writes these entries in one batch.
///
/// # Panics
/// When the store refuses one.
pub async fn fill(store: &impl Store, numbers: Range<usize>) {
    let ids: Vec<_> = numbers.clone().map(id).collect();
    let entries =
        numbers.zip(&ids).map(|(n, id)| (Key::new(COLLECTION, id), NewEntry::new(value(n)))).collect();
    for written in store.put_many(entries).await.expect("a batch") {
        written.expect("a write");
    }
}

/// What [`entries`] finds where these were written.
pub fn expected(numbers: Range<usize>) -> BTreeMap<String, Vec<u8>> {
    numbers.map(|n| (id(n), value(n))).collect()
}

/// All that is listed in the collection `c`, with values.
///
/// # Errors
/// Those of the scan.
///
/// # Panics
/// When an item lacks its value.
pub async fn entries(store: &impl Store) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut from = None;
    loop {
        let page = store.scan(Scan::one(COLLECTION).values(), from.as_ref()).await?;
        let values = page
            .items
            .into_iter()
            .map(|item| (item.id.into(), item.entry.expect("its value").value.to_vec()));
        found.extend(values);
        from = page.next;
        if from.is_none() {
            return Ok(found);
        }
    }
}
