//! The answer on its way out: JSON if it comes first, a stream if the handler speaks first or stays silent too long.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::sse::{KeepAlive, event, events, stream};
use super::{Endpoint, Stopping};
use crate::Answer;
use crate::exchange::Exchange;
use crate::protocol::{Failure, Pieces, RequestId, Revision, code, status};
use crate::running::Running;
use crate::{Principal, SessionId};

/// A request that is served, up to the bytes of its answer.
pub(super) struct Serving {
    pub(super) running: Running<Option<Answer>>,
    pub(super) exchange: Exchange,
    /// `None` is a stream that answers no request.
    pub(super) id: Option<RequestId>,
    pub(super) revision: Revision,
    /// When the caller's proof ends, and with it the stream.
    pub(super) expires_at: Option<Instant>,
    /// The handshake session that a client may come back in, if its connection is lost once a stream has begun.
    pub(super) session: Option<(Principal, SessionId)>,
}

/// What there is to send next.
pub(super) enum Step {
    Message(Bytes),
    Answer(Answer),
    /// The client is to leave, and to come back after so long.
    Released(Duration),
    /// Cancelled: nothing more is sent.
    Nothing,
}

impl Serving {
    /// Goes on with the run; what it says waits while there is no `room`.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>, room: bool) -> Poll<Step> {
        let polled = Pin::new(&mut self.running).poll(cx);
        let message = if room { self.exchange.pop() } else { None };
        if message.is_some() || !room {
            // What was said before the answer goes before it; a finished run keeps its answer until then.
            if let Poll::Ready(answer) = polled {
                self.running = Running::finished(answer, self.exchange.clone());
            }
            return message.map_or(Poll::Pending, |message| Poll::Ready(Step::Message(message)));
        }
        match polled {
            Poll::Ready(Some(answer)) => Poll::Ready(Step::Answer(answer)),
            Poll::Ready(None) => Poll::Ready(Step::Nothing),
            Poll::Pending => self.poll_said(cx),
        }
    }

    fn poll_said(&self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Poll::Ready(message) = self.exchange.poll_message(cx) {
            return Poll::Ready(Step::Message(message));
        }
        self.exchange.take_release().map_or(Poll::Pending, |retry| Poll::Ready(Step::Released(retry)))
    }
}

impl Endpoint {
    /// Serves a request until it is known what kind of answer it has.
    pub(super) async fn answer(&self, mut serving: Serving) -> Response {
        let mut silence: Option<Pin<Box<Sleep>>> = None;
        let mut end = self.end_of(&serving);
        let first = poll_fn(|cx| {
            if let Poll::Ready(step) = serving.poll_step(cx, true) {
                return Poll::Ready(Some(step));
            }
            if let Poll::Ready(ended) = end.poll(cx) {
                serving.running.cancel();
                return Poll::Ready(Some(Step::Answer(ended.into())));
            }
            let silence = silence.get_or_insert_with(|| Box::pin(sleep(self.0.options.silence)));
            silence.as_mut().poll(cx).map(|()| None)
        });
        let first = match first.await {
            Some(Step::Answer(answer)) => return self.whole(&serving, answer),
            Some(Step::Nothing) => return stream(Body::empty()),
            first => first,
        };
        if let Some((principal, session)) = serving.session.take() {
            return self.resumable(&session.key(&principal), serving, first, end);
        }
        let first = if let Some(Step::Message(message)) = first { Some(message) } else { None };
        Events::new(self.clone(), serving, first, end).into_response()
    }

    /// Serves what is a stream from the beginning, and answers nothing.
    pub(super) fn unasked(&self, serving: Serving) -> Response {
        let end = self.end_of(&serving);
        Events::new(self.clone(), serving, None, end).into_response()
    }

    fn end_of(&self, serving: &Serving) -> End {
        End {
            stopping: self.0.stopping.subscribe(),
            expires_at: serving.expires_at,
            exchange: serving.exchange.clone(),
            ended: None,
        }
    }

    fn whole(&self, serving: &Serving, answer: Answer) -> Response {
        let Some(id) = &serving.id else { return stream(Body::empty()) };
        let status = StatusCode::from_u16(status(&answer, serving.revision)).unwrap_or(StatusCode::OK);
        json(status, self.0.renderer.pieces(id, answer, serving.revision))
    }
}

