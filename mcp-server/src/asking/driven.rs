//! Ends a handler where it asks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use super::round::Questions;
use crate::Context;

/// A handler that ends with its output, or with what it asks: then it is dropped by whoever polls it.
pub(crate) struct Driven<F> {
    run: F,
    context: Context,
}

impl<F> Driven<F> {
    pub(crate) const fn new(run: F, context: Context) -> Self {
        Self { run, context }
    }
}

impl<F: Future + Unpin> Future for Driven<F> {
    type Output = Result<F::Output, Questions>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = Pin::new(&mut self.run).poll(cx) {
            return Poll::Ready(Ok(output));
        }
        self.context.open_questions().map_or(Poll::Pending, |questions| Poll::Ready(Err(questions)))
    }
}
