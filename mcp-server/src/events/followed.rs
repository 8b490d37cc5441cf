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
/// How long a stream that is being written may lack the event that a client has: as long as the log takes for a second try.
const UNWRITTEN: Duration = Duration::from_secs(1);
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
        let missed = missed(log, &key, event.number).await.map_err(|error| {
            tracing::error!(%error, "the log of streams could not be read");
            NotResumed::Unavailable
        })?;
        let Missed { head, page } = missed.ok_or(NotResumed::Unknown)?;
        let live = Arc::new(Live::passed_on(&event.stream, event.number));
        let (reader, _) = live.read_after(event.number).ok_or(NotResumed::Unknown)?;
        let (log, owner) = (log.clone(), head.owner.clone());
        let following =
            Following { streams: self.clone(), log, key, owner, live, silent: None, orphan: false };
        tokio::spawn(following.run(page, gone(renderer, &head)));
        Ok(reader)
    }
}

/// What a client missed that has the event of some number.
struct Missed {
    head: Head,
    /// What is in the log behind that event.
    page: Page,
}

/// What is in the log behind the event `number`; `None` where there is no such event, or it is too old.
///
/// Nobody is asked for the last event of a stream that is still written: the log has the event itself, which comes with
/// those behind it, in the same round trip. Only what its process said in this moment is not there yet.
async fn missed(log: &Log, key: &str, number: u64) -> kv_core::Result<Option<Missed>> {
    let Some(mut head) = found(log, key).await? else { return Ok(None) };
    let (until, mut count) = (Instant::now() + UNWRITTEN, MAX_EVENTS as u64);
    loop {
        if number + 1 < head.first || head.last.is_some_and(|last| number > last) {
            return Ok(None);
        }
        // Just before the first event that is kept there was one; and the last one, where it is known, says that the others were.
        let proves = number >= head.first && head.last.is_none();
        let from = if proves { number } else { number + 1 };
        let mut page = log.page(key, &head.owner, from, count + u64::from(proves)).await?;
        let is_known = !proves || !page.events.is_empty();
        // Of a process that is gone nobody knows what it said last: the client is told that.
        if is_known || page.owner_lives == Some(false) {
            page.events.drain(..page.events.len().min(usize::from(proves)));
            return Ok(Some(Missed { head, page }));
        }
        let Some(now) = page.head else { return Ok(None) };
        if Instant::now() >= until {
            return Ok(None);
        }
        (head, count) = (now, AHEAD); // what is not written yet has not much behind it
        tokio::time::sleep(BEHIND).await;
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
    /// Passes on what was `missed`, then what comes.
    async fn run(mut self, missed: Page, gone: bytes::Bytes) {
        let ticket = rand::rng().next_u64();
        let _waiting = self.streams.0.replica.waiting();
        self.streams.known().followed.insert(ticket, Arc::clone(&self.live));
        let by = self.streams.0.replica.id().to_owned();
        self.streams.tell(self.owner.clone(), Letter::Followed { stream: self.key.clone(), by, ticket });
        self.read_all(missed, gone).await;
        self.streams.known().followed.remove(&ticket);
    }

    async fn read_all(&mut self, missed: Page, gone: bytes::Bytes) {
        let mut missed = Some(missed);
        while self.live.room().await {
            let next = match missed.take() {
                Some(page) => self.passed_on(page),
                None => self.step().await,
            };
            match next {
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
        }
    }

    /// Looks once, and passes on what is there.
    async fn step(&mut self) -> Next {
        match self.log.page(&self.key, &self.owner, self.live.last() + 1, AHEAD).await {
            Ok(page) => self.passed_on(page),
            Err(error) => {
                tracing::warn!(%error, "the log of streams could not be read");
                Next::Wait
            }
        }
    }

    /// Passes on what was found behind the last event.
    fn passed_on(&mut self, page: Page) -> Next {
        let at = self.live.last() + 1;
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
