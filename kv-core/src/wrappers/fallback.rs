//! A second store to read from while the first one is away.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    AnyStore, Capabilities, Changes, Consistency, Cursor, Entry, Error, ErrorKind, Key, Listing, NewEntry,
    Page, PutMode, Result, Scan, Signals, Store, Version,
};

/// Reads from a second store what the first cannot tell at the moment: `Throttled`, `Timeout`, `Unavailable`.
///
/// Reads are `get`, `get_many` (of the keys that failed) and `scan` (a listing stays on the store where it began). If the
/// second store fails too, the answer is the first one's error. Writes, `take`, signals and changes go to the first store
/// only: two stores that both spend codes spend a code twice. Nothing is copied from one store to the other; that is for
/// whoever runs them.
///
/// What it does to the laws: what was read while the first store was away may be old, or absent though it is there, so
/// `consistency` is `BestEffort`; and a listing may come from either, so `scan` is `Ordered` only if it is in both (a
/// second store that cannot list does not count: no listing comes from it). All others hold as they hold in the first
/// store. `close` closes both.
///
/// Who keeps what was read may keep what is old: no news says so, since the first store never held it. A near cache around
/// this keeps its copies for a second at most, as [`reads_elsewhere`](Capabilities::reads_elsewhere) asks for.
///
/// It stands inside [`Retry`](crate::Retry) and [`Timeout`](crate::Timeout). A first store that hangs uses up that
/// timeout before the second is asked: give it a shorter one of its own, `first.timeout(..).falling_back(second)`.
#[derive(Clone, Debug)]
pub struct Fallback<S = AnyStore, F = AnyStore> {
    first: S,
    second: F,
    capabilities: Capabilities,
}

/// The first byte of a cursor: which store it belongs to.
const FIRST: u8 = 1;
const SECOND: u8 = 2;

impl<S: Store, F: Store> Fallback<S, F> {
    /// Reads from `second` while `first` is away.
    pub fn new(first: S, second: F) -> Self {
        let mut round_trips = first.capabilities().round_trips;
        round_trips.get = round_trips.get.max(second.capabilities().round_trips.get);
        let capabilities = Capabilities {
            round_trips,
            consistency: Consistency::BestEffort,
            scan: listing(first.capabilities().scan, second.capabilities().scan),
            reads_ahead: true, // the second need not have what the first acknowledged
            reads_elsewhere: true,
            ..first.capabilities().clone()
        };
        Self { first, second, capabilities }
    }

    /// Fills in, from the second store, the keys that failed for a passing reason.
    async fn fill(&self, keys: &[Key<'_>], answers: &mut [Result<Option<Entry>>]) {
        let passing = |answer: &Result<_>| answer.as_ref().is_err_and(Error::is_retryable);
        let failed: Vec<Key<'_>> =
            answers.iter().zip(keys).filter(|(answer, _)| passing(answer)).map(|(_, key)| *key).collect();
        if failed.is_empty() {
            return;
        }
        let Ok(found) = self.second.get_many(&failed).await else { return };
        for (answer, found) in answers.iter_mut().filter(|answer| passing(answer)).zip(found) {
            if found.is_ok() {
                *answer = found;
            }
        }
    }
}

impl<S: Store, F: Store> Store for Fallback<S, F> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        match self.first.get(key).await {
            Err(error) if error.is_retryable() => self.second.get(key).await.map_err(|_| error),
            answer => answer,
        }
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.first.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.first.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        match self.first.get_many(keys).await {
            Err(error) if error.is_retryable() => self.second.get_many(keys).await.map_err(|_| error),
            Err(error) => Err(error),
            Ok(mut answers) => {
                self.fill(keys, &mut answers).await;
                Ok(answers)
            }
        }
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.first.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.first.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        match from.map(owner) {
            None => match self.first.scan(scan, None).await {
                Err(error) if error.is_retryable() => {
                    let page = self.second.scan(scan, None).await;
                    page.map(|page| marked(page, SECOND)).map_err(|_| error)
                }
                page => Ok(marked(page?, FIRST)),
            },
            Some(Some((FIRST, from))) => Ok(marked(self.first.scan(scan, Some(&from)).await?, FIRST)),
            Some(Some((SECOND, from))) => Ok(marked(self.second.scan(scan, Some(&from)).await?, SECOND)),
            Some(_) => {
                Err(Error::new(ErrorKind::Invalid, "the cursor is not one of this store").during("scan"))
            }
        }
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.first.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.first.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.first.changes().await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        let first = self.first.close().await;
        self.second.close().await.and(first)
    }
}

/// What is true of a listing that comes from either store; where one cannot list, none comes from the second.
const fn listing(first: Listing, second: Listing) -> Listing {
    match (first, second) {
        (Listing::Ordered, Listing::Unordered) => Listing::Unordered,
        (first, _) => first,
    }
}

/// Whose cursor it is, and that store's own.
fn owner(cursor: &Cursor) -> Option<(u8, Cursor)> {
    let bytes = cursor.as_bytes();
    Some((*bytes.first()?, Cursor::from_bytes(bytes.slice(1..))))
}

fn marked(mut page: Page, owner: u8) -> Page {
    page.next = page.next.map(|cursor| {
        let mut bytes = BytesMut::with_capacity(cursor.as_bytes().len() + 1);
        bytes.put_u8(owner);
        bytes.put_slice(cursor.as_bytes());
        Cursor::from_bytes(bytes.freeze())
    });
    page
}

#[cfg(test)]
mod tests {
    use super::listing;
    use crate::Listing::{No, Ordered, Unordered};

    #[test]
    fn a_listing_is_ordered_only_if_each_that_may_answer_is() {
        for (first, second, both) in [
            (Ordered, Ordered, Ordered),
            (Ordered, Unordered, Unordered),
            (Ordered, No, Ordered),
            (Unordered, Ordered, Unordered),
            (Unordered, Unordered, Unordered),
            (Unordered, No, Unordered),
            (No, Ordered, No),
            (No, Unordered, No),
            (No, No, No),
        ] {
            assert_eq!(listing(first, second), both, "{first:?}, {second:?}");
        }
    }
}
