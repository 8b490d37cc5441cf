//! Server-sent events (WHATWG HTML, "Server-sent events"): their bytes, the headers of a stream, and what keeps it alive.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::stream::poll_fn;
use tokio::time::{Instant, Sleep, sleep};

/// An event stream with this body.
pub(super) fn stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The body of events as `next` gives them, until that is none.
pub(super) fn events(mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<Bytes>> + Send + 'static) -> Body {
    Body::from_stream(poll_fn(move |cx| next(cx).map(|event| event.map(Ok::<_, Infallible>))))
}

/// The event that carries `message`.
pub(super) fn event(message: &[u8]) -> Bytes {
    event_with(None, None, message)
}

/// The event that carries `message`, with its id and with when to come back after a lost connection.
pub(super) fn event_with(id: Option<&str>, retry: Option<Duration>, message: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(message.len() + if id.is_some() { 80 } else { 24 });
    if let Some(id) = id {
        event.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    if let Some(retry) = retry {
        event.extend_from_slice(format!("retry: {}\n", retry.as_millis()).as_bytes());
    }
    event.extend_from_slice(b"event: message\ndata: ");
    event.extend_from_slice(message);
    event.extend_from_slice(b"\n\n");
    event.freeze()
}

/// A comment after each stretch of time, so that no proxy takes a silent stream for a dead one.
pub(super) struct KeepAlive {
    every: Duration,
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, timer: Box::pin(sleep(every)) }
    }

    /// The next comment, once it is due.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        std::task::ready!(self.timer.as_mut().poll(cx));
        self.timer.as_mut().reset(Instant::now() + self.every);
        cx.waker().wake_by_ref(); // the timer must be polled again to be registered
        Poll::Ready(Bytes::from_static(b":\n\n"))
    }
}
