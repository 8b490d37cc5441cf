//! Handshake sessions: the resources that they subscribe to, and what they are told unasked (2025-11-25,
//! server/resources, "Subscriptions").

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytestring::ByteString;
use futures_util::FutureExt as _;
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::{Dispatcher, failed, not_found, panicked};
use crate::hub::{Listener, MAX_URIS, Wants};
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
        Box::pin(async move {
            if !this.may_read(&request, &uri).await {
                return not_found(&uri, request.revision).into(); // what is hidden is not there
            }
            match this.0.sessions.subscribe(&request.principal, &session, &uri).await {
                Ok(Some(true)) => this.edited(&session.key(&request.principal), &uri, true).await,
                Ok(Some(false)) => Failure::invalid_params(format!(
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
        Box::pin(async move {
            match this.0.sessions.unsubscribe(&request.principal, &session, &uri).await {
                Ok(_) => this.edited(&session.key(&request.principal), &uri, false).await,
                Err(error) => unstored(&error),
            }
        })
    }

    /// Has the stream of the session know before the client has its answer.
    async fn edited(&self, session: &str, uri: &str, wanted: bool) -> Answer {
        match self.subscribed(session, uri, wanted).await {
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
        let listener = self.0.hub.listen_in(&session.key(&request.principal), wants); // misses nothing from now on
        let this = self.clone();
        Box::pin(async move {
            // Over HTTP another process may be told that the session ends.
            let concerns = opening == Opening::AsKept || this.registry().has_resources();
            let _waiting = this.await_updates(concerns).await;
            let telling = this.telling(&request, &session, &listener, opening);
            let telling = AssertUnwindSafe(telling).catch_unwind();
            tokio::select! {
                _ = request.exchange.concluded() => {}
                ended = telling => drop(ended.map_err(|_| panicked())),
            }
        })
    }

    async fn telling(&self, request: &Request, session: &SessionId, listener: &Listener, opening: Opening) {
        if !self.begun(request, session, listener, opening).await {
            return;
        }
        let period = (self.0.sessions.idle() / 2).max(Duration::from_millis(1));
        let mut alive = interval_at(Instant::now() + period, period);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let notice = tokio::select! {
                notice = listener.next() => notice,
                _ = alive.tick() => match self.looked_up(request, session, listener).await {
                    Some(Found::Gone) => return,
                    _ => continue,
                },
            };
            let Some(notice) = notice else { return };
            let Some(message) = self.worded(request, &notice, None).await else { continue };
            tokio::select! {
                () = request.exchange.deliver(message) => {}
                () = listener.ended() => return, // another stream has taken its place
            }
        }
    }

    /// Waits until the client is initialized and its subscriptions are known; `false` where the session is gone.
    async fn begun(
        &self,
        request: &Request,
        session: &SessionId,
        listener: &Listener,
        opening: Opening,
    ) -> bool {
        loop {
            match self.looked_up(request, session, listener).await {
                Some(Found::Gone) => return false,
                Some(Found::There { initialized }) if initialized || opening == Opening::Initialized => {
                    return true;
                }
                _ => drop(timeout(LOOK_AGAIN, listener.stirred()).await),
            }
            if listener.is_ended() {
                return false;
            }
        }
    }

    /// Looks at the session in the store: that extends its life, and tells what it subscribed to elsewhere. `None` is a
    /// store that failed.
    async fn looked_up(&self, request: &Request, session: &SessionId, listener: &Listener) -> Option<Found> {
        loop {
            let edits = listener.edits();
            match self.0.sessions.find(&request.principal, session).await {
                Ok(Some(handshake)) if listener.want(handshake.subscriptions(), edits) => {
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
    There { initialized: bool },
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
