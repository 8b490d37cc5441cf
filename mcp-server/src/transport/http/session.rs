//! The handshake session of an HTTP request.

use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::{Endpoint, SESSION, answer, doorway};
use crate::protocol::{Failure, RequestId, Revision, code};
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
        let version = parts.headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
        let stateless = version.and_then(Revision::from_name).is_some_and(Revision::is_stateless);
        if stateless || !parts.headers.contains_key(SESSION) {
            return Presented::None;
        }
        let Some(id) = doorway::text(&parts.headers, SESSION).and_then(SessionId::presented) else {
            return Presented::Gone;
        };
        match self.0.dispatcher.sessions().find(principal, &id).await {
            Ok(Some(handshake)) => Presented::Session(id, Box::new(handshake)),
            Ok(None) => Presented::Gone,
            Err(error) => {
                tracing::error!(%error, "the session store failed");
                Presented::Unknown
            }
        }
    }

    /// `notifications/initialized`: remembered only where something is told unasked, since nothing is told before it.
    pub(super) async fn initialized(&self, principal: &Principal, session: &SessionId) -> Response {
        if !self.0.dispatcher.tells() {
            return answer::empty(StatusCode::ACCEPTED);
        }
        match self.0.dispatcher.sessions().initialized(principal, session).await {
            Ok(true) => {
                self.0.dispatcher.hub().stir(&session.key(principal));
                answer::empty(StatusCode::ACCEPTED)
            }
            Ok(false) => self.session_gone(None),
            Err(error) => {
                tracing::error!(%error, "the session store failed");
                self.store_unavailable(None)
            }
        }
    }

    /// `DELETE`: ends a session, cancels what it has in flight, forgets what was kept for it.
    pub(super) async fn end_session(&self, parts: &Parts, verified: &Verified) -> Response {
        let Some(id) = doorway::text(&parts.headers, SESSION).and_then(SessionId::presented) else {
            return self.no_session(None);
        };
        match self.0.dispatcher.sessions().end(&verified.principal, &id).await {
            Ok(true) => {
                let key = id.key(&verified.principal);
                self.0.flights.cancel_all(&key);
                self.0.dispatcher.hub().end_session(&key);
                answer::empty(StatusCode::NO_CONTENT)
            }
            Ok(false) => self.session_gone(None),
            Err(error) => {
                tracing::error!(%error, "the session store failed");
                self.store_unavailable(None)
            }
        }
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

    /// Never a 404: the session may well be there.
    pub(super) fn store_unavailable(&self, id: Option<&RequestId>) -> Response {
        let mut response = self.refuse(StatusCode::SERVICE_UNAVAILABLE, id, &Failure::internal());
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(answer::RETRY_AFTER.as_secs()));
        response
    }
}
