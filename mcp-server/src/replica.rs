//! This process among those that share its store: what crosses between them, and how each comes to know.
//!
//! Nothing of it happens on a store that one process owns alone.

mod bounded;
mod keeper;
mod letter;
mod post;
mod question;
mod serving;
mod updates;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as PlainMutex, MutexGuard as PlainGuard, PoisonError};
use std::time::Duration;

use kv_core::{AnyStore, Store as _};
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::dispatch::Distant;
use crate::protocol::RequestId;
use crate::session::Owner;

#[cfg(test)]
pub(crate) use self::bounded::{MAX_LETTERS, MAX_LETTERS_BYTES};
pub(crate) use self::letter::Letter;
#[cfg(test)]
pub(crate) use self::post::PATIENCE;
use self::post::Post;
pub(crate) use self::question::Expected;
pub(crate) use self::serving::Serving;
use self::serving::Transports;
#[cfg(test)]
pub(crate) use self::updates::MAX_UNTOLD;
use self::updates::Updates;

/// How long a process counts as alive after its last heartbeat.
const ALIVE: Duration = Duration::from_secs(15);
/// How often it renews its heartbeat.
const BEAT: Duration = Duration::from_secs(5);
/// How often it looks into its inbox while something here waits for others.
pub(crate) const LOOK: Duration = Duration::from_millis(250);
/// How long after it failed joining is tried again.
const JOIN_AGAIN: Duration = Duration::from_secs(1);

/// This process among its replicas. Cheap to clone; clones are one replica. Does nothing on an exclusive store.
#[derive(Clone)]
pub(crate) struct Replica(Option<Arc<Inner>>);

struct Inner {
    post: Post,
    /// Whether the others know of this process.
    joined: AtomicBool,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// When joining was tried last, and failed.
    not_joined: PlainMutex<Option<Instant>>,
    transports: Transports,
    /// How many things here wait for something from other processes.
    waiting: AtomicUsize,
    /// Has the keeper look at `waiting` again.
    stirred: Notify,
    /// Rung after each look into the inbox.
    news: Notify,
    updates: Updates,
}

impl Replica {
    /// One of those that share `store`; `None` to all of them where it is exclusive.
    pub(crate) fn new(store: &AnyStore) -> Self {
        let shared = !store.capabilities().exclusive;
        Self(shared.then(|| {
            Arc::new(Inner {
                post: Post::new(store.clone()),
                joined: AtomicBool::new(false),
                keeper: Mutex::new(None),
                not_joined: PlainMutex::default(),
                transports: Transports::default(),
                waiting: AtomicUsize::new(0),
                stirred: Notify::new(),
                news: Notify::new(),
                updates: Updates::default(),
            })
        }))
    }

    /// Whether there may be others.
    pub(crate) const fn is_shared(&self) -> bool {
        self.0.is_some()
    }

    /// What the others know this process by; empty where there are none.
    pub(crate) fn id(&self) -> &str {
        self.0.as_ref().map_or("", |inner| inner.post.id())
    }

    /// Lets the others know of this process, before it serves the first thing that concerns them. Where the store fails, it is
    /// asked again in a while, and only one request waits for that.
    pub(crate) async fn join(&self, server: impl FnOnce() -> Distant + Send) {
        let Some(inner) = &self.0 else { return };
        if !inner.joined.load(Ordering::SeqCst) && !inner.transports.have_ended() {
            Box::pin(inner.join(server)).await; // in a box, since every request of a session comes by
        }
    }

    /// Something here waits for what may come from other processes, until this is dropped.
    pub(crate) fn waiting(&self) -> Waiting {
        if let Some(inner) = &self.0
            && inner.waiting.fetch_add(1, Ordering::AcqRel) == 0
        {
            inner.stirred.notify_one();
        }
        Waiting(self.0.clone())
    }

    /// Waits until the inbox was looked into.
    pub(crate) async fn news(&self) {
        match &self.0 {
            Some(inner) => inner.news.notified().await,
            None => std::future::pending().await,
        }
    }

