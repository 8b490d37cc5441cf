//! `POST`: one message, or a batch of them, comes in.

mod arrival;
mod batch;

use std::time::Instant;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use self::arrival::{Absent, Arrival};
use super::answer::{Serving, empty, json};
use super::bodies::Unread;
use super::{Endpoint, SESSION};
use crate::asking::Outcome;
use crate::dispatch::Untold;
use crate::flights::Flight;
use crate::middleware::{Borrowed, BoxFuture};
use crate::protocol::{Failure, Incoming, Malformed, Message, RequestId, code, decode, revision_of};
use crate::registry::Registry;
use crate::request::Caller;
use crate::running::{Abandoned, Elapsed, Running};
use crate::session::{Handshake, NotBegun, SessionId};
use crate::transport::cancellation::{cancelled, is_initialized};
use crate::{Answer, Operation, Request, Verified};

/// How a message is handled.
enum Handling<'a> {
    /// A request, as nearly all are: it is served in the future of its connection.
    Serve(Serving),
    /// Anything else, in a box: it would make the future of every request larger.
    Work(Borrowed<'a, Response>),
    Respond(Response),
}

impl Endpoint {
    pub(super) async fn post(&self, parts: Parts, body: Body, verified: Verified) -> Response {
        let (presented, body) =
            tokio::join!(self.presented(&parts, &verified.principal), self.collected(body));
        let body = match body {
            Ok(body) => body,
            Err(refusal) => return *refusal,
        };
        if verified.has_expired() {
            return self.expired(); // the body took longer than the proof holds
        }
        match self.arrived(Arrival { parts, verified, presented }, body) {
            Handling::Serve(serving) => self.answer(serving).await,
            Handling::Work(work) => work.await,
            Handling::Respond(response) => response,
        }
    }

