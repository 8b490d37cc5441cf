//! Handshake sessions: the resources that they subscribe to, and what they are told unasked (2025-11-25,
//! server/resources, "Subscriptions").

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytestring::ByteString;
use futures_util::FutureExt as _;
use rand::Rng as _;
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::{Dispatcher, failed, not_found, panicked};
use crate::hub::{Listener, MAX_URIS, Notice, Wants};
use crate::middleware::BoxFuture;
use crate::protocol::{Failure, Json};
use crate::session::Handshake;
use crate::{Answer, Operation, Reply, Request, SessionId};

/// How often a session is looked at anew whose client was not heard to be initialized, or whose store failed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What is known of a session when it begins to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Its client has said that it is initialized.
    Initialized,
    /// The session in the store says whether its client has.
    AsKept,
}

impl Dispatcher {
    pub(super) fn subscribe(&self, request: Request) -> BoxFuture<Answer> {
        let (session, uri) = match of_session(&request) {
            Ok(subject) => subject,
            Err(failure) => return failed(failure),
        };
        let this = self.clone();
        self.in_time(async move {
            if !this.may_read(&request, &uri).await {
                return not_found(&uri, request.revision).into(); // what is hidden is not there
            }
            match this.0.sessions.subscribe(&request.principal, &session, &uri).await {
                Ok(Some((true, newest))) => {
                    this.edited(&session.key(&request.principal), &uri, true, newest).await
                }
                Ok(Some((false, _))) => Failure::invalid_params(format!(
                    "a session may subscribe to {MAX_URIS} resources, by URIs of 64 KiB together: unsubscribe from one"
                ))
                .into(),
                Ok(None) => Failure::internal().into(), // it ended meanwhile
                Err(error) => unstored(&error),
            }
        })
    }

    /// To end what was never begun is no error.
    pub(super) fn unsubscribe(&self, request: Request) -> BoxFuture<Answer> {
        let (session, uri) = match of_session(&request) {
            Ok(subject) => subject,
            Err(failure) => return failed(failure),
        };
        let this = self.clone();
        self.in_time(async move {
            match this.0.sessions.unsubscribe(&request.principal, &session, &uri).await {
                Ok(left) => {
                    let newest = left.and_then(|(_, newest)| newest);
                    this.edited(&session.key(&request.principal), &uri, false, newest).await
                }
                Err(error) => unstored(&error),
            }
        })
    }

    /// Has the stream of the session know before the client has its answer.
    async fn edited(&self, session: &str, uri: &str, wanted: bool, newest: Option<u64>) -> Answer {
        match self.subscribed(session, uri, wanted, newest).await {
            Ok(()) => Answer::Done(Reply::Object(Json::EMPTY)),
            Err(error) => unstored(&error),
        }
    }

    /// Says on the exchange of `request`, which stands for the open stream of its session, what the session is to be
    /// told: from when its client is initialized, until another stream takes its place, the session ends, or the
    /// exchange is concluded. An open stream keeps the session alive.
    pub(crate) fn tell(&self, request: Request, handshake: &Handshake, opening: Opening) -> BoxFuture<()> {
        let Some(session) = request.session.clone() else { return Box::pin(std::future::ready(())) };
        request.exchange.last();
        let wants = Wants::kinds(self.0.components.dynamic()).and(handshake.subscriptions());
        // Over HTTP the next stream of the session may be opened at another process.
        let may_be_elsewhere = opening == Opening::AsKept && self.replica().is_shared();
        let stream = may_be_elsewhere.then(|| rand::rng().next_u64());
        let key = session.key(&request.principal);
        let listener = self.0.hub.listen_in(&key, stream, wants); // misses nothing from now on
        let telling = Telling { dispatcher: self.clone(), request, session, listener, opening, stream };
        Box::pin(async move {
            // Over HTTP another process may be told that the session ends.
            let concerns = opening == Opening::AsKept || telling.dispatcher.registry().has_resources();
            let _waiting = telling.dispatcher.await_updates(concerns).await;
            let told = AssertUnwindSafe(telling.run()).catch_unwind();
            tokio::select! {
                _ = telling.request.exchange.concluded() => {}
                ended = told => drop(ended.map_err(|_| panicked())),
            }
        })
    }
}

