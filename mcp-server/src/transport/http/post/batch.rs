//! Batches over HTTP (2025-03-26 only): several messages in one body, their answers in one array.

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;

use super::arrival::{Absent, Arrival};
use crate::protocol::{Malformed, Message, Revision, revision_of};
use crate::running::{Abandoned, Running};
use crate::session::{Handshake, SessionId};
use crate::transport::batch::{array, item};
use crate::transport::cancellation::{cancelled, is_initialized};
use crate::transport::http::Endpoint;
use crate::transport::http::answer::{empty, json};

impl Endpoint {
    /// Answers a batch by one array.
    pub(super) async fn batch(&self, arrival: Arrival, messages: &[Bytes]) -> Response {
        let (session, handshake) = match arrival.session() {
            Ok((session, handshake)) if handshake.revision() == Revision::V2025_03_26 => (session, handshake),
            Ok(_) | Err(Absent::Missing) => {
                return self
                    .refused(StatusCode::BAD_REQUEST, "batches are served in sessions of 2025-03-26 only");
            }
            Err(Absent::Gone) => return self.session_gone(None),
            Err(Absent::Unknown) => return self.unavailable(None),
        };
        let answers = messages.iter().map(|message| self.batched(&arrival, message, &session, handshake));
        let answers = futures_util::future::join_all(answers).await;
        let answers: Vec<Bytes> = answers.into_iter().flatten().collect();
        array(&answers).map_or_else(|| empty(StatusCode::ACCEPTED), |answers| json(StatusCode::OK, answers))
    }

    async fn batched(
        &self,
        arrival: &Arrival,
        message: &Bytes,
        session: &SessionId,
        handshake: &Handshake,
    ) -> Option<Bytes> {
        let incoming = match item(message) {
            Ok(Message::Request(incoming)) => incoming,
            Ok(Message::Notification(incoming)) => {
                let principal = &arrival.verified.principal;
                if let Some(id) = cancelled(&incoming.operation) {
                    self.0.dispatcher.cancel(&session.key(principal), &id).await; // what fails is in the log
                }
                if is_initialized(&incoming.operation) && !handshake.is_initialized() {
                    drop(self.initialized(principal, session, handshake).await); // a store that fails is in the log
                }
                return None;
            }
            Ok(Message::Response { id, outcome }) => {
                self.answered(arrival, session, id, outcome).await;
                return None;
            }
            Ok(Message::Batch(_)) => return None,
            Err(Malformed { failure, id }) => return Some(self.0.renderer.error(id.as_ref(), &failure)),
        };
        let id = incoming.id.clone()?;
        let revision = match revision_of(&incoming, None, Some(handshake.revision())) {
            Ok(revision) => revision,
            Err(refused) => return Some(self.0.renderer.error(Some(&id), &refused.failure)),
        };
        let request = arrival.admit_one(incoming, revision, Some(session.clone()), handshake.caller());
        let exchange = request.exchange.clone();
        exchange.close(); // answers of a batch are one array: nothing else can be said
        let abandoned = Abandoned::Detached(self.0.alone.clone());
        let running = Running::new(self.flight(request, &id, session), exchange, abandoned);
        Some(self.0.renderer.response(&id, running.await?, revision))
    }
}