    fn arrived(&self, arrival: Arrival, body: Bytes) -> Handling<'_> {
        let message = decode(&body);
        drop(body); // what of it is needed further is held by its slices
        if let Ok(Message::Response { .. } | Message::Batch(_)) = &message
            && let Some(refused) = self.unserved_version(&arrival.parts.headers)
        {
            return Handling::Respond(refused);
        }
        match message {
            Ok(Message::Request(incoming)) => self.request(arrival, incoming),
            Ok(Message::Notification(incoming)) => {
                Handling::Work(Box::pin(self.notification(arrival, incoming)))
            }
            Ok(Message::Response { id, outcome }) => {
                Handling::Work(Box::pin(self.response(arrival, id, outcome)))
            }
            Ok(Message::Batch(messages)) => Handling::Work(Box::pin(self.batch(arrival, messages))),
            Err(Malformed { failure, id }) => {
                Handling::Respond(self.refuse(StatusCode::BAD_REQUEST, id.as_ref(), &failure))
            }
        }
    }

    async fn collected(&self, body: Body) -> Result<Bytes, Box<Response>> {
        let collected = self.0.bodies.collect(body);
        let unread = match tokio::time::timeout(self.0.options.body_timeout, collected).await {
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(unread)) => unread,
            Err(_) => {
                return Err(self.refusal(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"));
            }
        };
        Err(match unread {
            Unread::TooLong => {
                self.refusal(StatusCode::PAYLOAD_TOO_LARGE, "a message may have at most 4 MiB")
            }
            Unread::Broken => self.refusal(StatusCode::BAD_REQUEST, "the body could not be read"),
            Unread::NoRoom => Box::new(self.no_room_for_body()),
        })
    }

    /// Nothing is wrong with this body: too many large ones came at once.
    fn no_room_for_body(&self) -> Response {
        let failure = Failure::new(
            code::INTERNAL_ERROR,
            "too many large messages are on their way: try again after Retry-After",
        );
        self.refuse_for_now(StatusCode::SERVICE_UNAVAILABLE, None, &failure)
    }

    fn request(&self, mut arrival: Arrival, incoming: Incoming) -> Handling<'_> {
        let Some(id) = incoming.id.clone() else {
            return Handling::Respond(self.refuse(StatusCode::BAD_REQUEST, None, &Failure::internal()));
        };
        if let Some(refused) = self.reads_too_little(&arrival.verified.principal, Some(&id)) {
            return Handling::Respond(refused);
        }
        let agreed = arrival.agreed();
        let revision = match revision_of(&incoming, Some(&arrival.headers()), agreed) {
            Ok(revision) => revision,
            Err(refused) => {
                let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
                return Handling::Respond(self.refuse(status, Some(&id), &refused.failure));
            }
        };
        let expires_at = arrival.verified.expires_at;
        if revision.is_stateless() {
            let registry = self.0.dispatcher.registry();
            let mismatch = mismatch(&registry, &arrival, &incoming.operation);
            let mut request = arrival.admit(incoming, revision, None, Caller::default());
            request.mismatch = mismatch.map(Box::new);
            request.registry = Some(registry); // what is served is what its headers were compared with
            return Handling::Serve(self.stateless(request, id, expires_at));
        }
        if let Operation::Initialize { params } = &incoming.operation {
            return match Handshake::from_params(params) {
                Ok(handshake) => Handling::Work(Box::pin(self.initialize(arrival, incoming, id, handshake))),
                Err(failure) => Handling::Respond(self.refuse(StatusCode::OK, Some(&id), &failure)),
            };
        }
        let (session, caller) = match arrival.session() {
            Ok((session, handshake)) => (session, handshake.caller()),
            Err(absent) => return Handling::Respond(self.absent(&absent, Some(&id))),
        };
        let request = arrival.admit(incoming, revision, Some(session.clone()), caller);
        Handling::Serve(self.in_session(request, id, &session, expires_at))
    }

    /// The answer to what needs a session and has none.
    fn absent(&self, absent: &Absent, id: Option<&RequestId>) -> Response {
        match absent {
            Absent::Missing => self.no_session(id),
            Absent::Gone => self.session_gone(id),
            Absent::Unknown => self.unavailable(id),
        }
    }

    /// 2026-07-28: the connection is the request's; losing it cancels the request.
    fn stateless(&self, request: Request, id: RequestId, expires_at: Option<Instant>) -> Serving {
        let (revision, exchange) = (request.revision, request.exchange.clone());
        let run = self.0.dispatcher.run(request);
        let run: BoxFuture<Option<Answer>> = Box::pin(async move { Some(run.await) });
        let running = Running::new(run, exchange.clone(), Abandoned::Cancelled);
        Serving { running, exchange, id: Some(id), revision, expires_at, session: None }
    }

    /// 2025-03-26 to 2025-11-25: a lost connection cancels nothing, `notifications/cancelled` does.
    fn in_session(
        &self,
        request: Request,
        id: RequestId,
        session: &SessionId,
        expires_at: Option<Instant>,
    ) -> Serving {
        let (revision, exchange) = (request.revision, request.exchange.clone());
        let whose = Some((request.principal.clone(), session.clone()));
        exchange.make_resumable();
        let abandoned = Abandoned::Detached(self.0.alone.clone());
        let running = Running::new(self.flight(request, &id, session), exchange.clone(), abandoned);
        Serving { running, exchange, id: Some(id), revision, expires_at, session: whose }
    }

    fn flight(&self, request: Request, id: &RequestId, session: &SessionId) -> BoxFuture<Option<Answer>> {
        let (exchange, whose) = (request.exchange.clone(), (request.principal.clone(), session.clone()));
        let run = self.0.dispatcher.run(request);
        Box::pin(Flight::new(run, self.0.dispatcher.flights().clone(), whose, id.clone(), exchange))
    }

    /// The session is in the store before the client hears of it.
    async fn initialize(
        &self,
        mut arrival: Arrival,
        incoming: Incoming,
        id: RequestId,
        handshake: Handshake,
    ) -> Response {
        let (revision, session) = (handshake.revision(), SessionId::random());
        let request = arrival.admit(incoming, revision, None, handshake.caller());
        let answer = self.0.dispatcher.run(request).await;
        if matches!(answer, Answer::Done(_)) {
            let (sessions, principal) = (self.0.dispatcher.sessions(), &arrival.verified.principal);
            match self.in_time(sessions.begin(principal, &session, &handshake)).await {
                Ok(Ok(())) => {}
                Ok(Err(NotBegun::Full(full))) => return self.no_room(&id, full),
                Ok(Err(NotBegun::Store(error))) => {
                    tracing::error!(%error, "a session could not be stored");
                    return self.unavailable(Some(&id));
                }
                Err(Elapsed) => return self.hangs(Some(&id)),
            }
        }
        let done = matches!(answer, Answer::Done(_));
        let mut response = json(StatusCode::OK, self.0.renderer.response(&id, answer, revision));
        if done && let Ok(session) = HeaderValue::from_str(session.as_str()) {
            response.headers_mut().insert(SESSION, session);
        }
        response
    }

    async fn notification(&self, arrival: Arrival, incoming: Incoming) -> Response {
        if let Err(refused) = revision_of(&incoming, Some(&arrival.headers()), arrival.agreed()) {
            let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
            return self.refuse(status, None, &refused.failure);
        }
        match arrival.session() {
            Ok((session, handshake)) => {
                self.noticed(&arrival, &session, handshake, &incoming.operation).await
            }
            Err(Absent::Missing) if arrival.is_stateless() => empty(StatusCode::ACCEPTED), // and has no effect
            Err(absent) => self.absent(&absent, None),
        }
    }

    /// A notification in a session.
    async fn noticed(
        &self,
        arrival: &Arrival,
        session: &SessionId,
        handshake: &Handshake,
        notice: &Operation,
    ) -> Response {
        let principal = &arrival.verified.principal;
        if let Some(id) = cancelled(notice) {
            let session = session.key(principal);
            match self.in_time(self.0.dispatcher.cancel(principal, &session, &id)).await {
                Ok(Ok(())) => {}
                Ok(Err(Untold::TooMany(too_many))) => {
                    let failure = too_many.failure("cancellations");
                    return self.refuse(StatusCode::TOO_MANY_REQUESTS, None, &failure);
                }
                Ok(Err(Untold::Store)) => return self.unavailable(None),
                Err(Elapsed) => return self.hangs(None),
            }
        }
        if is_initialized(notice) && !handshake.is_initialized() {
            return self.initialized(principal, session, handshake).await;
        }
        empty(StatusCode::ACCEPTED)
    }

    /// An answer to a question, in a session. One that nobody waits for is passed over.
    async fn answered(
        &self,
        arrival: &Arrival,
        session: &SessionId,
        id: Option<RequestId>,
        outcome: Outcome,
    ) -> Response {
        let Some(id) = id else { return empty(StatusCode::ACCEPTED) };
        let session = session.key(&arrival.verified.principal);
        if self.in_time(self.0.dispatcher.answered(session, id, outcome)).await.unwrap_or(false) {
            empty(StatusCode::ACCEPTED)
        } else {
            self.unavailable(None) // it could not be handed to whoever asked
        }
    }

    /// An answer to a question: none is asked outside of sessions.
    async fn response(&self, arrival: Arrival, id: Option<RequestId>, outcome: Outcome) -> Response {
        match arrival.session() {
            Ok((session, _)) => self.answered(&arrival, &session, id, outcome).await,
            Err(Absent::Missing) => {
                self.refused(StatusCode::BAD_REQUEST, "a response was sent, and nothing was asked")
            }
            Err(absent) => self.absent(&absent, None),
        }
    }
}

/// How the headers that repeat arguments of a tool differ from them (2026-07-28 alone has such). An unknown tool is left
/// to the dispatcher.
fn mismatch(registry: &Registry, arrival: &Arrival, operation: &Operation) -> Option<Failure> {
    let Operation::CallTool { name, arguments } = operation else { return None };
    let declared = registry.param_headers(name)?;
    declared.check(&arrival.parts.headers, arguments).err()
}
