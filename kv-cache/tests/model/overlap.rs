//! Writes of one entry that overlap, of which one gets no answer in time and lands later, or is dropped on its way.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::poll_immediate;
use kv_cache::{Near, NearCache, NearExt as _};
use kv_core::testing::ReferenceStore;
use kv_core::{
    Capabilities, Changes, Clock, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode,
    Result, Scan, Signals, Store, Version,
};
use kv_memory::MemoryStore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::explorer::{Actor, Orders, step};

/// What somebody does with the one entry, through one near tier.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Reads,
    Writes,
    Takes,
    WritesABatch,
    /// Writes; the answer is given up after a step, and the write lands after some more.
    TimesOut,
    /// As [`Act::TimesOut`], in a batch.
    TimesOutInABatch,
    /// Writes, and is dropped at some step; what was sent lands.
    Drops(usize),
}

/// A store without news. Writes of [`LATE`] and [`DROPPED`] go by a postman, who brings them at any moment.
#[derive(Clone, Debug)]
struct Late {
    store: ReferenceStore,
    mail: UnboundedSender<Letter>,
}

#[derive(Debug)]
struct Letter {
    id: String,
    entry: NewEntry,
    receipt: oneshot::Sender<Result<Version>>,
}

const LATE: &str = "late";
const DROPPED: &str = "dropped";

pub(crate) struct Overlap {
    late: Late,
    near: NearCache<Late>,
    postman: [Actor; 1],
    turns: MemoryStore,
    runs: u64,
}

impl Overlap {
    pub(crate) fn new() -> Self {
        let clock = Clock::manual();
        let (mail, letters) = unbounded_channel();
        let store = ReferenceStore::new(&clock);
        let mut postman = [Actor::new(bring(store.clone(), letters))];
        Orders::all(0).run(&mut [], &mut postman); // he waits at the door in every run
        let late = Late { store, mail };
        let near = late.clone().near_cached(&Near::default().clock(clock));
        Self { late, near, postman, turns: MemoryStore::new(), runs: 0 }
    }

    /// Tries `orders` of `acts` and says how many there were; or what was wrong: that something is read near which no
    /// longer stands in the store.
    pub(crate) fn explore(mut self, mut orders: Orders, acts: &[Act]) -> std::result::Result<u64, String> {
        loop {
            self.runs += 1;
            let id = self.runs.to_string();
            self.align();
            let mut actors: Vec<_> =
                acts.iter().enumerate().map(|(n, act)| Actor::new(self.acts(*act, n, &id))).collect();
            orders.run(&mut actors, &mut self.postman);
            assert!(actors.iter().all(Actor::is_done), "somebody waits for ever");
            self.check(&id)?;
            if !orders.advance() {
                return Ok(self.runs);
            }
        }
    }

    fn acts(&self, act: Act, number: usize, id: &str) -> impl Future<Output = ()> + Send + 'static {
        let (near, id) = (self.near.clone(), id.to_owned());
        async move {
            let key = Key::new("c", &id);
            let new = |what: &str| NewEntry::new(format!("{what} {number}"));
            match act {
                Act::Reads => {
                    let _answer = near.get(key).await.expect("it answers");
                }
                Act::Writes => {
                    let _answer = near.put(key, new("plain"), PutMode::Replace).await.expect("it answers");
                }
                Act::Takes => {
                    let _answer = near.take(key, None).await.expect("it answers");
                }
                Act::WritesABatch => {
                    let _answer = near.put_many(vec![(key, new("plain"))]).await.expect("it answers");
                }
                Act::TimesOut => {
                    let _answer = near.put(key, new(LATE), PutMode::Replace).await.expect_err("it is late");
                }
                Act::TimesOutInABatch => {
                    let _answer = near.put_many(vec![(key, new(LATE))]).await.expect("answers");
                }
                Act::Drops(steps) => {
                    let mut write = Box::pin(near.put(key, new(DROPPED), PutMode::Replace));
                    for _ in 0..steps {
                        if poll_immediate(&mut write).await.is_some() {
                            return;
                        }
                        step().await;
                    }
                }
            }
        }
    }

    /// Everything has landed: what is read near is what stands in the store.
    fn check(&mut self, id: &str) -> std::result::Result<(), String> {
        let (late, near, id) = (self.late.clone(), self.near.clone(), id.to_owned());
        let wrong = Arc::new(Mutex::new(None));
        let found = Arc::clone(&wrong);
        let look = async move {
            let key = Key::new("c", &id);
            let value = |entry: Option<Entry>| entry.map(|entry| entry.value);
            let (copy, true_one) = (near.get(key).await, late.store.get(key).await);
            let (copy, true_one) = (value(copy.expect("it answers")), value(true_one.expect("it answers")));
            if copy != true_one {
                *found.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(format!("{copy:?} is read near where {true_one:?} is true"));
            }
        };
        let mut look = [Actor::new(look)];
        Orders::all(0).run(&mut look, &mut []);
        let wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
        wrong.map_or(Ok(()), Err)
    }

    /// See `World::align`.
    fn align(&self) {
        let key = Key::new("c", "id");
        while self.turns.get_many(&[key]).now_or_never().is_some() {}
    }
}

/// Brings each letter a step after it was posted, or later.
async fn bring(store: ReferenceStore, mut letters: UnboundedReceiver<Letter>) {
    while let Some(Letter { id, entry, receipt }) = letters.recv().await {
        step().await;
        let done = store.put(Key::new("c", &id), entry, PutMode::Replace).await;
        drop(receipt.send(done)); // nobody may wait for it any more
    }
}

impl Store for Late {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        step().await;
        let answer = self.store.get(key).await;
        step().await;
        answer
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        step().await;
        let (is_late, is_posted) =
            (entry.value().starts_with(LATE.as_bytes()), !entry.value().starts_with(b"plain"));
        if !is_posted {
            let answer = self.store.put(key, entry, mode).await;
            step().await;
            return answer;
        }
        let (receipt, received) = oneshot::channel();
        drop(self.mail.send(Letter { id: key.id.to_owned(), entry, receipt }));
        if is_late {
            return Err(Error::new(ErrorKind::Timeout, "no answer").with_outcome(Outcome::Unknown));
        }
        received.await.expect("the postman lives")
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        step().await;
        let answer = self.store.take(key, version).await;
        step().await;
        answer
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        kv_core::each::get_many(self, keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        kv_core::each::put_many(self, entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        kv_core::each::delete_many(self, keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.store.scan(scan, from).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.store.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.store.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        Err(Error::new(ErrorKind::Unsupported, "it has no news"))
    }

    fn capabilities(&self) -> &Capabilities {
        self.store.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}
