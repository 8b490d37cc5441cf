//! A near tier before a store that counts what reaches it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use kv_cache::{Near, NearCache, NearExt as _};
use kv_core::testing::ReferenceStore;
use kv_core::{
    Capabilities, Change, Changes, Clock, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page, PutMode,
    Result, Scan, Signals, Store, Version,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

pub(crate) const KEY: Key<'static> = Key::new("c", "id");

/// A store that counts what reaches it, and whose news a test sends.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) inner: ReferenceStore,
    capabilities: Capabilities,
    asked: Arc<AtomicU64>,
    pub(crate) subscriptions: Arc<AtomicU64>,
    pub(crate) news: Arc<std::sync::Mutex<Option<UnboundedSender<Change>>>>,
    pub(crate) broken: Arc<std::sync::Mutex<Option<ErrorKind>>>,
}

impl Counted {
    pub(crate) fn new(clock: &Clock, has_news: bool) -> Self {
        let inner = ReferenceStore::new(clock);
        let mut capabilities = inner.capabilities().clone();
        capabilities.changes = has_news;
        Self {
            inner,
            capabilities,
            asked: Arc::default(),
            subscriptions: Arc::default(),
            news: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// How many entries were asked of it since this was called last.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn tell(&self, change: Change) {
        let news = self.news.lock().expect("nobody panicked");
        news.as_ref().expect("somebody listens").send(change).expect("somebody listens");
    }

    pub(crate) fn lose_the_subscription(&self) {
        self.news.lock().expect("nobody panicked").take().expect("somebody listens");
    }

    fn answer(&self) -> Result<()> {
        let broken = *self.broken.lock().expect("nobody panicked");
        broken.map_or(Ok(()), |kind| Err(Error::new(kind, "no answer")))
    }
}

impl Store for Counted {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key).await
    }
    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.answer()?;
        self.inner.put(key, entry, mode).await
    }
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.inner.take(key, version).await
    }
    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.answer()?;
        self.asked.fetch_add(keys.len() as u64, Ordering::SeqCst);
        self.inner.get_many(keys).await
    }
    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.inner.put_many(entries).await
    }
    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
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
        self.subscriptions.fetch_add(1, Ordering::SeqCst);
        self.answer()?;
        let (sender, receiver) = unbounded_channel();
        sender.send(Change::All).expect("we hold the receiver");
        *self.news.lock().expect("nobody panicked") = Some(sender);
        let stream =
            futures_util::stream::unfold(receiver, |mut news| async { Some((news.recv().await?, news)) });
        Ok(Changes::new(stream))
    }
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

pub(crate) struct Bench {
    pub(crate) clock: Clock,
    pub(crate) far: Counted,
    pub(crate) near: NearCache<Counted>,
}

pub(crate) fn bench(has_news: bool) -> Bench {
    let clock = Clock::manual();
    let far = Counted::new(&clock, has_news);
    let near = far.clone().near_cached(&Near::default().clock(clock.clone()));
    Bench { clock, far, near }
}

pub(crate) fn changed(id: &str) -> Change {
    Change::Key { collection: "c".to_owned(), id: id.to_owned() }
}

/// Does `work`, and calls `others` each time it lets other tasks run; what tokio's budget ends early does not count.
pub(crate) async fn giving_way<T>(work: impl Future<Output = T>, mut others: impl FnMut()) -> T {
    let mut work = pin!(tokio::task::unconstrained(work));
    std::future::poll_fn(|cx| {
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            others();
        }
        polled
    })
    .await
}

/// Lets the follower hear what was sent.
pub(crate) async fn heard() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn put(store: &impl Store, id: &str, value: &'static str) -> Version {
    store.put(Key::new("c", id), NewEntry::new(value), PutMode::Replace).await.expect("a put")
}

pub(crate) async fn value(store: &impl Store, id: &str) -> Option<Bytes> {
    store.get(Key::new("c", id)).await.expect("a get").map(|entry| entry.value)
}