/// Why a request ends before its answer.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Stopped,
    Expired,
}

impl Ended {
    const fn why(self) -> &'static str {
        match self {
            Self::Stopped => "the server is shutting down",
            Self::Expired => "the proof of who asks has expired",
        }
    }
}

impl From<Ended> for Answer {
    fn from(ended: Ended) -> Self {
        Failure::new(code::INTERNAL_ERROR, ended.why()).into()
    }
}

/// What ends a stream from outside: the end of the server, or of the caller's proof.
pub(super) struct End {
    stopping: watch::Receiver<Stopping>,
    expires_at: Option<Instant>,
    exchange: Exchange,
    ended: Option<Pin<Box<dyn Future<Output = Ended> + Send>>>,
}

impl End {
    /// Made only for requests that wait.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let ended = self.ended.get_or_insert_with(|| {
            Box::pin(ended(self.stopping.clone(), self.expires_at, self.exchange.clone()))
        });
        ended.as_mut().poll(cx)
    }
}

/// A request that lasts is told to end well, and may say a last word: when the server begins to stop, and when the
/// caller's proof expires. Any other goes on while the server only begins to stop.
pub(super) async fn ended(
    mut stopping: watch::Receiver<Stopping>,
    expires_at: Option<Instant>,
    exchange: Exchange,
) -> Ended {
    let expired = async {
        match expires_at {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
        if exchange.conclude(Ended::Expired.why()) {
            sleep(LAST_WORDS).await;
        }
    };
    let stopped = async {
        reached(&mut stopping, |stopping| *stopping >= Stopping::Soon).await;
        exchange.conclude(Ended::Stopped.why());
        reached(&mut stopping, |stopping| *stopping == Stopping::Now).await;
    };
    tokio::select! {
        () = stopped => Ended::Stopped,
        () = expired => Ended::Expired,
    }
}

/// Waits until the end of the server has come so far; for ever where nobody tells.
pub(super) async fn reached(stopping: &mut watch::Receiver<Stopping>, far: impl FnMut(&Stopping) -> bool) {
    let gone = stopping.wait_for(far).await.is_err();
    if gone {
        std::future::pending::<()>().await;
    }
}

/// A stream of server-sent events: the notifications of one request, and its answer as the last.
struct Events {
    endpoint: Endpoint,
    serving: Option<Serving>,
    first: Option<Bytes>,
    end: End,
    keep_alive: KeepAlive,
}

impl Events {
    fn new(endpoint: Endpoint, serving: Serving, first: Option<Bytes>, end: End) -> Self {
        let keep_alive = KeepAlive::new(endpoint.0.options.keep_alive);
        Self { endpoint, serving: Some(serving), first, end, keep_alive }
    }

    fn into_response(mut self) -> Response {
        stream(events(move |cx| self.poll_bytes(cx)))
    }

    /// The answer ends the stream.
    fn last(&mut self, answer: Answer) -> Option<Bytes> {
        let serving = self.serving.take()?;
        let id = serving.id?;
        Some(event(&self.endpoint.0.renderer.response(&id, answer, serving.revision)))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(message) = self.first.take() {
            return Poll::Ready(Some(event(&message)));
        }
        let Some(serving) = &mut self.serving else { return Poll::Ready(None) };
        if let Poll::Ready(step) = serving.poll_step(cx, true) {
            return Poll::Ready(match step {
                Step::Message(message) => Some(event(&message)),
                Step::Answer(answer) => self.last(answer),
                Step::Nothing | Step::Released(_) => {
                    self.serving = None;
                    None
                }
            });
        }
        if let Poll::Ready(ended) = self.end.poll(cx) {
            serving.running.cancel();
            return Poll::Ready(self.last(ended.into()));
        }
        self.keep_alive.poll(cx).map(Some)
    }
}

/// A body whose length is known, and told in its headers.
struct Whole(Pieces);

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// A whole JSON answer.
pub(super) fn json(status: StatusCode, body: impl Into<Pieces>) -> Response {
    let mut response = Response::new(Body::new(Whole(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Accepted, with nothing to say.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// How long a stream that lasts may take to end well.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// After how long to ask again, where the store could not be asked.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
