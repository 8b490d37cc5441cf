//! A near tier: copies in this process of what stands in a store far away.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use kv_core::each::Pause;
use kv_core::{
    AnyStore, Capabilities, Changes, Consistency, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Page,
    PutMode, Result, Scan, Signals, Store, Version,
};

pub use self::settings::Near;
use self::tier::{Look, Tier};

mod copy;
mod follow;
mod settings;
mod tier;
mod writes;

/// After so many bytes of values a batch lets others run: to copy them takes a fraction of a millisecond.
const COPIED_A_TURN: usize = 1 << 20;

/// Memory in front of a remote store: what was read once is answered from this process until it changes.
///
/// Reads of one entry and batches of them are answered from the near tier, and what is missing there from the store
/// in one batch. Writes, `take` and scans go to the store. Clones share the near tier; a second `NearCache` on the
/// same store is to this one as another process.
///
/// What it does to the laws:
///
/// - **Through this handle and its clones nothing is stale** that the store answered as it stood: a write removes the copy
///   before it is sent, and none is made of what was read before all writes of the entry had ended. A write that was
///   dropped, or whose outcome is not known, keeps its entry from being copied for [`Near::ttl`], for it may still land;
///   other writes of the entry do not end that.
/// - **What others write** is seen when the store's news of it arrives ([`Store::changes`]), and after [`Near::ttl`]
///   at the latest, if it got lost or the store has none. So reads may go back behind what another process has seen,
///   and [`Consistency`] is `BestEffort`: it is no home for codes that may be spent once. Conditional writes and
///   `take` are decided by the store as ever.
/// - **What the store reads elsewhere** ([`Capabilities::reads_elsewhere`]: a [`Fallback`](kv_core::Fallback) while its
///   first store is away) may be old when it is copied, behind this handle's own writes too, and no news corrects it. Over
///   such a store copies are used for [`Near::MAX_ELSEWHERE_TTL`] at most.
/// - News that may have been lost, and a subscription that ended, empty the near tier at once.
/// - **Closing** through this handle or a clone ends all of them at once. A store that is closed beneath them, through
///   a handle of its own, is noticed when its news end, or by the first operation that it answers `Closed`; until then,
///   and for [`Near::ttl`] at most, what was read is answered on.
/// - Absence is never kept near. A lease of a [`Cache`](crate::Cache) is not either, and a tag for at most
///   [`Near::MAX_TAG_TTL`].
/// - An entry leaves the near tier no later than the store's: its time runs from before it was read.
///
/// Where it stands: outside retries, timeouts, prefix, compression and encryption, so that a hit costs none of them
/// (values are in memory decrypted); inside ttl policies. On tokio it follows the store's news from its first use on;
/// on other executors run [`NearCache::follow`].
#[derive(Debug)]
pub struct NearCache<S = AnyStore> {
    inner: Arc<S>,
    tier: Arc<Tier>,
    capabilities: Arc<Capabilities>,
}

impl<S: Store> NearCache<S> {
    /// Puts a near tier before `inner`.
    pub fn new(inner: S, near: &Near) -> Self {
        let mut capabilities = inner.capabilities().clone();
        capabilities.consistency = Consistency::BestEffort;
        let tier = Arc::new(Tier::new(near, &capabilities));
        Self { inner: Arc::new(inner), tier, capabilities: Arc::new(capabilities) }
    }

    /// Follows the store's news of changes until the last clone is dropped, the store is closed or the subscription
    /// is lost, which empties the near tier.
    ///
    /// On tokio this runs by itself, and again a second after it ended; elsewhere spawn it before the first use. Ends
    /// at once where it runs already, and where the store has no news.
    pub fn follow(&self) -> impl Future<Output = ()> + Send + use<S> {
        follow::follow(&self.inner, &self.tier)
    }

    /// How many entries are held near, and their bytes; those that expired a moment ago included.
    pub fn held(&self) -> kv_memory::Held {
        self.tier.held()
    }

    /// Who learns that the store is closed ends what is answered from near.
    fn heard<T>(&self, answer: Result<T>) -> Result<T> {
        if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Closed) {
            self.tier.empty();
        }
        answer
    }

    fn attend(&self) {
        if self.tier.followed.wanted() {
            follow::start(&self.inner, &self.tier);
        }
    }
}

