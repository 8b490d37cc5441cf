//! The body of an answer on its way through the proxy.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::proxy::Shared;
use super::seen::Outcome;

/// Ends when the answer is to be cut.
pub(super) type Cut = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a replica says, until it ends, breaks or is cut; the proxy is told which.
pub(crate) struct Passing(Option<Open>);

struct Open {
    body: Incoming,
    cut: Cut,
    shared: Arc<Shared>,
    number: usize,
}

impl Passing {
    /// No body.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    pub(super) fn new(body: Incoming, cut: Cut, shared: Arc<Shared>, number: usize) -> Self {
        Self(Some(Open { body, cut, shared, number }))
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(open) = &mut self.0 else { return Poll::Ready(None) };
        if open.cut.as_mut().poll(cx).is_ready() {
            open.shared.end(open.number, Outcome::Cut);
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionReset))));
        }
        let Poll::Ready(frame) = Pin::new(&mut open.body).poll_frame(cx) else { return Poll::Pending };
        match &frame {
            Some(Ok(_)) => open.shared.passed(open.number),
            Some(Err(_)) => open.shared.end(open.number, Outcome::Lost),
            None => open.shared.end(open.number, Outcome::Ended),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|open| open.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |open| open.body.size_hint())
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let Some(open) = &self.0 else { return };
        let whole = open.body.is_end_stream();
        open.shared.end(open.number, if whole { Outcome::Ended } else { Outcome::Left });
    }
}
