//! `GET`: the stream on which a handshake session is told what changes (2025-11-25, basic/transports, "Listening for
//! Messages from the Server").

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::Endpoint;
use super::answer::Serving;
use super::doorway::accepts;
use super::resumable::LAST_EVENT_ID;
use super::session::{Presented, is_stateless};
use crate::dispatch::Opening;
use crate::middleware::BoxFuture;
use crate::running::{Abandoned, Running};
use crate::session::Handshake;
use crate::{Answer, Request, SessionId, Verified};

impl Endpoint {
    /// Opens the stream of a session; there is one, and the newest wins. It never carries an answer.
    ///
    /// 405 where there is no such stream: on 2026-07-28, which has `subscriptions/listen`, and on a server that has
    /// nothing to tell. With `Last-Event-ID` it goes on with the stream of a request instead.
    pub(super) async fn get(&self, parts: Parts, verified: Verified) -> Response {
        if let Some(refused) = self.unserved_version(&parts.headers) {
            return refused;
        }
        if is_stateless(&parts.headers) {
            return self.not_allowed("POST"); // there is no session to end by DELETE either
        }
        if !accepts(&parts.headers, "text/event-stream") {
            return self.refused(StatusCode::NOT_ACCEPTABLE, "the Accept header must list text/event-stream");
        }
        match self.presented(&parts, &verified.principal).await {
            Presented::None => self.no_session(None),
            Presented::Gone => self.session_gone(None),
            Presented::Unknown => self.unavailable(None),
            Presented::Session(session, _) if parts.headers.contains_key(LAST_EVENT_ID) => {
                match self.reads_too_little(&verified.principal, None) {
                    Some(refused) => refused,
                    None => self.resume(&parts, &verified, &session).await,
                }
            }
            Presented::Session(..) if !self.0.dispatcher.tells() => self.not_allowed("POST, DELETE"),
            Presented::Session(session, handshake) => self.told(parts, verified, session, &handshake),
        }
    }

    fn told(&self, parts: Parts, verified: Verified, session: SessionId, handshake: &Handshake) -> Response {
        let (revision, caller) = (handshake.revision(), handshake.caller());
        let mut extensions = parts.extensions;
        extensions.insert(parts.headers);
        let stream = Request::of_stream(verified.principal, session, revision, caller, extensions);
        let exchange = stream.exchange.clone();
        let telling = self.0.dispatcher.tell(stream, handshake, Opening::AsKept);
        let run: BoxFuture<Option<Answer>> = Box::pin(async move {
            telling.await;
            None
        });
        let running = Running::new(run, exchange.clone(), Abandoned::Cancelled);
        self.unasked(Serving {
            running,
            exchange,
            id: None,
            revision,
            expires_at: verified.expires_at,
            session: None,
        })
    }
}
