//! What the laws share: a store with shorthands, races, pages read to the end.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Barrier;

use super::{Harness, Size, Skipped, pass};
use crate::{Entry, Error, ErrorKind, Item, Key, Listing, NewEntry, PutMode, Result, Scan, Store, Version};

/// The collection that a law uses if it needs only one.
pub(super) const LAWS: &str = "laws";

/// How late an entry may go.
pub(super) const LATE: Duration = Duration::from_millis(50);
/// A ttl that can be waited for.
pub(super) const SHORT: Duration = Duration::from_millis(400);

/// A ttl that no law waits for, unless it moves the clock.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// The store under trial, with the shorthands that laws are written in.
#[derive(Debug)]
pub(super) struct Subject<S>(pub(super) Arc<S>);

impl<S> Clone for Subject<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Deref for Subject<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S: Store> Subject<S> {
    /// Writes `value` under `id`, for ever.
    pub(super) async fn set(&self, id: &str, value: impl Into<Bytes>) -> Version {
        self.set_for(id, value, None).await
    }

    /// Writes `value` under `id`, to live for `ttl`.
    pub(super) async fn set_for(
        &self,
        id: &str,
        value: impl Into<Bytes>,
        ttl: impl Into<Option<Duration>>,
    ) -> Version {
        let entry = NewEntry::new(value).ttl(ttl);
        self.0.put(Key::new(LAWS, id), entry, PutMode::Replace).await.expect("a put")
    }

    /// Writes `value` under `id` if `mode` allows.
    pub(super) async fn try_set(&self, id: &str, value: impl Into<Bytes>, mode: PutMode) -> Result<Version> {
        self.0.put(Key::new(LAWS, id), NewEntry::new(value), mode).await
    }

    /// The entry under `id`.
    pub(super) async fn read(&self, id: &str) -> Option<Entry> {
        self.0.get(Key::new(LAWS, id)).await.expect("a get")
    }

    /// The value under `id`.
    pub(super) async fn value(&self, id: &str) -> Option<Bytes> {
        self.read(id).await.map(|entry| entry.value)
    }

    /// Takes the entry under `id`, whatever its version.
    pub(super) async fn remove(&self, id: &str) -> Option<Entry> {
        self.0.take(Key::new(LAWS, id), None).await.expect("a take")
    }

    /// The values under `keys`, read in one batch.
    pub(super) async fn values(&self, keys: &[Key<'_>]) -> Vec<Option<Bytes>> {
        let answers = self.0.get_many(keys).await.expect("a batch of reads");
        answers.into_iter().map(|answer| answer.expect("a read").map(|entry| entry.value)).collect()
    }

    /// Writes `count` entries `id(n)` → `n` in batches, for ever.
    pub(super) async fn fill(&self, collection: &str, count: usize, id: impl Fn(usize) -> String) {
        let ids: Vec<String> = (0..count).map(id).collect();
        for (start, ids) in ids.chunks(1_000).enumerate().map(|(chunk, ids)| (chunk * 1_000, ids)) {
            let entries = ids.iter().enumerate();
            let entries = entries.map(|(n, id)| (Key::new(collection, id), NewEntry::new(number(start + n))));
            for answer in self.0.put_many(entries.collect()).await.expect("a batch of writes") {
                answer.expect("a write");
            }
        }
    }

    /// All pages of `scan`, one after the other.
    pub(super) async fn pages(&self, scan: Scan<'_>) -> Vec<Vec<Item>> {
        let (mut pages, mut from) = (Vec::new(), None);
        loop {
            let page = self.0.scan(scan, from.as_ref()).await.expect("a page");
            pages.push(page.items);
            from = page.next;
            if from.is_none() {
                return pages;
            }
            assert!(pages.len() < 200_000, "the scan does not end");
        }
    }

    /// All items of `scan`.
    pub(super) async fn list(&self, scan: Scan<'_>) -> Vec<Item> {
        self.pages(scan).await.into_iter().flatten().collect()
    }
}

/// An empty store that takes writes.
pub(super) async fn empty<H: Harness>(h: &H) -> Result<Subject<H::Store>, Skipped> {
    let store = h.empty().await;
    needs(store.capabilities().writable, "takes no writes")?;
    Ok(Subject(Arc::new(store)))
}

/// An empty store that takes writes and can list.
pub(super) async fn listing<H: Harness>(h: &H) -> Result<Subject<H::Store>, Skipped> {
    let store = empty(h).await?;
    needs(store.capabilities().scan != Listing::No, "cannot list")?;
    Ok(store)
}

/// An empty store, and another handle on its data.
pub(super) async fn siblings<H: Harness>(h: &H) -> Result<(Subject<H::Store>, Subject<H::Store>), Skipped> {
    let store = empty(h).await?;
    let sibling = h.sibling(&store).await.ok_or(Skipped("has no second handle"))?;
    Ok((store, Subject(Arc::new(sibling))))
}

/// Skips the law for `why` unless `condition` is met.
pub(super) const fn needs(condition: bool, why: &'static str) -> Result<(), Skipped> {
    if condition { Ok(()) } else { Err(Skipped(why)) }
}

/// Skips the law unless time can be made to pass by hand.
pub(super) fn needs_a_manual_clock(h: &impl Harness) -> Result<(), Skipped> {
    let before = h.clock().unix_ms();
    h.clock().advance(Duration::from_secs(1));
    needs(h.clock().unix_ms() >= before + 1_000, "time cannot be moved by hand")
}

/// Waits until everything put before this call with a ttl up to `ttl` must be gone.
pub(super) async fn outlive(h: &impl Harness, ttl: Duration) {
    pass(h, ttl + LATE + ms(1)).await;
}

/// Asserts that `answer` is an error of `kind`, and hands the error back.
#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(answer: Result<T>, kind: ErrorKind) -> Error {
    match answer {
        Err(error) if error.kind() == kind => error,
        other => panic!("expected {kind:?}, got {other:?}"),
    }
}

/// Lets `size.tasks` tasks run `step` at once, `size.rounds` times; hands back, by round, what each task answered.
pub(super) async fn race<S, T, F, R>(store: &Subject<S>, size: Size, step: F) -> Vec<Vec<T>>
where
    S: Store,
    T: Send + 'static,
    F: Fn(Subject<S>, usize, usize) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = T> + Send,
{
    let start = Arc::new(Barrier::new(size.tasks));
    let tasks = (0..size.tasks).map(|task| {
        let (store, start, step) = (store.clone(), Arc::clone(&start), step.clone());
        tokio::spawn(async move {
            let mut answers = Vec::with_capacity(size.rounds);
            for round in 0..size.rounds {
                start.wait().await;
                answers.push(step(store.clone(), round, task).await);
            }
            answers
        })
    });
    let mut rounds: Vec<Vec<T>> = (0..size.rounds).map(|_| Vec::with_capacity(size.tasks)).collect();
    for task in tasks.collect::<Vec<_>>() {
        let answers = task.await.expect("a task of the race");
        for (round, answer) in rounds.iter_mut().zip(answers) {
            round.push(answer);
        }
    }
    rounds
}

/// `n` in decimal, as a value.
pub(super) fn number(n: usize) -> Bytes {
    Bytes::from(n.to_string())
}

/// Milliseconds, to be read quickly.
pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
