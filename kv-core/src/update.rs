//! Optimistic updates: read, decide, write only if nobody wrote meanwhile.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use crate::{
    Entry, Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Result, Store, StoreExt, Version, each,
};

const TRIES: u32 = 64;
/// A read that takes longer was repeated, or held up where nobody knows: its answer counts as not older than this, since no
/// entry is to leave early by more.
const LONGEST_WAY: Duration = Duration::from_millis(25);

/// Whether an entry that the store calls `Corrupt` is an error or counts as absent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCorrupt {
    Fail,
    Remove,
}

/// Runs `step` on what stands under `key` until its answer could be written without a race.
///
/// `step` answers what to write, `None` to remove, and what to hand to the caller once that is done. It is told when the
/// entry was asked for, as far as can be told: [`left`] of its ttl then.
pub(crate) async fn run<S: Store, R: Send>(
    store: &S,
    key: Key<'_>,
    mut on_corrupt: OnCorrupt,
    mut step: impl FnMut(Option<Entry>, Instant) -> Result<(Option<NewEntry>, R)> + Send,
) -> Result<R> {
    for attempt in 0..TRIES {
        let before = Instant::now();
        let got = store.get(key).await;
        let asked = before.max(Instant::now().checked_sub(LONGEST_WAY).unwrap_or(before));
        let entry = match got {
            Err(error) if error.kind() == ErrorKind::Corrupt && on_corrupt == OnCorrupt::Remove => {
                on_corrupt = OnCorrupt::Fail; // once: what cannot be removed is an error after all
                remove_corrupt(store, key, error.version()).await?;
                continue;
            }
            entry => entry?,
        };
        let version = entry.as_ref().map(|entry| entry.version);
        let (write, answer) = step(entry, asked)?;
        match written(store, key, write, version).await {
            Ok(()) => return Ok(answer),
            Err(error) if is_race(&error) => back_off(attempt).await,
            Err(error) => return Err(error),
        }
    }
    Err(exhausted(key))
}

async fn written<S: Store>(
    store: &S,
    key: Key<'_>,
    write: Option<NewEntry>,
    version: Option<Version>,
) -> Result<()> {
    match (write, version) {
        (Some(new), Some(version)) => store.put(key, new, PutMode::Update(version)).await.map(drop),
        (Some(new), None) => store.put(key, new, PutMode::Create).await.map(drop),
        (None, Some(version)) => match store.take(key, Some(version)).await? {
            Some(_) => Ok(()),
            // Else two who remove it would both have seen it, and a code would be spent twice.
            None => Err(Error::new(ErrorKind::Conflict, "somebody else removed the entry")),
        },
        (None, None) => Ok(()),
    }
}

/// Removes an entry, readable or not; whether there was one. Of two who remove it one is told so, unless it is damaged.
pub(crate) async fn remove<S: Store>(store: &S, key: Key<'_>) -> Result<bool> {
    match store.take(key, None).await {
        Ok(taken) => Ok(taken.is_some()),
        // Some stores do not touch what they cannot decide on, ..
        Err(error) if error.kind() == ErrorKind::Corrupt && error.outcome() == Outcome::NotDone => {
            store.delete(key).await.map(|()| true)
        }
        // .. others take it and then cannot read it, or fail halfway.
        Err(error) if error.kind() == ErrorKind::Corrupt => match store.get(key).await {
            Ok(None) => Ok(true),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// What is left of a ttl that was asked for at this time: a store counts a ttl that is written from when it arrives, and would
/// give the way there and back once more with each update. In whole milliseconds, as stores count.
pub(crate) fn left(ttl: Option<Duration>, asked: Instant) -> Option<Duration> {
    let since = Duration::from_millis(u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX));
    ttl.map(|ttl| ttl.saturating_sub(since).max(Duration::from_millis(1)))
}

/// Removes an entry that nobody can read: the one of this version, and what another writer has put there since stays.
///
/// Where its version is not known, or the store does not decide on damaged bytes, that may be met: it goes back, or is an error.
/// Where the take itself refuses damaged bytes, a delete removes them, whatever stands there by then.
pub(crate) async fn remove_corrupt<S: Store>(
    store: &S,
    key: Key<'_>,
    version: Option<Version>,
) -> Result<()> {
    if let Some(version) = version {
        match store.take(key, Some(version)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            Err(error) if error.outcome() == Outcome::Unknown => return Ok(()), // it took it first
            Err(_) => {}
        }
    }
    match store.take(key, None).await {
        Ok(None) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Corrupt && error.outcome() == Outcome::NotDone => {
            store.delete(key).await
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(()),
        Err(error) => Err(error),
        Ok(Some(Entry { value, ttl, meta, .. })) => {
            let back = NewEntry::new(value).ttl(ttl).meta(meta);
            store.put(key, back, PutMode::Create).await.map(drop).map_err(|error| {
                let message =
                    "what another writer had just put in place of a damaged entry was removed with it";
                Error::new(ErrorKind::Unavailable, message).because(error).with_outcome(Outcome::Unknown)
            })
        }
    }
}

/// Whether another writer came first, and nothing was done.
fn is_race(error: &Error) -> bool {
    error.outcome() == Outcome::NotDone
        && matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists)
}

/// At first a yield, which is all that an embedded store needs; then up to 64 ms, by chance.
async fn back_off(attempt: u32) {
    let Some(doubled) = attempt.checked_sub(3) else { return each::yield_now().await };
    let most = 1_u64 << doubled.min(6);
    let pause = Duration::from_millis(rand::rng().random_range(0..=most));
    tokio::time::sleep(pause).await;
}

fn exhausted(key: Key<'_>) -> Error {
    let message = "64 tries in a row met another writer: spread the writers over more entries";
    Error::new(ErrorKind::Conflict, message).during("update_with").at(key)
}
