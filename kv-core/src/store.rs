//! The contract that backends and wrappers implement.

use std::fmt;
use std::future::Future;

use bytes::Bytes;

use crate::{Capabilities, Changes, Cursor, Entry, Key, NewEntry, Page, Result, Scan, Signals, Version};

/// On what condition a put takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Always.
    Replace,
    /// Only if there is no live entry; else `AlreadyExists`.
    Create,
    /// Only if the live entry has this version; else, absent included, `Conflict`.
    Update(Version),
}

/// A key-value store: what backends and wrappers implement. Callers use [`StoreExt`](crate::StoreExt) and
/// [`Collection`](crate::Collection).
///
/// - An expired entry is absent: no method returns, lists or counts it, and `Create` succeeds over it.
/// - `put` and `take` are atomic: of two racing `take`s one gets the entry.
/// - Absence is a value (`None`), never an error.
/// - No method has a default body, so that a wrapper that forgets one does not compile.
/// - A dropped future leaves the old state or the new one, and the store usable.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The live entry under `key`.
    fn get(&self, key: Key<'_>) -> impl Future<Output = Result<Option<Entry>>> + Send;

    /// Writes `entry` if `mode` allows, in one atomic step, and answers the version it now has.
    ///
    /// # Errors
    /// `AlreadyExists` and `Conflict` as [`PutMode`] says; `Invalid` for a ttl of zero or above 100 years;
    /// `TooLarge` and `Full` leave the old entry, unless their outcome is `Unknown`.
    fn put(
        &self,
        key: Key<'_>,
        entry: NewEntry,
        mode: PutMode,
    ) -> impl Future<Output = Result<Version>> + Send;

    /// Removes and returns the live entry, in one atomic step.
    ///
    /// # Errors
    /// `Conflict` when a version is given and the live entry has another one; it then stays. An absent entry is
    /// `None`, with a version too.
    fn take(
        &self,
        key: Key<'_>,
        version: Option<Version>,
    ) -> impl Future<Output = Result<Option<Entry>>> + Send;

    /// The entries under `keys`, in their order, duplicates allowed. Not one atomic view.
    ///
    /// # Errors
    /// The outer error means that nothing was sent; a key that failed has its own.
    fn get_many(&self, keys: &[Key<'_>]) -> impl Future<Output = Result<Vec<Result<Option<Entry>>>>> + Send;

    /// Writes all entries with `Replace`, each atomic by itself; of duplicates the last wins.
    ///
    /// # Errors
    /// The outer error means that nothing was sent; an entry that failed has its own.
    fn put_many(
        &self,
        entries: Vec<(Key<'_>, NewEntry)>,
    ) -> impl Future<Output = Result<Vec<Result<Version>>>> + Send;

    /// Removes the entries under `keys`. It does not tell which were there: who needs to know takes.
    ///
    /// # Errors
    /// The outer error means that nothing was sent; a key that failed has its own.
    fn delete_many(&self, keys: &[Key<'_>]) -> impl Future<Output = Result<Vec<Result<()>>>> + Send;

    /// One page of the listing; `from` is the `next` of the page before, from any process.
    ///
    /// Every entry that lives from the first page to the last is listed; what is written or removed meanwhile may
    /// or may not be.
    ///
    /// An entry that cannot be read ends it with `Corrupt` by its name, at the page that it stands in; with
    /// [`Scan::skip_damaged`] the page tells it beside the others, and the listing goes on behind it.
    ///
    /// # Errors
    /// `Invalid` for a bad limit or a cursor of another scan; `Unsupported` where the store cannot list;
    /// `Conflict` when the ground of an unordered scan has moved: start again.
    fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> impl Future<Output = Result<Page>> + Send;

    /// Wakes the subscribers of `topic` in every process that shares the store. Lossy: nothing may depend on it.
    ///
    /// # Errors
    /// `Unsupported` where the store carries no signals; `Invalid` above 1 KiB.
    fn signal(&self, topic: &str, message: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Subscribes to `topic`.
    ///
    /// # Errors
    /// `Unsupported` where the store carries no signals: poll instead.
    fn signals(&self, topic: &str) -> impl Future<Output = Result<Signals>> + Send;

    /// Subscribes to changed keys, for a near cache. The first item is `All`.
    ///
    /// # Errors
    /// `Unsupported` where the store cannot tell.
    fn changes(&self) -> impl Future<Output = Result<Changes>> + Send;

    /// What this store can do, keeps and costs.
    fn capabilities(&self) -> &Capabilities;

    /// Waits for operations in flight, flushes, and ends the store for all its clones and wrappers. Later calls
    /// are `Closed`; closing again is `Ok`. Only who opened a store closes it.
    fn close(&self) -> impl Future<Output = Result<()>> + Send;
}
