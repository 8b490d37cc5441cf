//! The answer on its way out: JSON if it comes first, a stream if the handler speaks first or stays silent too long.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::{Endpoint, Stopping};
use crate::Answer;
use crate::exchange::Exchange;
use crate::protocol::{Failure, RequestId, Revision, code, status};
use crate::running::Running;

/// A request that is served, up to the bytes of its answer.
pub(super) struct Serving {
    pub(super) running: Running<Option<Answer>>,
    pub(super) exchange: Exchange,
    /// `None` is a stream that answers no request.
    pub(super) id: Option<RequestId>,
    pub(super) revision: Revision,
    /// When the caller's proof ends, and with it the stream.
    pub(super) expires_at: Option<Instant>,
}

/// What there is to send next.
enum Step {
    Message(Bytes),
    Answer(Answer),
    /// Cancelled: nothing more is sent.
    Nothing,
}

impl Serving {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let polled = Pin::new(&mut self.running).poll(cx);
        if let Some(message) = self.exchange.pop() {
            // What was said before the answer goes before it; a finished run keeps its answer until then.
            return match polled {
                Poll::Ready(answer) => {
                    self.running = Running::finished(answer, self.exchange.clone());
                    Poll::Ready(Step::Message(message))
                }
                Poll::Pending => Poll::Ready(Step::Message(message)),
            };
        }
        match polled {
            Poll::Ready(Some(answer)) => Poll::Ready(Step::Answer(answer)),
            Poll::Ready(None) => Poll::Ready(Step::Nothing),
            Poll::Pending => self.exchange.poll_message(cx).map(Step::Message),
        }
    }
}

impl Endpoint {
    /// Serves a request until it is known what kind of answer it has.
    pub(super) async fn answer(&self, mut serving: Serving) -> Response {
        let mut silence: Option<Pin<Box<Sleep>>> = None;
        let mut end = self.end_of(&serving);
        let first = poll_fn(|cx| {
            if let Poll::Ready(step) = serving.poll_step(cx) {
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
            Some(Step::Message(message)) => Some(message),
            Some(Step::Nothing) => return stream(Body::empty()),
            None => None,
        };
        stream(Body::new(Events::new(self.clone(), serving, first, end)))
    }

    /// Serves what is a stream from the beginning, and answers nothing.
    pub(super) fn unasked(&self, serving: Serving) -> Response {
        let end = self.end_of(&serving);
        stream(Body::new(Events::new(self.clone(), serving, None, end)))
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
        json(status, self.0.renderer.response(id, answer, serving.revision))
    }
}

/// Why a request ends before its answer.
#[derive(Clone, Copy)]
enum Ended {
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
struct End {
    stopping: watch::Receiver<Stopping>,
    expires_at: Option<Instant>,
    exchange: Exchange,
    ended: Option<Pin<Box<dyn Future<Output = Ended> + Send>>>,
}

impl End {
    /// Made only for requests that wait.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let ended = self.ended.get_or_insert_with(|| {
            Box::pin(ended(self.stopping.clone(), self.expires_at, self.exchange.clone()))
        });
        ended.as_mut().poll(cx)
    }
}

/// A request that lasts is told to end well, and may say a last word: when the server begins to stop, and when the
/// caller's proof expires. Any other goes on while the server only begins to stop.
async fn ended(
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
        reached(&mut stopping, |stopping| *stopping != Stopping::No).await;
        exchange.conclude(Ended::Stopped.why());
        reached(&mut stopping, |stopping| *stopping == Stopping::Now).await;
    };
    tokio::select! {
        () = stopped => Ended::Stopped,
        () = expired => Ended::Expired,
    }
}

/// Waits until the end of the server has come so far; for ever where nobody tells.
async fn reached(stopping: &mut watch::Receiver<Stopping>, far: impl FnMut(&Stopping) -> bool) {
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
    keep_alive: Pin<Box<Sleep>>,
}

impl Events {
    fn new(endpoint: Endpoint, serving: Serving, first: Option<Bytes>, end: End) -> Self {
        let keep_alive = Box::pin(sleep(endpoint.0.options.keep_alive));
        Self { endpoint, serving: Some(serving), first, end, keep_alive }
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
        if let Poll::Ready(step) = serving.poll_step(cx) {
            return Poll::Ready(match step {
                Step::Message(message) => Some(event(&message)),
                Step::Answer(answer) => self.last(answer),
                Step::Nothing => {
                    self.serving = None;
                    None
                }
            });
        }
        if let Poll::Ready(ended) = self.end.poll(cx) {
            serving.running.cancel();
            return Poll::Ready(self.last(ended.into()));
        }
        self.poll_keep_alive(cx).map(Some)
    }

    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        std::task::ready!(self.keep_alive.as_mut().poll(cx));
        let next = tokio::time::Instant::now() + self.endpoint.0.options.keep_alive;
        self.keep_alive.as_mut().reset(next);
        cx.waker().wake_by_ref(); // the timer must be polled again to be registered
        Poll::Ready(Bytes::from_static(b":\n\n"))
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn event(message: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(message.len() + 24);
    event.extend_from_slice(b"event: message\ndata: ");
    event.extend_from_slice(message);
    event.extend_from_slice(b"\n\n");
    event.freeze()
}

fn stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A whole JSON answer.
pub(super) fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
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
