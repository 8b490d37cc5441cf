//! Streams of handshake sessions over HTTP: each event has an id, and a client that lost its connection goes on reading
//! behind the last one that it has (2025-11-25, basic/transports, "Resumability and Redelivery").

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::HeaderName;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

use super::answer::{End, Serving, Step, reached};
use super::sse::{KeepAlive, event, event_with, events, stream};
use super::{Endpoint, Stopping, doorway};
use crate::events::{EventId, NotResumed, RETRY, Reader, Said, Writing};
use crate::protocol::{Failure, Revision, code};
use crate::{Answer, SessionId, Verified};

/// The last event that a client has.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Endpoint {
    /// Turns a request of `session` into a stream that can be resumed. From now on a task goes on with it, whoever reads.
    pub(super) fn resumable(
        &self,
        session: &str,
        serving: Serving,
        first: Option<Step>,
        end: End,
    ) -> Response {
        let Some(id) = &serving.id else { return stream(Body::empty()) };
        let (writing, reader) = self.0.dispatcher.streams().begin(session, id);
        // Empty events break clients of older revisions.
        let primes = serving.revision == Revision::V2025_11_25;
        match first {
            Some(Step::Message(message)) => writing.say(message),
            Some(Step::Released(retry)) => writing.release(retry),
            Some(Step::Answer(_) | Step::Nothing) | None => {}
        }
        tokio::spawn(write(self.clone(), serving, writing, end));
        let leave = Box::pin(std::future::pending());
        Events::new(self, reader, Begins::Anew { primes }, leave).into_response()
    }

    /// Goes on with a stream behind the event that `Last-Event-ID` names, whichever process writes it.
    pub(super) async fn resume(&self, parts: &Parts, verified: &Verified, session: &SessionId) -> Response {
        let event = doorway::text(&parts.headers, LAST_EVENT_ID).and_then(EventId::read);
        let Some(event) = event else { return self.cannot_resume() };
        let (streams, key) = (self.0.dispatcher.streams(), session.key(&verified.principal));
        let reader = match streams.resume(&key, &event, &self.0.renderer).await {
            Ok(reader) => reader,
            Err(NotResumed::Unknown) => return self.cannot_resume(),
            Err(NotResumed::Unavailable) => return self.unavailable(None),
        };
        let (mut stopping, expires_at) = (self.0.stopping.subscribe(), verified.expires_at);
        let is_elsewhere = reader.is_elsewhere();
        let leave = Box::pin(async move {
            let stopped = async {
                // What is written here ends with its request; what another process writes can be had from another.
                reached(&mut stopping, |far| {
                    *far == Stopping::Now || (is_elsewhere && *far == Stopping::Soon)
                })
                .await;
            };
            tokio::select! {
                () = stopped => {}
                () = until(expires_at) => {}
            }
        });
        Events::new(self, reader, Begins::Before, leave).into_response()
    }

    fn cannot_resume(&self) -> Response {
        let message = "cannot resume: no such event is kept in this session; send the request again";
        self.refuse(StatusCode::BAD_REQUEST, None, &Failure::new(code::INVALID_REQUEST, message))
    }
}

async fn until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Goes on with a request to its end, and writes what it says.
async fn write(endpoint: Endpoint, mut serving: Serving, writing: Writing, mut end: End) {
    loop {
        let step = poll_fn(|cx| {
            writing.watch(cx);
            let step = serving.poll_step(cx, writing.has_room());
            if step.is_ready() {
                return step;
            }
            end.poll(cx).map(|ended| {
                serving.running.cancel();
                Step::Answer(Answer::from(ended))
            })
        });
        match step.await {
            Step::Message(message) => writing.say(message),
            Step::Released(retry) => writing.release(retry),
            Step::Answer(answer) => {
                let Some(id) = &serving.id else { return };
                let renderer = &endpoint.0.renderer;
                return writing.finish(renderer.response(id, answer, serving.revision), renderer).await;
            }
            Step::Nothing => return writing.stop().await,
        }
    }
}

/// How what a connection carries begins.
enum Begins {
    /// With the first event of its stream.
    Anew {
        /// Whether an empty event goes first, so that the client can come back before anything was said.
        primes: bool,
    },
    /// It has begun.
    Before,
}

/// The events of one stream, as one connection carries them.
struct Events {
    reader: Reader,
    begins: Begins,
    /// When this connection is over, and not the stream.
    leave: Pin<Box<dyn Future<Output = ()> + Send>>,
    keep_alive: KeepAlive,
    ended: bool,
}

impl Events {
    fn new(
        endpoint: &Endpoint,
        reader: Reader,
        begins: Begins,
        leave: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Self {
        let keep_alive = KeepAlive::new(endpoint.0.options.keep_alive);
        Self { reader, begins, leave, keep_alive, ended: false }
    }

    fn into_response(mut self) -> Response {
        stream(events(move |cx| self.poll_bytes(cx)))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Begins::Anew { primes: true } = self.begins {
            self.begins = Begins::Before;
            return Poll::Ready(Some(empty(&self.reader.id(0), RETRY)));
        }
        if let Poll::Ready(said) = self.reader.poll_said(cx) {
            return Poll::Ready(self.passed_on(said));
        }
        if self.leave.as_mut().poll(cx).is_ready() {
            self.ended = true;
            return Poll::Ready(None);
        }
        self.keep_alive.poll(cx).map(Some)
    }

    fn passed_on(&mut self, said: Said) -> Option<Bytes> {
        self.ended = !matches!(said, Said::Event(..));
        match said {
            Said::Event(number, message) => {
                let anew = matches!(std::mem::replace(&mut self.begins, Begins::Before), Begins::Anew { .. });
                Some(event_with(Some(&self.reader.id(number)), anew.then_some(RETRY), &message))
            }
            Said::LastWord(message) => Some(event(&message)),
            Said::Released(retry) => Some(empty(&self.reader.id(self.reader.taken()), retry)),
            Said::Nothing => None,
        }
    }
}

/// An event that says nothing but where the client is, and when it should come back.
fn empty(id: &str, retry: Duration) -> Bytes {
    format!("id: {id}\nretry: {}\ndata: \n\n", retry.as_millis()).into()
}