impl<S> Clone for NearCache<S> {
    fn clone(&self) -> Self {
        let Self { inner, tier, capabilities } = self;
        Self { inner: Arc::clone(inner), tier: Arc::clone(tier), capabilities: Arc::clone(capabilities) }
    }
}

impl<S: Store> Store for NearCache<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.attend();
        let place = match self.tier.look(key).await {
            Look::Hit(entry) => return Ok(Some(entry)),
            Look::Miss(place) => place,
        };
        let found = self.heard(self.inner.get(key).await)?;
        if let Some(entry) = &found {
            self.tier.fill(key, place, entry).await;
        }
        Ok(found)
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.attend();
        let write = self.tier.writing(key).await;
        let done = self.heard(self.inner.put(key, entry, mode).await);
        write.answered(&done);
        done
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.attend();
        let write = self.tier.writing(key).await;
        let done = self.heard(self.inner.take(key, version).await);
        write.answered(&done);
        done
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.attend();
        let mut answers = Vec::with_capacity(keys.len());
        let (mut missing, mut places) = (Vec::new(), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            answers.push(Ok(match self.tier.look(*key).await {
                Look::Hit(entry) => Some(entry),
                Look::Miss(place) => {
                    missing.push(*key);
                    places.push((at, place));
                    None
                }
            }));
        }
        if missing.is_empty() && !keys.is_empty() {
            return Ok(answers);
        }
        let found = match self.heard(self.inner.get_many(&missing).await) {
            Err(error) if missing.len() == keys.len() => return Err(error),
            found => found.unwrap_or_else(|error| missing.iter().map(|_| Err(error.clone())).collect()),
        };
        let mut pause = Pause::every(COPIED_A_TURN);
        let found = found.into_iter().chain(std::iter::repeat_with(|| Err(unanswered())));
        for (((at, place), key), found) in places.into_iter().zip(missing).zip(found) {
            if let Ok(Some(entry)) = &found {
                self.tier.fill(key, place, entry).await;
                pause.after(entry.value.len()).await;
            }
            if let Some(answer) = answers.get_mut(at) {
                *answer = found;
            }
        }
        Ok(answers)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.attend();
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let writes = self.tier.writing_all(&keys).await;
        let done = self.heard(self.inner.put_many(entries).await);
        writes::answered(writes, &done);
        done
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.attend();
        let writes = self.tier.writing_all(keys).await;
        let done = self.heard(self.inner.delete_many(keys).await);
        writes::answered(writes, &done);
        done
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.heard(self.inner.scan(scan, from).await)
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }

    /// The inner store's. Who hears of a change and then reads through this handle finds no older copy.
    async fn changes(&self) -> Result<Changes> {
        let changes = self.inner.changes().await?;
        let tier = Arc::downgrade(&self.tier);
        Ok(Changes::new(changes.then(move |change| {
            let tier = tier.upgrade();
            async move {
                if let Some(tier) = tier {
                    tier.changed(&change).await;
                }
                change
            }
        })))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        let closed = self.inner.close().await;
        self.tier.close().await;
        closed
    }
}

fn unanswered() -> Error {
    Error::new(ErrorKind::Unexpected, "the store answered for fewer keys than were asked")
}

/// The adaptor of this crate for every [`Store`], beside those of [`StoreExt`](kv_core::StoreExt).
pub trait NearExt: Store + Sized {
    /// Keeps copies of what is read in this process.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use kv_cache::{Near, NearExt};
    /// use kv_core::StoreExt;
    /// use kv_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> kv_core::Result<()> {
    /// let remote = MemoryStore::new(); // stands for a store behind a network
    /// let store = remote.near_cached(&Near::default().ttl(Duration::from_secs(2)));
    /// let names = store.collection::<String>("names");
    /// names.put("1", &"ada".to_owned()).await?;
    /// assert_eq!(names.get("1").await?.as_deref(), Some("ada")); // asks the store
    /// assert_eq!(names.get("1").await?.as_deref(), Some("ada")); // does not
    /// # Ok(())
    /// # }
    /// ```
    fn near_cached(self, near: &Near) -> NearCache<Self> {
        NearCache::new(self, near)
    }
}

impl<S: Store> NearExt for S {}