/// One open stream of a session.
struct Telling {
    dispatcher: Dispatcher,
    /// Stands for the stream: what it is told is said on its exchange.
    request: Request,
    session: SessionId,
    listener: Listener,
    opening: Opening,
    /// What the store knows this stream by, where others may be opened elsewhere: the newest is the one that there is.
    stream: Option<u64>,
}

impl Telling {
    async fn run(&self) {
        if !self.begun().await {
            return;
        }
        let period = (self.dispatcher.0.sessions.idle() / 2).max(Duration::from_millis(1));
        let mut alive = interval_at(Instant::now() + period, period);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let notice = tokio::select! {
                notice = self.listener.next() => notice,
                _ = alive.tick() => Some(Notice::Look),
            };
            let Some(notice) = notice else { return };
            if notice == Notice::Look {
                match self.looked_up().await {
                    Some(Found::Gone) => return,
                    _ => continue,
                }
            }
            let Some(message) = self.dispatcher.worded(&self.request, &notice, None).await else { continue };
            tokio::select! {
                () = self.request.exchange.deliver(message) => {}
                () = self.listener.ended() => return, // another stream has taken its place
            }
        }
    }

    /// Waits until no other process has an older stream of the session, the client is initialized, and its subscriptions
    /// are known; `false` where the session is gone, or has a newer stream.
    async fn begun(&self) -> bool {
        let mut newest = false;
        loop {
            newest = newest || self.claimed().await;
            match self.looked_up().await {
                Some(Found::Gone) => return false,
                Some(Found::There { initialized })
                    if newest && (initialized || self.opening == Opening::Initialized) =>
                {
                    return true;
                }
                _ => drop(timeout(LOOK_AGAIN, self.listener.stirred()).await),
            }
            if self.listener.is_ended() {
                return false;
            }
        }
    }

    /// Has every other process end the stream that it may have of this session; `false` where that could not be said.
    ///
    /// The store decides which of two is the newer one, and letters only have a process look: of two that are opened at
    /// once exactly one stays.
    async fn claimed(&self) -> bool {
        let Some(stream) = self.stream else { return true };
        let (sessions, principal) = (&self.dispatcher.0.sessions, &self.request.principal);
        let is_newest = || !self.listener.is_ended();
        let told = match sessions.opened(principal, &self.session, stream, is_newest).await {
            Ok(true) => self.dispatcher.replica().opened(&self.session.key(principal)).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        told.inspect_err(|error| tracing::warn!(%error, "an older stream of a session could not be ended"))
            .is_ok()
    }

    /// Looks at the session in the store: that extends its life, and tells what it subscribed to elsewhere. `None` is a
    /// store that failed.
    async fn looked_up(&self) -> Option<Found> {
        loop {
            let edits = self.listener.edits();
            match self.dispatcher.0.sessions.find(&self.request.principal, &self.session).await {
                Ok(Some(handshake)) if self.stream.is_some_and(|stream| !handshake.is_told_on(stream)) => {
                    return Some(Found::Gone); // another stream has taken its place, in another process
                }
                Ok(Some(handshake)) if self.listener.want(handshake.subscriptions(), edits) => {
                    return Some(Found::There { initialized: handshake.is_initialized() });
                }
                Ok(Some(_)) => {} // it subscribed to something meanwhile
                Ok(None) => return Some(Found::Gone),
                Err(error) => {
                    tracing::warn!(%error, "the session of an open stream could not be looked up");
                    return None;
                }
            }
        }
    }
}

/// What the store says of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    There {
        initialized: bool,
    },
    /// There is none any more, or it is told on another stream.
    Gone,
}

/// The session that a request belongs to, and the URI that it is about.
fn of_session(request: &Request) -> Result<(SessionId, ByteString), Failure> {
    #[derive(Deserialize)]
    struct Params {
        uri: String,
    }
    let (Operation::Other { params, .. }, Some(session)) = (&request.operation, &request.session) else {
        return Err(Failure::internal());
    };
    let params: Params = params.to().map_err(|_| Failure::invalid_params("the params lack uri, a string"))?;
    Ok((session.clone(), params.uri.into()))
}

fn unstored(error: &kv_core::Error) -> Answer {
    tracing::error!(%error, "the session store failed");
    Failure::internal().into()
}
