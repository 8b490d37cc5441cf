//! What the timeout adds, on a store that never answers.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode,
    Result, Scan, Signals, Store, StoreExt, Version,
};

const A: Key<'static> = Key::new("c", "a");
const HOUR: Duration = Duration::from_secs(3600);

/// A store that never answers.
#[derive(Debug)]
struct Stuck(Capabilities);

impl Stuck {
    fn new() -> Self {
        Self(Capabilities::of("stuck"))
    }
}

impl Store for Stuck {
    async fn get(&self, _: Key<'_>) -> Result<Option<Entry>> {
        pending().await
    }
    async fn put(&self, _: Key<'_>, _: NewEntry, _: PutMode) -> Result<Version> {
        pending().await
    }
    async fn take(&self, _: Key<'_>, _: Option<Version>) -> Result<Option<Entry>> {
        pending().await
    }
    async fn get_many(&self, _: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        pending().await
    }
    async fn put_many(&self, _: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        pending().await
    }
    async fn delete_many(&self, _: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        pending().await
    }
    async fn scan(&self, _: Scan<'_>, _: Option<&Cursor>) -> Result<Page> {
        pending().await
    }
    async fn signal(&self, _: &str, _: Bytes) -> Result<()> {
        pending().await
    }
    async fn signals(&self, _: &str) -> Result<Signals> {
        pending().await
    }
    async fn changes(&self) -> Result<Changes> {
        pending().await
    }
    fn capabilities(&self) -> &Capabilities {
        &self.0
    }
    async fn close(&self) -> Result<()> {
        tokio::time::sleep(HOUR).await;
        Ok(())
    }
}

fn assert_late(error: &Error, outcome: Outcome) {
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, outcome), "{error}");
    assert!(error.operation().is_some() && error.to_string().contains("2s"), "{error}");
}

fn assert_late_at(error: &Error, outcome: Outcome) {
    assert_late(error, outcome);
    assert_eq!(error.key(), Some("c/a"));
}

#[tokio::test(start_paused = true)]
async fn reads_that_run_out_of_time_had_no_effect_and_writes_perhaps_had() {
    let store: AnyStore = Stuck::new().timeout(Duration::from_secs(2)).erased();
    let started = tokio::time::Instant::now();
    assert_late(&store.get(A).await.unwrap_err(), Outcome::NotDone);
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    assert_late(&store.scan(Scan::one("c"), None).await.unwrap_err(), Outcome::NotDone);
    assert_late(&store.signals("t").await.unwrap_err(), Outcome::NotDone);
    assert_late(&store.changes().await.unwrap_err(), Outcome::NotDone);
    assert_late(&store.put(A, NewEntry::new("x"), PutMode::Create).await.unwrap_err(), Outcome::Unknown);
    assert_late(&store.take(A, None).await.unwrap_err(), Outcome::Unknown);
    assert_late(&store.signal("t", Bytes::new()).await.unwrap_err(), Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_late_batch_fails_each_of_its_keys_since_it_was_perhaps_sent() {
    let store = Stuck::new().timeout(Duration::from_secs(2));
    let keys = [A, A, A];
    for answer in store.get_many(&keys).await.unwrap() {
        assert_late_at(&answer.unwrap_err(), Outcome::NotDone);
    }
    let answers = store.put_many(keys.map(|key| (key, NewEntry::new("x"))).into()).await.unwrap();
    assert_eq!(answers.len(), 3);
    for answer in answers {
        assert_late_at(&answer.unwrap_err(), Outcome::Unknown);
    }
    for answer in store.delete_many(&keys).await.unwrap() {
        assert_late_at(&answer.unwrap_err(), Outcome::Unknown);
    }
}

#[tokio::test(start_paused = true)]
async fn closing_is_not_cut_short() {
    Stuck::new().timeout(Duration::from_secs(2)).close().await.unwrap();
}
