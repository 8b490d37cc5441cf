//! What wrappers that only look on have in common: what was called, what came of it, and the impl that tells them.

use crate::{Changes, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, Result, Signals, Version};

/// An operation, to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    Put,
    Take,
    GetMany,
    PutMany,
    DeleteMany,
    Scan,
    Signal,
    Signals,
    Changes,
    Close,
}

impl Operation {
    pub(super) const ALL: [Self; 11] = [
        Self::Get,
        Self::Put,
        Self::Take,
        Self::GetMany,
        Self::PutMany,
        Self::DeleteMany,
        Self::Scan,
        Self::Signal,
        Self::Signals,
        Self::Changes,
        Self::Close,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Take => "take",
            Self::GetMany => "get_many",
            Self::PutMany => "put_many",
            Self::DeleteMany => "delete_many",
            Self::Scan => "scan",
            Self::Signal => "signal",
            Self::Signals => "signals",
            Self::Changes => "changes",
            Self::Close => "close",
        }
    }
}

/// One call, before it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) operation: Operation,
    /// The collection, where all keys are in one.
    #[cfg_attr(
        not(any(feature = "metrics", feature = "tracing")),
        expect(dead_code, reason = "counts go by no name")
    )]
    pub(super) collection: Option<&'a str>,
    /// The id of a single key.
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "only spans tell it, hashed"))]
    pub(super) id: Option<&'a str>,
    /// How many keys a batch has.
    pub(super) batch: Option<usize>,
    /// Bytes of values on their way in.
    pub(super) bytes: usize,
}

impl<'a> Call<'a> {
    pub(super) const fn bare(operation: Operation) -> Self {
        Self { operation, collection: None, id: None, batch: None, bytes: 0 }
    }

    pub(super) const fn on(operation: Operation, collection: &'a str) -> Self {
        Self { collection: Some(collection), ..Self::bare(operation) }
    }

    pub(super) const fn at(operation: Operation, key: Key<'a>) -> Self {
        Self { id: Some(key.id), ..Self::on(operation, key.collection) }
    }

    pub(super) fn put(key: Key<'a>, entry: &NewEntry) -> Self {
        Self { bytes: entry.value().len(), ..Self::at(Operation::Put, key) }
    }

    pub(super) fn batch(operation: Operation, keys: impl ExactSizeIterator<Item = Key<'a>>) -> Self {
        let batch = Some(keys.len());
        let mut collections = keys.map(|key| key.collection);
        let first = collections.next();
        let collection = first.filter(|first| collections.all(|other| other == *first));
        Self { collection, batch, ..Self::bare(operation) }
    }

    pub(super) fn put_many(entries: &[(Key<'a>, NewEntry)]) -> Self {
        let bytes = entries.iter().map(|(_, entry)| entry.value().len()).sum();
        Self { bytes, ..Self::batch(Operation::PutMany, entries.iter().map(|(key, _)| *key)) }
    }
}

/// What came of a call that succeeded as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Keys that were looked for and found.
    pub(super) hits: u64,
    /// Keys that were looked for and are absent.
    pub(super) misses: u64,
    /// Entries that came back, where an operation asks for some: hits, or what a page of a listing holds.
    pub(super) rows: Option<u64>,
    /// Bytes of values on their way out.
    pub(super) bytes: u64,
    /// Keys of a batch that failed.
    pub(super) failed: u64,
    /// The first one's kind, and whether it may have been executed.
    pub(super) first_failure: Option<(ErrorKind, Outcome)>,
}

impl Told {
    fn entry(&mut self, entry: Option<&Entry>) {
        *self.rows.get_or_insert(0) += u64::from(entry.is_some());
        match entry {
            Some(entry) => {
                self.hits += 1;
                self.bytes += entry.value.len() as u64;
            }
            None => self.misses += 1,
        }
    }

