//! Reading a stream that another process writes: what is in the log, then what comes into it.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::time::{Instant, timeout};

use super::live::{Live, Reader};
use super::log::{Head, Log, Page};
use super::{EventId, MAX_EVENTS, NotResumed, Streams};
use crate::protocol::{Failure, Json, Renderer, RequestId, code};
use crate::replica::{LOOK, Letter};

/// After how long a stream is looked up again that was not found: its process may just be about to write it.
const BEHIND: Duration = Duration::from_millis(150);
/// How many events are asked for at once while following: more only where more wait.
const AHEAD: u64 = 16;
/// How long an event may be missing that the log should have.
const MISSING: Duration = Duration::from_secs(5);

/// What becomes of a stream that is followed.
enum Next {
    /// There may be more at once.
    More,
    /// There is nothing new.
    Wait,
    /// It is over.
    Over,
    /// Whoever wrote it is no more.
    Gone,
}

/// One stream that another process writes, on its way to a client here.
struct Following {
    streams: Streams,
    log: Log,
    key: String,
    owner: String,
    live: Arc<Live>,
    /// Since when nothing came.
    silent: Option<Instant>,
    /// Whether its owner was gone when it was looked for last.
    orphan: bool,
}

impl Streams {
    pub(super) async fn follow(
        &self,
        log: &Log,
        key: String,
        event: &EventId,
        renderer: &Renderer,
    ) -> Result<Reader, NotResumed> {
        let head = match found(log, &key).await {
            Ok(head) => head.ok_or(NotResumed::Unknown)?,
            Err(error) => {
                tracing::error!(%error, "the log of streams could not be read");
                return Err(NotResumed::Unavailable);
            }
        };
        let is_beyond = head.last.is_some_and(|last| event.number > last);
        if event.number + 1 < head.first || is_beyond {
            return Err(NotResumed::Unknown);
        }
        let live = Arc::new(Live::passed_on(&event.stream, event.number));
        let (reader, _) = live.read_after(event.number).ok_or(NotResumed::Unknown)?;
        let (log, owner) = (log.clone(), head.owner.clone());
        let following =
            Following { streams: self.clone(), log, key, owner, live, silent: None, orphan: false };
        tokio::spawn(following.run(gone(renderer, &head)));
        Ok(reader)
    }
}

/// What is known of a stream, now or in a moment.
async fn found(log: &Log, key: &str) -> kv_core::Result<Option<Head>> {
    if let Some(head) = log.head(key).await? {
        return Ok(Some(head));
    }
    tokio::time::sleep(BEHIND).await;
    log.head(key).await
}

/// How a stream ends whose process is no more.
fn gone(renderer: &Renderer, head: &Head) -> bytes::Bytes {
    let request = Json::parse(head.request.clone().into()).ok().and_then(|id| RequestId::new(&id).ok());
    let failure = Failure::new(code::INTERNAL_ERROR, "the replica running this request is gone");
    renderer.error(request.as_ref(), &failure)
}

impl Following {
    async fn run(mut self, gone: bytes::Bytes) {
        let ticket = rand::rng().next_u64();
        let _waiting = self.streams.0.replica.waiting();
        self.streams.known().followed.insert(ticket, Arc::clone(&self.live));
        let by = self.streams.0.replica.id().to_owned();
        self.streams.tell(self.owner.clone(), Letter::Followed { stream: self.key.clone(), by, ticket });
        self.read_all(gone).await;
        self.streams.known().followed.remove(&ticket);
    }

    async fn read_all(&mut self, gone: bytes::Bytes) {
        let mut count = MAX_EVENTS as u64; // first what was missed, all at once
        while self.live.room().await {
            match self.step(count).await {
                Next::More => {}
                Next::Wait => {
                    let news = timeout(LOOK, self.streams.0.replica.news());
                    tokio::select! {
                        _ = news => {}
                        () = self.live.unread() => return,
                    }
                }
                Next::Over => return self.live.end(),
                Next::Gone => return self.live.end_with(gone),
            }
            count = AHEAD;
        }
    }

    /// Looks once, and passes on what is there.
    async fn step(&mut self, count: u64) -> Next {
        let at = self.live.last() + 1;
        let page = match self.log.page(&self.key, &self.owner, at, count).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "the log of streams could not be read");
                return Next::Wait;
            }
        };
        let Page { head, owner_lives, events } = page;
        let came = !events.is_empty();
        for event in events {
            self.live.push(event);
        }
        if came {
            (self.silent, self.orphan) = (None, false);
            return Next::More;
        }
        let Some(head) = head else { return Next::Gone };
        if head.last.is_some_and(|last| at > last) || at < head.first {
            return Next::Over; // ended, or the client was too slow: it is told so when it resumes
        }
        let silent = self.silent.get_or_insert_with(Instant::now).elapsed();
        if head.last.is_some() {
            return if silent > MISSING { Next::Gone } else { Next::Wait }; // written with what is missing
        }
        // The end of a stream is written before its process goes; both were read here in any order, so twice.
        let was_orphan = std::mem::replace(&mut self.orphan, owner_lives == Some(false));
        if self.orphan && was_orphan { Next::Gone } else { Next::Wait }
    }
}
