//! Law 8: long work lets others run. On one thread, a second task counts how often it got a turn meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::testing::tools::{LAWS, empty, listing, number};
use crate::testing::{Harness, Shown};
use crate::{Key, NewEntry, Scan, Store};

/// Others get a turn at least once in so many entries; stores aim at 64.
const ENTRIES_A_TURN: usize = 128;
/// On a busy machine the system may keep the others from the turns they were given: only what never lets them is wrong.
const TRIES: usize = 5;

/// Counts its own turns until it is dropped.
struct Bystander {
    turns: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Bystander {
    fn start() -> Self {
        let turns = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&turns);
        let task = tokio::spawn(async move {
            loop {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        Self { turns, task }
    }

    /// Its turns while `work` ran.
    async fn during(&self, work: impl Future<Output = ()>) -> usize {
        tokio::task::yield_now().await;
        let before = self.turns.load(Ordering::Relaxed);
        work.await;
        self.turns.load(Ordering::Relaxed) - before
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn others_run(doing: &str, entries: usize, work: impl AsyncFn()) {
    let (bystander, least) = (Bystander::start(), entries / ENTRIES_A_TURN);
    let mut turns = 0;
    for _ in 0..TRIES {
        turns = bystander.during(work()).await;
        if turns >= least {
            return;
        }
    }
    panic!("others got {turns} turns, not {least}, during {doing} {entries} entries");
}

/// A batch of thousands of writes lets others run.
pub async fn a_large_batch_of_writes_lets_others_run(h: &impl Harness) -> Shown {
    let (store, count) = (empty(h).await?, h.size().batch);
    let ids: Vec<_> = (0..count).map(|n| n.to_string()).collect();
    others_run("writing", count, async || {
        let entries = ids.iter().enumerate();
        let entries = entries.map(|(n, id)| (Key::new(LAWS, id), NewEntry::new(number(n)))).collect();
        let answers = store.put_many(entries).await.expect("a batch");
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), count);
    })
    .await;
    Ok(())
}

/// A batch of thousands of reads lets others run.
pub async fn a_large_batch_of_reads_lets_others_run(h: &impl Harness) -> Shown {
    let (store, count) = (empty(h).await?, h.size().batch);
    store.fill(LAWS, count, |n| n.to_string()).await;
    let ids: Vec<_> = (0..count).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new(LAWS, id)).collect();
    others_run("reading", count, async || {
        assert_eq!(store.get_many(&keys).await.expect("a batch").len(), count);
    })
    .await;
    Ok(())
}

/// A batch of thousands of deletions lets others run.
pub async fn a_large_batch_of_deletions_lets_others_run(h: &impl Harness) -> Shown {
    let (store, count) = (empty(h).await?, h.size().batch);
    let ids: Vec<_> = (0..count).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new(LAWS, id)).collect();
    let (bystander, mut turns) = (Bystander::start(), 0);
    for _ in 0..TRIES {
        store.fill(LAWS, count, |n| n.to_string()).await;
        let removed = async { assert_eq!(store.delete_many(&keys).await.expect("a batch").len(), count) };
        turns = turns.max(bystander.during(removed).await);
        if turns >= count / ENTRIES_A_TURN {
            return Ok(());
        }
    }
    panic!("others got {turns} turns during deleting {count} entries");
}

/// A scan of thousands, with values, lets others run.
pub async fn a_large_scan_lets_others_run(h: &impl Harness) -> Shown {
    let (store, count) = (listing(h).await?, h.size().scan);
    store.fill(LAWS, count, |n| n.to_string()).await;
    others_run("listing", count, async || {
        assert!(store.list(Scan::one(LAWS).values()).await.len() >= count);
    })
    .await;
    Ok(())
}

/// Every operation works on an executor of one thread.
pub async fn one_thread_is_enough(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..20 {
                    let id = format!("{task} {n}");
                    store.set(&id, number(n)).await;
                    assert_eq!(store.values(&[Key::new(LAWS, &id)]).await, [Some(number(n))]);
                    assert!(store.remove(&id).await.is_some());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task");
    }
    store.close().await.expect("a close");
    Ok(())
}
