//! What these tests share.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use kv_core::{Key, NewEntry, PutMode, Result, Scan, Store};
use kv_rocksdb::{Durability, RocksConfig, RocksStore};

pub(crate) const MODES: [Durability; 2] = [Durability::Os, Durability::Always];

pub(crate) async fn open(dir: &Path) -> RocksStore {
    RocksStore::open(RocksConfig::new(dir)).await.unwrap()
}

pub(crate) fn id(n: usize) -> String {
    format!("id-{n:05}")
}

/// A value that tells its number and is torn visibly.
pub(crate) fn value(n: usize) -> Vec<u8> {
    format!("value {n:05} ").into_bytes().repeat(1 + n % 40)
}

pub(crate) async fn put(store: &RocksStore, n: usize) {
    store.put(Key::new("c", &id(n)), NewEntry::new(value(n)), PutMode::Replace).await.unwrap();
}

pub(crate) async fn fill(store: &RocksStore, numbers: Range<usize>) {
    let ids: Vec<_> = numbers.clone().map(id).collect();
    let entries = numbers.zip(&ids).map(|(n, id)| (Key::new("c", id), NewEntry::new(value(n)))).collect();
    for written in store.put_many(entries).await.unwrap() {
        written.unwrap();
    }
}

pub(crate) fn expected(numbers: Range<usize>) -> BTreeMap<String, Vec<u8>> {
    numbers.map(|n| (id(n), value(n))).collect()
}

/// All that is listed, with values.
pub(crate) async fn entries(store: &RocksStore) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut from = None;
    loop {
        let page = store.scan(Scan::one("c").values(), from.as_ref()).await?;
        found.extend(page.items.into_iter().map(|item| (item.id, item.entry.unwrap().value.to_vec())));
        from = page.next;
        if from.is_none() {
            return Ok(found);
        }
    }
}

/// Runs `test` of this binary as a child process, which finds `variables` in its environment.
pub(crate) fn child(test: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}