    /// A request of a session was cancelled that is not in flight here.
    pub(crate) async fn cancelled(&self, session: &str, request: &RequestId) -> kv_core::Result<()> {
        self.tell_all(&Letter::Cancelled { session: session.to_owned(), request: request.as_json() }).await
    }

    /// A session of `owner` has ended.
    pub(crate) async fn ended(&self, session: &str, owner: Owner) -> kv_core::Result<()> {
        self.tell_all(&Letter::Ended { session: session.to_owned(), owner: Some(owner) }).await
    }

    /// A session wants to be told of a resource, or does not any more; its stream is not here.
    pub(crate) async fn subscribed(&self, session: &str, uri: &str, wanted: bool) -> kv_core::Result<()> {
        self.tell_all(&Letter::Subscribed { session: session.to_owned(), uri: uri.to_owned(), wanted }).await
    }

    /// A session has a new stream here: one that another process has is to end.
    pub(crate) async fn opened(&self, session: &str) -> kv_core::Result<()> {
        self.tell_all(&Letter::Opened { session: session.to_owned() }).await
    }

    /// What the client of a session was sent to a page for is done there: told soon, to whoever has its stream.
    pub(crate) fn completed(&self, session: &str, elicitation: &str) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.is_shared() {
            return;
        }
        let (this, session, elicitation) = (self.clone(), session.to_owned(), elicitation.to_owned());
        runtime.spawn(async move {
            let told = this.tell_all(&Letter::Completed { session, elicitation }).await;
            if let Err(error) = told {
                tracing::warn!(%error, "other replicas could not be told that a page is done");
            }
        });
    }

    async fn tell_all(&self, letter: &Letter) -> kv_core::Result<()> {
        match &self.0 {
            Some(inner) => inner.post.send_all(letter).await,
            None => Ok(()),
        }
    }

    /// Puts a letter into the inbox of one other process.
    pub(crate) async fn send(&self, to: &str, letter: &Letter) -> kv_core::Result<()> {
        match &self.0 {
            Some(inner) if to != inner.post.id() => inner.post.send(to, letter).await,
            _ => Ok(()),
        }
    }

    /// Has another process look, without a letter. Nothing may depend on it.
    pub(crate) async fn ring(&self, to: &str) {
        if let Some(inner) = &self.0 {
            inner.post.ring(to).await;
        }
    }

    /// What tells whether the process of this id is alive: an entry of [`post::REPLICAS`] by this id.
    pub(crate) fn heartbeat_of(id: &str) -> (&'static str, String) {
        (post::REPLICAS, post::heartbeat(id))
    }
}

impl Inner {
    async fn join(self: &Arc<Self>, server: impl FnOnce() -> Distant + Send) {
        let Some(mut keeper) = self.turn_to_join().await else { return };
        match self.post.appear().await {
            Ok(()) => {
                *self.not_joined() = None;
                *keeper = Some(tokio::spawn(keeper::keep(Arc::clone(self), server())));
                self.joined.store(true, Ordering::SeqCst);
            }
            Err(error) => {
                tracing::warn!(%error, "other replicas could not be told of this one");
                *self.not_joined() = Some(Instant::now());
            }
        }
    }

    /// The right to join; `None` where somebody else has joined, tries it again, or has just failed to.
    async fn turn_to_join(&self) -> Option<MutexGuard<'_, Option<JoinHandle<()>>>> {
        let failed = *self.not_joined();
        let turn = match failed {
            Some(at) if at.elapsed() < JOIN_AGAIN => return None,
            Some(_) => self.keeper.try_lock().ok()?,
            None => self.keeper.lock().await,
        };
        let over = self.joined.load(Ordering::SeqCst) || *self.not_joined() != failed;
        (!over).then_some(turn)
    }

    fn not_joined(&self) -> PlainGuard<'_, Option<Instant>> {
        self.not_joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn vanish(&self) {
        self.joined.store(false, Ordering::SeqCst);
        if let Err(error) = self.post.vanish().await {
            tracing::warn!(%error, "other replicas could not be told that this one leaves");
        }
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("shared", &self.is_shared()).finish_non_exhaustive()
    }
}

/// Something that waits for other processes.
pub(crate) struct Waiting(Option<Arc<Inner>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(inner) = &self.0 {
            inner.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
