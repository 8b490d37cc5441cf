//! Batches over HTTP (2025-03-26 only): several messages in one body, their answers in one array.

use std::pin::pin;
use std::task::Poll;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use tokio::time::sleep;

use super::arrival::{Absent, Arrival};
use crate::middleware::BoxFuture;
use crate::protocol::{Incoming, Malformed, Message, Revision, revision_of};
use crate::running::{Abandoned, Running};
use crate::session::{Handshake, SessionId};
use crate::transport::batch::{array, item};
use crate::transport::http::Endpoint;
use crate::transport::http::answer::{empty, ended, json};
use crate::transport::http::sse::{KeepAlive, event, events, stream};

impl Endpoint {
    /// Answers a batch by one array, in a stream where it is not there after a while.
    pub(super) async fn batch(&self, arrival: Arrival, messages: Vec<Bytes>) -> Response {
        if !messages.iter().any(is_answered) {
            return self.batch_outcome(&arrival, &messages).await.into();
        }
        let this = self.clone();
        let mut work: BoxFuture<Outcome> =
            Box::pin(async move { this.batch_outcome(&arrival, &messages).await });
        tokio::select! {
            biased;
            outcome = &mut work => outcome.into(),
            () = sleep(self.0.options.silence) => self.batch_stream(work),
        }
    }

    /// One event, and signs of life until it comes.
    fn batch_stream(&self, work: BoxFuture<Outcome>) -> Response {
        let (mut work, mut keep_alive) = (Some(work), KeepAlive::new(self.0.options.keep_alive));
        stream(events(move |cx| {
            let Some(going) = &mut work else { return Poll::Ready(None) };
            let Poll::Ready(outcome) = going.as_mut().poll(cx) else {
                return keep_alive.poll(cx).map(Some);
            };
            work = None;
            Poll::Ready(match outcome {
                Outcome::Answers(answers) => Some(event(&answers)),
                Outcome::None(_) => None, // its status has been sent
            })
        }))
    }

    async fn batch_outcome(&self, arrival: &Arrival, messages: &[Bytes]) -> Outcome {
        let (session, handshake) = match arrival.session() {
            Ok((session, handshake)) if handshake.revision() == Revision::V2025_03_26 => (session, handshake),
            Ok(_) | Err(Absent::Missing) => {
                let why = "batches are served in sessions of 2025-03-26 only";
                return Outcome::None(self.refused(StatusCode::BAD_REQUEST, why));
            }
            Err(absent) => return Outcome::None(self.absent(&absent, None)),
        };
        let parts = messages.iter().map(|message| self.batched(arrival, message, &session, handshake));
        let (mut answers, mut refused) = (Vec::new(), None);
        for part in futures_util::future::join_all(parts).await {
            match part {
                Part::Answered(answer) => answers.push(answer),
                Part::Refused(response) => refused = refused.or(Some(response)),
                Part::Accepted => {}
            }
        }
        // Requests that were served are answered, whatever became of the rest: who had no answers would send the batch again,
        // and they would run twice.
        match array(&answers) {
            Some(answers) => Outcome::Answers(answers),
            None => Outcome::None(refused.unwrap_or_else(|| empty(StatusCode::ACCEPTED))),
        }
    }

    async fn batched(
        &self,
        arrival: &Arrival,
        message: &Bytes,
        session: &SessionId,
        handshake: &Handshake,
    ) -> Part {
        match item(message) {
            Ok(Message::Request(incoming)) => {
                let answer = self.batched_request(arrival, incoming, session, handshake).await;
                answer.map_or(Part::Accepted, Part::Answered)
            }
            Ok(Message::Notification(incoming)) => {
                self.noticed(arrival, session, handshake, &incoming.operation).await.into()
            }
            Ok(Message::Response { id, outcome }) => {
                self.answered(arrival, session, id, outcome).await.into()
            }
            Ok(Message::Batch(_)) => Part::Accepted,
            Err(Malformed { failure, id }) => Part::Answered(self.0.renderer.error(id.as_ref(), &failure)),
        }
    }

    /// `None` where it was cancelled.
    async fn batched_request(
        &self,
        arrival: &Arrival,
        incoming: Incoming,
        session: &SessionId,
        handshake: &Handshake,
    ) -> Option<Bytes> {
        let id = incoming.id.clone()?;
        if let Err(too_much) = self.0.unread.check(&arrival.verified.principal) {
            return Some(self.0.renderer.error(Some(&id), &too_much.failure()));
        }
        let revision = match revision_of(&incoming, None, Some(handshake.revision())) {
            Ok(revision) => revision,
            Err(refused) => return Some(self.0.renderer.error(Some(&id), &refused.failure)),
        };
        let request = arrival.admit_one(incoming, revision, Some(session.clone()), handshake.caller());
        let exchange = request.exchange.clone();
        exchange.close(); // answers of a batch are one array: nothing else can be said
        let abandoned = Abandoned::Detached(self.0.alone.clone());
        let ended = ended(self.0.stopping.subscribe(), arrival.verified.expires_at, exchange.clone());
        let mut running = pin!(Running::new(self.flight(request, &id, session), exchange, abandoned));
        let answer = tokio::select! {
            biased;
            answer = &mut running => answer?,
            ended = ended => {
                running.cancel();
                ended.into()
            }
        };
        Some(self.0.renderer.response(&id, answer, revision))
    }
}

/// Whether there is an answer to come, which alone may be waited for in a stream: what has none is told by a status.
fn is_answered(message: &Bytes) -> bool {
    matches!(item(message), Ok(Message::Request(_)) | Err(_))
}

/// What became of a batch.
enum Outcome {
    /// The array of its answers.
    Answers(Bytes),
    /// Nothing in it has an answer: what its parts would have been answered, had they come alone.
    None(Response),
}

impl From<Outcome> for Response {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Answers(answers) => json(StatusCode::OK, answers),
            Outcome::None(response) => response,
        }
    }
}

/// What became of one message of a batch.
enum Part {
    Answered(Bytes),
    /// There is nothing to say to it.
    Accepted,
    /// What it would have been refused by, had it come alone.
    Refused(Response),
}

impl From<Response> for Part {
    fn from(alone: Response) -> Self {
        if alone.status() == StatusCode::ACCEPTED { Self::Accepted } else { Self::Refused(alone) }
    }
}
