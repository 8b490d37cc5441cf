//! Streams of handshake sessions that a client can go on reading after its connection was lost (2025-11-25,
//! basic/transports, "Resumability and Redelivery").

mod followed;
mod kept;
mod live;
mod log;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kv_core::AnyStore;
use rand::Rng as _;
use tokio::sync::watch;

use crate::protocol::{Renderer, RequestId};
use crate::replica::{Letter, Replica};
use crate::session::hex;

use self::kept::Kept;
#[cfg(test)]
pub(crate) use self::kept::MAX_KEPT;
use self::live::{Elsewhere, Live};
pub(crate) use self::live::{Reader, Said};
use self::log::Log;
#[cfg(test)]
pub(crate) use self::log::MAX_UNWRITTEN;
pub(crate) use self::writing::Writing;

/// How long a stream can be resumed after its end.
pub(crate) const KEPT: Duration = Duration::from_secs(5 * 60);
/// How much of a stream is kept: of more, the oldest events are gone.
pub(crate) const MAX_EVENTS: usize = 256;
pub(crate) const MAX_BYTES: usize = 256 << 10;
/// When a client should come back whose connection was lost.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// The name of one event: of its stream, and its place there. Unique within a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    stream: String,
    number: u64,
}

impl EventId {
    /// What a client presents in `Last-Event-ID`; `None` for what no server of ours has written.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (stream, number) = text.split_once('-')?;
        let is_stream = stream.len() == 16 && stream.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| is_number && *number < u64::MAX)?;
        is_stream.then(|| Self { stream: stream.to_owned(), number })
    }
}

/// The streams of this process, and the way to those of others. Cheap to clone.
///
/// On a store of this process alone they stay in its memory: what runs here ends with it, and nobody else could go on.
#[derive(Clone)]
pub(crate) struct Streams(Arc<Inner>);

struct Inner {
    replica: Replica,
    /// What other processes read; `None` where there are none.
    log: Option<Log>,
    known: Mutex<Known>,
    kept: Kept,
    /// How many are being written.
    written: watch::Sender<usize>,
}

#[derive(Default)]
struct Known {
    /// Being written here, or kept here after its end; by session and stream.
    here: HashMap<String, Arc<Live>>,
    /// Written elsewhere, and read here; by the ticket of the reader.
    followed: HashMap<u64, Arc<Live>>,
}

/// Why a stream cannot be resumed: the event is unknown, too old, or another session's. Nobody learns which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotResumed {
    Unknown,
    /// The store could not be asked.
    Unavailable,
}

impl Streams {
    /// Those of a server whose requests take `longest` at most.
    pub(crate) fn new(replica: Replica, store: &AnyStore, longest: Duration) -> Self {
        let log = replica.is_shared().then(|| Log::new(store.clone(), replica.clone(), longest));
        Self(Arc::new(Inner {
            replica,
            log,
            known: Mutex::default(),
            kept: Kept::default(),
            written: watch::Sender::new(0),
        }))
    }

    /// Begins a stream of `session` that will answer `request`, with its first reader.
    pub(crate) fn begin(&self, session: &str, request: &RequestId) -> (Writing, Reader) {
        let mut name = [0; 8];
        rand::rng().fill_bytes(&mut name);
        let name = hex(&name);
        let live = Arc::new(Live::new(&name));
        let key = key(session, &name);
        self.known().here.insert(key.clone(), Arc::clone(&live));
        self.0.written.send_modify(|written| *written += 1);
        let reader = live.read_after(0).map_or_else(|| Reader::nothing(&live), |(reader, _)| reader);
        (Writing::new(self.clone(), live, key, request.clone()), reader)
    }

    /// Goes on behind `event` of a stream of `session`, wherever it is written.
    ///
    /// # Errors
    /// There is no such event any more, or in this session.
    pub(crate) async fn resume(
        &self,
        session: &str,
        event: &EventId,
        renderer: &Renderer,
    ) -> Result<Reader, NotResumed> {
        let key = key(session, &event.stream);
        let here = self.known().here.get(&key).map(Arc::clone);
        if let Some(live) = here {
            let (reader, before) = live.read_after(event.number).ok_or(NotResumed::Unknown)?;
            self.unfollow(before);
            return Ok(reader);
        }
        let log = self.0.log.as_ref().ok_or(NotResumed::Unknown)?;
        self.follow(log, key, event, renderer).await
    }

    /// A client of this process's stream reads at the process `by` from now on, and nowhere else.
    pub(crate) fn followed(&self, stream: &str, by: String, ticket: u64) {
        let Some(live) = self.known().here.get(stream).map(Arc::clone) else { return };
        self.unfollow(live.follow(by, ticket));
    }

    /// The client that reads elsewhere reads there no more.
    fn unfollow(&self, elsewhere: Option<Elsewhere>) {
        if let Some((by, ticket)) = elsewhere {
            self.tell(by, Letter::Unfollowed { ticket, retry_ms: None });
        }
    }

    /// A client that reads another process's stream here is to come back later, or has gone on elsewhere.
    pub(crate) fn unfollowed(&self, ticket: u64, retry_ms: Option<u64>) {
        let Some(live) = self.known().followed.get(&ticket).map(Arc::clone) else { return };
        match retry_ms {
            Some(retry) => drop(live.release(Duration::from_millis(retry))),
            None => live.end(),
        }
    }

    /// Waits until nothing is written any more.
    pub(crate) async fn written(&self) {
        let _ = self.0.written.subscribe().wait_for(|written| *written == 0).await;
    }

    /// Has everything that was said in the log, where there is one and it does not hang.
    pub(crate) async fn flush(&self) {
        if let Some(log) = &self.0.log {
            log.flush_all().await;
        }
    }

    /// A stream has had its last event, which `stays` here where the log cannot have it.
    fn ended(&self, key: &str, live: &Arc<Live>, stays: bool) {
        self.0.written.send_modify(|written| *written = written.saturating_sub(1));
        if let Some(log) = &self.0.log {
            log.ended(key);
        }
        if !stays && self.0.log.as_ref().is_some_and(|log| !log.is_behind(key)) {
            self.known().here.remove(key); // from now on it is read from the log
        } else {
            self.keep(key, live);
        }
    }

    /// Tells another process something that may be lost.
    fn tell(&self, to: String, letter: Letter) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let replica = self.0.replica.clone();
        runtime.spawn(async move {
            if let Err(error) = replica.send(&to, &letter).await {
                tracing::warn!(%error, "another replica could not be told of a resumed stream");
            }
        });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("here", &self.known().here.len()).finish_non_exhaustive()
    }
}

/// What a stream is known by: its session's key, which begins with its principal, first.
fn key(session: &str, stream: &str) -> String {
    format!("{session}.{stream}")
}
