//! How much there is to copy, where that is quickly told.

use std::time::Duration;

use kv_core::{AnyStore, Cursor, Scan, Store as _};

/// Who waits for a copy to begin does not wait longer to know how long it takes.
const PATIENCE: Duration = Duration::from_secs(2);
const PAGE: usize = 1_000;

/// How many entries `scan` lists from this place on. `None` where that costs a server as much as half the copy, where it
/// takes too long, and where it fails: the copy itself will say why.
pub(super) async fn total(source: &AnyStore, scan: Scan<'_>, from: Option<&Cursor>) -> Option<u64> {
    if !source.capabilities().exclusive {
        return None;
    }
    tokio::time::timeout(PATIENCE, counted(source, scan.limit(PAGE), from.cloned())).await.ok().flatten()
}

async fn counted(source: &AnyStore, scan: Scan<'_>, mut from: Option<Cursor>) -> Option<u64> {
    let mut total = 0;
    loop {
        let page = source.scan(scan, from.as_ref()).await.ok()?;
        total += page.items.len() as u64;
        from = page.next;
        if from.is_none() {
            return Some(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{Key, NewEntry, PutMode, Scan, Store as _, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{PAGE, total};

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_counted_unless_that_takes_too_long() {
        let faults = Faults::none();
        let store = Faulty::new(MemoryStore::new(), &faults).erased();
        let entries = PAGE + 10;
        for n in 0..entries {
            let id = format!("{n:05}");
            store.put(Key::new("c", &id), NewEntry::new("v"), PutMode::Create).await.unwrap();
        }
        let all = u64::try_from(entries).unwrap();
        assert_eq!(total(&store, Scan::under(""), None).await, Some(all));
        let first = store.scan(Scan::under("").values().limit(7), None).await.unwrap().next;
        assert_eq!(total(&store, Scan::under(""), first.as_ref()).await, Some(all - 7));
        faults.next("scan", Fault::delayed(Duration::from_secs(60)));
        assert_eq!(total(&store, Scan::under(""), None).await, None);
    }
}
