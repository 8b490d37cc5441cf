//! A store that fails makes misses, never errors.

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kv_cache::{ByteCache, Cache};
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page, PutMode, Result, Scan,
    Signals, Store, Version,
};
use kv_memory::MemoryStore;

/// A store that reads, or writes, or neither.
#[derive(Clone, Debug)]
struct Failing {
    inner: MemoryStore,
    reads: Arc<AtomicBool>,
    writes: Arc<AtomicBool>,
    kind: ErrorKind,
}

impl Failing {
    fn new(kind: ErrorKind) -> Self {
        Self { inner: MemoryStore::new(), reads: Arc::default(), writes: Arc::default(), kind }
    }

    fn may(&self, what: &AtomicBool) -> Result<()> {
        if what.load(Ordering::SeqCst) { Ok(()) } else { Err(Error::new(self.kind, "down")) }
    }
}

impl Store for Failing {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.may(&self.reads).map_err(|error| error.at(key))?;
        self.inner.get(key).await
    }
    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.may(&self.writes)?;
        self.inner.put(key, entry, mode).await
    }
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.may(&self.writes)?;
        self.inner.take(key, version).await
    }
    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.may(&self.reads)?;
        self.inner.get_many(keys).await
    }
    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.may(&self.writes)?;
        self.inner.put_many(entries).await
    }
    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.may(&self.writes)?;
        self.inner.delete_many(keys).await
    }
    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.inner.scan(scan, from).await
    }
    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }
    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }
    async fn changes(&self) -> Result<Changes> {
        self.inner.changes().await
    }
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

async fn fetched(cache: &Cache<u64>, value: u64) -> u64 {
    cache.get_or_fetch("id", move || async move { Ok::<_, Infallible>(value) }).await.unwrap()
}

#[tokio::test]
async fn a_store_that_fails_costs_the_cache_and_not_the_answer() {
    for (reads, writes) in [(false, false), (true, false), (false, true)] {
        let store = Failing::new(ErrorKind::Unavailable);
        store.reads.store(reads, Ordering::SeqCst);
        store.writes.store(writes, Ordering::SeqCst);
        let cache: Cache<u64> = Cache::new(store.clone(), "c");
        assert_eq!((fetched(&cache, 1).await, fetched(&cache, 2).await), (1, 2));
        let seen = cache.statistics();
        assert_eq!((seen.hits, seen.misses, seen.puts), (0, 2, 0));
        assert!(seen.errors >= 2);
        store.reads.store(true, Ordering::SeqCst);
        store.writes.store(true, Ordering::SeqCst);
        assert_eq!((fetched(&cache, 3).await, fetched(&cache, 4).await), (3, 3), "and it is there again");
    }
}

#[tokio::test]
async fn what_the_store_cannot_read_is_a_miss_and_is_overwritten() {
    let store = Failing::new(ErrorKind::Corrupt);
    store.writes.store(true, Ordering::SeqCst);
    store.inner.put(Key::new("c", "id"), NewEntry::new("damaged"), PutMode::Replace).await.unwrap();
    let cache: Cache<u64> = Cache::new(store.clone(), "c");
    assert_eq!(fetched(&cache, 1).await, 1);
    store.reads.store(true, Ordering::SeqCst);
    assert_eq!(cache.get("id").await.unwrap().value, 1);
    let seen = cache.statistics();
    assert_eq!((seen.misses, seen.unreadable, seen.puts, seen.errors), (1, 1, 1, 0));
}

#[tokio::test]
async fn an_invalidation_that_failed_says_so() {
    let cache: Cache<u64> = Cache::new(Failing::new(ErrorKind::Unavailable), "c");
    let error = cache.invalidate("id").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(cache.statistics().invalidations, 0);
}

#[tokio::test]
async fn the_log_names_the_failure_once_and_never_a_value() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || lines.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let store = Failing::new(ErrorKind::Unavailable);
    let cache = ByteCache::bytes(store.clone(), "replies");
    let secret = || async { Ok::<_, Infallible>(Bytes::from_static(b"s3cret")) };
    for _ in 0..5 {
        cache.get_or_fetch("id", secret).await.unwrap();
    }
    store.reads.store(true, Ordering::SeqCst);
    store.writes.store(true, Ordering::SeqCst);
    store.inner.put(Key::new("replies", "odd"), NewEntry::new("s3cret"), PutMode::Replace).await.unwrap();
    let typed: Cache<u64> = Cache::new(store, "replies");
    assert_eq!(typed.get("odd").await, None);
    cache.get_or_fetch("id", secret).await.unwrap();
    let text = log.text();
    assert_eq!(text.matches("WARN").count(), 2, "{text}");
    assert_eq!(text.matches("answers again").count(), 1, "{text}");
    assert!(text.contains("replies") && !text.contains("s3cret"), "{text}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