    fn failure(&mut self, error: &Error) {
        self.failed += 1;
        self.first_failure.get_or_insert((error.kind(), error.outcome()));
    }
}

/// What an answer tells beside itself.
pub(super) trait Tells {
    fn told(&self) -> Told {
        Told::default()
    }
}

impl Tells for () {}
impl Tells for Version {}
impl Tells for Signals {}
impl Tells for Changes {}

impl Tells for Option<Entry> {
    fn told(&self) -> Told {
        let mut told = Told::default();
        told.entry(self.as_ref());
        told
    }
}

impl Tells for Page {
    fn told(&self) -> Told {
        let bytes = self.items.iter().filter_map(|item| item.entry.as_ref()).map(|entry| entry.value.len());
        let rows = Some(self.items.len() as u64);
        Told { rows, bytes: bytes.sum::<usize>() as u64, ..Told::default() }
    }
}

impl<T: InBatch> Tells for Vec<Result<T>> {
    fn told(&self) -> Told {
        let mut told = Told::default();
        for answer in self {
            match answer {
                Ok(found) => found.add_to(&mut told),
                Err(error) => told.failure(error),
            }
        }
        told
    }
}

/// What one key of a batch answers.
pub(super) trait InBatch {
    fn add_to(&self, _: &mut Told) {}
}

impl InBatch for () {}
impl InBatch for Version {}

impl InBatch for Option<Entry> {
    fn add_to(&self, told: &mut Told) {
        told.entry(self.as_ref());
    }
}

/// The `error.type` of OpenTelemetry: few, fixed, and the same words as in code.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(super) const fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AlreadyExists => "AlreadyExists",
        ErrorKind::Conflict => "Conflict",
        ErrorKind::Corrupt => "Corrupt",
        ErrorKind::Denied => "Denied",
        ErrorKind::Full => "Full",
        ErrorKind::Invalid => "Invalid",
        ErrorKind::TooLarge => "TooLarge",
        ErrorKind::Throttled => "Throttled",
        ErrorKind::Timeout => "Timeout",
        ErrorKind::Unavailable => "Unavailable",
        ErrorKind::Closed => "Closed",
        ErrorKind::Unsupported => "Unsupported",
        ErrorKind::Unexpected => "Unexpected",
    }
}

/// The `db.system.name` of OpenTelemetry (semantic conventions for databases, well-known values); ours for the others.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(super) fn system_name(backend: &'static str) -> &'static str {
    if backend == "dynamodb" { "aws.dynamodb" } else { backend }
}

/// Implements `Store` for a wrapper that changes nothing: each call goes through
/// `self.watched(call, future) -> Result<T>`.
macro_rules! watched_store {
    ($wrapper:ident) => {
        impl<S: $crate::Store> $crate::Store for $wrapper<S> {
            async fn get(&self, key: $crate::Key<'_>) -> $crate::Result<Option<$crate::Entry>> {
                self.watched(Call::at(Operation::Get, key), self.inner.get(key)).await
            }

            async fn put(
                &self,
                key: $crate::Key<'_>,
                entry: $crate::NewEntry,
                mode: $crate::PutMode,
            ) -> $crate::Result<$crate::Version> {
                self.watched(Call::put(key, &entry), self.inner.put(key, entry, mode)).await
            }

            async fn take(
                &self,
                key: $crate::Key<'_>,
                version: Option<$crate::Version>,
            ) -> $crate::Result<Option<$crate::Entry>> {
                self.watched(Call::at(Operation::Take, key), self.inner.take(key, version)).await
            }

            async fn get_many(
                &self,
                keys: &[$crate::Key<'_>],
            ) -> $crate::Result<Vec<$crate::Result<Option<$crate::Entry>>>> {
                let call = Call::batch(Operation::GetMany, keys.iter().copied());
                self.watched(call, self.inner.get_many(keys)).await
            }

            async fn put_many(
                &self,
                entries: Vec<($crate::Key<'_>, $crate::NewEntry)>,
            ) -> $crate::Result<Vec<$crate::Result<$crate::Version>>> {
                self.watched(Call::put_many(&entries), self.inner.put_many(entries)).await
            }

            async fn delete_many(&self, keys: &[$crate::Key<'_>]) -> $crate::Result<Vec<$crate::Result<()>>> {
                let call = Call::batch(Operation::DeleteMany, keys.iter().copied());
                self.watched(call, self.inner.delete_many(keys)).await
            }

            async fn scan(
                &self,
                scan: $crate::Scan<'_>,
                from: Option<&$crate::Cursor>,
            ) -> $crate::Result<$crate::Page> {
                let call = match scan.collections {
                    $crate::Collections::One(name) => Call::on(Operation::Scan, name),
                    $crate::Collections::Under(_) => Call::bare(Operation::Scan),
                };
                self.watched(call, self.inner.scan(scan, from)).await
            }

            async fn signal(&self, topic: &str, message: bytes::Bytes) -> $crate::Result<()> {
                self.watched(Call::bare(Operation::Signal), self.inner.signal(topic, message)).await
            }

            async fn signals(&self, topic: &str) -> $crate::Result<$crate::Signals> {
                self.watched(Call::bare(Operation::Signals), self.inner.signals(topic)).await
            }

            async fn changes(&self) -> $crate::Result<$crate::Changes> {
                self.watched(Call::bare(Operation::Changes), self.inner.changes()).await
            }

            fn capabilities(&self) -> &$crate::Capabilities {
                self.inner.capabilities()
            }

            async fn close(&self) -> $crate::Result<()> {
                self.watched(Call::bare(Operation::Close), self.inner.close()).await
            }
        }
    };
}

pub(super) use watched_store;
