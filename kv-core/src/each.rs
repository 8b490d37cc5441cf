//! Batches for backends and wrappers that have none of their own: single operations, one after the other.
//!
//! Each body yields to the executor every [`EVERY`] entries, so that a long batch on a store that never waits does
//! not hold its thread.

use std::future::poll_fn;
use std::task::Poll;

use crate::{Entry, Key, NewEntry, PutMode, Result, Store, Version};

/// How many entries a batch handles before it yields.
pub const EVERY: usize = 64;

/// `Store::get_many` as one `get` per key.
///
/// # Errors
/// None of its own: each key has its own result.
pub async fn get_many<S: Store>(store: &S, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
    let mut answers = Vec::with_capacity(keys.len());
    for (at, key) in keys.iter().enumerate() {
        pause(at).await;
        answers.push(store.get(*key).await);
    }
    Ok(answers)
}

/// `Store::put_many` as one `put` with `Replace` per entry, in order, so that the last of duplicates wins.
///
/// # Errors
/// None of its own: each entry has its own result.
pub async fn put_many<S: Store>(
    store: &S,
    entries: Vec<(Key<'_>, NewEntry)>,
) -> Result<Vec<Result<Version>>> {
    let mut answers = Vec::with_capacity(entries.len());
    for (at, (key, entry)) in entries.into_iter().enumerate() {
        pause(at).await;
        answers.push(store.put(key, entry, PutMode::Replace).await);
    }
    Ok(answers)
}

/// `Store::delete_many` as one `take` per key, its value dropped.
///
/// # Errors
/// None of its own: each key has its own result.
pub async fn delete_many<S: Store>(store: &S, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
    let mut answers = Vec::with_capacity(keys.len());
    for (at, key) in keys.iter().enumerate() {
        pause(at).await;
        answers.push(store.take(*key, None).await.map(drop));
    }
    Ok(answers)
}

/// Sends those entries on as one batch that a wrapper could prepare; the others answer with their own error.
///
/// For wrappers that change values (compress, encrypt) and may fail at one entry of many.
///
/// # Errors
/// The outer error of the inner `put_many`: nothing was sent.
pub async fn put_prepared<S: Store>(
    store: &S,
    entries: Vec<(Key<'_>, Result<NewEntry>)>,
) -> Result<Vec<Result<Version>>> {
    let mut refused = Vec::new();
    let mut ready = Vec::with_capacity(entries.len());
    for (at, (key, entry)) in entries.into_iter().enumerate() {
        match entry {
            Ok(entry) => ready.push((key, entry)),
            Err(error) => refused.push((at, error.during("put_many").at(key))),
        }
    }
    let mut answers = if ready.is_empty() { Vec::new() } else { store.put_many(ready).await? };
    for (at, error) in refused {
        answers.insert(at.min(answers.len()), Err(error)); // ascending, so each lands at its own place
    }
    Ok(answers)
}

/// Yields once to the executor, on any executor.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Gives way during work on many values: after each [`EVERY`] of them, and after so many bytes.
#[derive(Debug)]
pub struct Pause {
    most_values: usize,
    most_bytes: usize,
    values: usize,
    bytes: usize,
}

impl Pause {
    /// Gives way after each `most` bytes at the latest: what the work gets through in half a millisecond or so.
    pub const fn every(most: usize) -> Self {
        Self { most_values: EVERY, most_bytes: most, values: 0, bytes: 0 }
    }

    /// The same for one of so many works that one task polls together: it gives way for all of them when it does.
    #[must_use]
    pub fn among(self, works: usize) -> Self {
        let share = |most: usize| (most / works.max(1)).max(1);
        Self { most_values: share(self.most_values), most_bytes: share(self.most_bytes), ..self }
    }

    /// Counts one value of `bytes`, and yields if it is time.
    pub async fn after(&mut self, bytes: usize) {
        self.values += 1;
        self.bytes += bytes;
        if self.values >= self.most_values || self.bytes >= self.most_bytes {
            (self.values, self.bytes) = (0, 0);
            yield_now().await;
        }
    }
}

async fn pause(at: usize) {
    if at > 0 && at.is_multiple_of(EVERY) {
        yield_now().await;
    }
}
