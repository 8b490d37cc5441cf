//! The handshake session of an HTTP request.

use std::pin::Pin;

use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use super::{Endpoint, SESSION, answer, doorway};
use crate::protocol::{Failure, RequestId, Revision, StandardHeaders, code, unsupported};
use crate::running::{Deadline, Elapsed};
use crate::session::{Full, Handshake, SessionId};
use crate::{Principal, Verified};

/// What the header says of a session.
pub(super) enum Presented {
    /// There is no header.
    None,
    /// A session of this principal.
    Session(SessionId, Box<Handshake>),
    /// Another principal's, an unknown or an ended one: nobody learns which.
    Gone,
    /// The store could not be asked.
    Unknown,
}

impl Endpoint {
    /// Looks the session up that a request names. A request of 2026-07-28 has none, whatever its headers say.
    pub(super) async fn presented(&self, parts: &Parts, principal: &Principal) -> Presented {
        if is_stateless(&parts.headers) || !parts.headers.contains_key(SESSION) {
            return Presented::None;
        }
        let Some(id) = doorway::text(&parts.headers, SESSION).and_then(SessionId::presented) else {
            return Presented::Gone;
        };
        match self.in_time(self.found(principal, &id)).await {
            Ok(Ok(Some(handshake))) => Presented::Session(id, Box::new(handshake)),
            Ok(Ok(None)) => Presented::Gone,
            Ok(Err(error)) => {
                tracing::error!(%error, "the session store failed");
                Presented::Unknown
            }
            Err(Elapsed) => {
                tracing::error!("the session store hangs");
                Presented::Unknown
            }
        }
    }

    /// What the store does for a session, within the time of a handler: one that hangs holds nobody up for ever.
    ///
    /// It is in a box before anybody waits for it: the future of every request would else have room for it.
    pub(super) fn in_time<F: Future>(&self, work: F) -> Deadline<Pin<Box<F>>> {
        Deadline::new(Box::pin(work), self.0.dispatcher.handler_timeout())
    }

    /// The session, once other processes know of this one.
    async fn found(&self, principal: &Principal, id: &SessionId) -> kv_core::Result<Option<Handshake>> {
        let found = self.0.dispatcher.sessions().presented(principal, id).await?;
        if found.is_some() {
            self.0.dispatcher.join().await;
        }
        Ok(found)
    }

    /// `notifications/initialized`: remembered only where something can be told or asked, which it is not before.
    pub(super) async fn initialized(
        &self,
        principal: &Principal,
        session: &SessionId,
        handshake: &Handshake,
    ) -> Response {
        if !self.0.dispatcher.tells() && !handshake.can_be_asked() {
            return answer::empty(StatusCode::ACCEPTED);
        }
        match self.in_time(self.0.dispatcher.sessions().initialized(principal, session)).await {
            Ok(Ok(true)) => {
                self.0.dispatcher.hub().stir(&session.key(principal));
                answer::empty(StatusCode::ACCEPTED)
            }
            Ok(Ok(false)) => self.session_gone(None),
            Ok(Err(error)) => {
                tracing::error!(%error, "the session store failed");
                self.unavailable(None)
            }
            Err(Elapsed) => self.hangs(None),
        }
    }

    /// `DELETE`: ends a session, cancels what it has in flight, forgets what was kept for it. On 2026-07-28 there is none.
    pub(super) async fn end_session(&self, parts: &Parts, verified: &Verified) -> Response {
        if let Some(refused) = self.unserved_version(&parts.headers) {
            return refused;
        }
        if is_stateless(&parts.headers) {
            return self.not_allowed("POST");
        }
        if !parts.headers.contains_key(SESSION) {
            return self.no_session(None);
        }
        let Some(id) = doorway::text(&parts.headers, SESSION).and_then(SessionId::presented) else {
            return self.session_gone(None);
        };
        match self.in_time(self.0.dispatcher.end_session(&verified.principal, &id)).await {
            Ok(Ok(true)) => answer::empty(StatusCode::NO_CONTENT),
            Ok(Ok(false)) => self.session_gone(None),
            Ok(Err(error)) => {
                tracing::error!(%error, "a session could not be ended"); // it can be, again
                self.unavailable(None)
            }
            Err(Elapsed) => self.hangs(None),
        }
    }

    /// The refusal of whatever comes under a version that nobody here speaks (2025-11-25, basic/transports, "Protocol
    /// Version Header"). What requests and notifications say of theirs is compared with their bodies too.
    pub(super) fn unserved_version(&self, headers: &HeaderMap) -> Option<Response> {
        let version = StandardHeaders::version_of(headers)?;
        let unserved = Revision::from_name(version).is_none();
        unserved.then(|| self.refuse(StatusCode::BAD_REQUEST, None, &unsupported(version)))
    }

    pub(super) fn no_session(&self, id: Option<&RequestId>) -> Response {
        let failure =
            Failure::new(code::INVALID_REQUEST, "the Mcp-Session-Id header is missing: initialize first");
        self.refuse(StatusCode::BAD_REQUEST, id, &failure)
    }

    pub(super) fn session_gone(&self, id: Option<&RequestId>) -> Response {
        let failure = Failure::new(code::INVALID_REQUEST, "session not found: initialize again");
        self.refuse(StatusCode::NOT_FOUND, id, &failure)
    }

    /// RFC 6585 §4 for who holds too many sessions, RFC 9110 §15.6.4 where all together do.
    pub(super) fn no_room(&self, id: &RequestId, full: Full) -> Response {
        let status = match full {
            Full::One { .. } => StatusCode::TOO_MANY_REQUESTS,
            Full::All { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        full.report();
        let mut response = self.refuse(status, Some(id), &full.failure());
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(full.seconds()));
        response
    }

    /// The store did not answer in time.
    pub(super) fn hangs(&self, id: Option<&RequestId>) -> Response {
        tracing::error!("the session store hangs");
        self.unavailable(id)
    }

    /// Something that this server needs did not answer, such as the store. Never a 404: a session may well be there.
    pub(super) fn unavailable(&self, id: Option<&RequestId>) -> Response {
        self.refuse_for_now(StatusCode::SERVICE_UNAVAILABLE, id, &Failure::internal())
    }
}

/// Whether the version header names a revision without sessions.
pub(super) fn is_stateless(headers: &HeaderMap) -> bool {
    let version = StandardHeaders::version_of(headers);
    version.and_then(Revision::from_name).is_some_and(Revision::is_stateless)
}
