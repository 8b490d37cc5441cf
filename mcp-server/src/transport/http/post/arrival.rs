//! A message that came by `POST`, with all that the transport knows of it.

use axum::http::request::Parts;

use crate::protocol::{Incoming, Revision, StandardHeaders};
use crate::request::Caller;
use crate::session::{Handshake, SessionId};
use crate::transport::http::session::{Presented, is_stateless};
use crate::{Request, Verified};

/// A message on its way in, with all that the transport knows of it.
pub(super) struct Arrival {
    pub(super) parts: Parts,
    pub(super) verified: Verified,
    pub(super) presented: Presented,
}

/// Why a request has no session.
pub(super) enum Absent {
    Missing,
    Gone,
    Unknown,
}

impl Arrival {
    pub(super) fn headers(&self) -> StandardHeaders<'_> {
        StandardHeaders::of(&self.parts.headers)
    }

    pub(super) fn is_stateless(&self) -> bool {
        is_stateless(&self.parts.headers)
    }

    pub(super) fn session(&self) -> Result<(SessionId, &Handshake), Absent> {
        match &self.presented {
            Presented::Session(id, handshake) => Ok((id.clone(), handshake)),
            Presented::None => Err(Absent::Missing),
            Presented::Gone => Err(Absent::Gone),
            Presented::Unknown => Err(Absent::Unknown),
        }
    }

    pub(super) fn agreed(&self) -> Option<Revision> {
        self.session().ok().map(|(_, handshake)| handshake.revision())
    }

    /// The request of a message that is no batch. It gets what came over HTTP itself: copying that would cost as much
    /// as decoding the message.
    pub(super) fn admit(
        &mut self,
        incoming: Incoming,
        revision: Revision,
        session: Option<SessionId>,
        caller: Caller,
    ) -> Request {
        let principal = self.verified.principal.clone();
        let mut request = Request::admitted(incoming, revision, principal, session, caller);
        request.extensions = std::mem::take(&mut self.parts.extensions);
        request.extensions.insert(std::mem::take(&mut self.parts.headers));
        request
    }

    /// One request of a batch.
    pub(super) fn admit_one(
        &self,
        incoming: Incoming,
        revision: Revision,
        session: Option<SessionId>,
        caller: Caller,
    ) -> Request {
        let principal = self.verified.principal.clone();
        let mut request = Request::admitted(incoming, revision, principal, session, caller);
        request.extensions = self.parts.extensions.clone();
        request.extensions.insert(self.parts.headers.clone());
        request
    }
}
