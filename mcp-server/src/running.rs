//! A request that is being served, and what becomes of it when nobody waits any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::exchange::Exchange;
use crate::middleware::BoxFuture;

/// What happens to a run whose waiter is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It ends at its next await: 2026-07-28 over HTTP, stdio, and every explicit cancellation.
    Cancelled,
    /// It runs to its end, and its result is discarded: handshake revisions over HTTP.
    Detached,
}

/// A future in a guard: dropping the guard cancels the run or hands it to the executor.
pub(crate) struct Running<T: Send + 'static> {
    run: Option<BoxFuture<T>>,
    exchange: Exchange,
    abandoned: Abandoned,
}

impl<T: Send + 'static> Running<T> {
    pub(crate) const fn new(run: BoxFuture<T>, exchange: Exchange, abandoned: Abandoned) -> Self {
        Self { run: Some(run), exchange, abandoned }
    }

    /// A run that has its output already.
    pub(crate) fn finished(output: T, exchange: Exchange) -> Self {
        Self::new(Box::pin(std::future::ready(output)), exchange, Abandoned::Cancelled)
    }

    /// Cancels the run, whatever would happen on drop.
    pub(crate) fn cancel(&mut self) {
        if self.run.is_some() {
            self.exchange.cancel();
            self.run = None;
        }
    }
}

impl<T: Send + 'static> Future for Running<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(run) = self.run.as_mut() else { return Poll::Pending }; // cancelled: never answers
        let output = std::task::ready!(run.as_mut().poll(cx));
        self.run = None;
        self.exchange.close();
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for Running<T> {
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        match self.abandoned {
            Abandoned::Cancelled => {
                self.exchange.cancel();
                drop(run);
            }
            Abandoned::Detached => {
                self.exchange.close();
                spawn(run);
            }
        }
    }
}

/// A future that is not dropped half-way: whoever drops it hands the rest to the executor. What has not begun is
/// dropped like any other.
pub(crate) struct Finish<T: Send + 'static> {
    future: Option<BoxFuture<T>>,
    begun: bool,
}

impl<T: Send + 'static> Finish<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Some(Box::pin(future)), begun: false }
    }
}

impl<T: Send + 'static> Future for Finish<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        let Some(future) = self.future.as_mut() else { return Poll::Pending };
        let output = std::task::ready!(future.as_mut().poll(cx));
        self.future = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for Finish<T> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take().filter(|_| self.begun) {
            spawn(future);
        }
    }
}

/// A future with a deadline, whose timer is made only once it turns out to wait.
pub(crate) struct Deadline<F> {
    future: F,
    after: Duration,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// The deadline has passed.
#[derive(Debug)]
pub(crate) struct Elapsed;

impl<F> Deadline<F> {
    pub(crate) const fn new(future: F, after: Duration) -> Self {
        Self { future, after, timer: None }
    }
}

impl<F: Future + Unpin> Future for Deadline<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = Pin::new(&mut self.future).poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let after = self.after;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
        timer.as_mut().poll(cx).map(|()| Err(Elapsed))
    }
}

/// Hands `future` to the executor; without one (the process is ending) it is dropped.
fn spawn<T: Send + 'static>(future: BoxFuture<T>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { drop(future.await) });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::{Abandoned, Deadline, Finish, Running};
    use crate::exchange::Exchange;

    async fn dropped_half_way(abandoned: Abandoned) -> bool {
        let happened = Arc::new(AtomicBool::new(false));
        let effect = Arc::clone(&happened);
        let work = Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            effect.store(true, Ordering::SeqCst);
        });
        let mut running = Box::pin(Running::new(work, Exchange::default(), abandoned));
        assert!(futures_util::poll!(running.as_mut()).is_pending());
        drop(running);
        tokio::time::sleep(Duration::from_secs(10)).await;
        happened.load(Ordering::SeqCst)
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_run_ends_or_goes_on_as_its_revision_says() {
        assert!(!dropped_half_way(Abandoned::Cancelled).await);
        assert!(dropped_half_way(Abandoned::Detached).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_finish_finishes() {
        let happened = Arc::new(AtomicBool::new(false));
        let effect = Arc::clone(&happened);
        let mut finish = Box::pin(Finish::new(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            effect.store(true, Ordering::SeqCst);
        }));
        assert!(futures_util::poll!(finish.as_mut()).is_pending());
        drop(finish);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(happened.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_began_does_not_begin_because_it_is_dropped() {
        let happened = Arc::new(AtomicBool::new(false));
        let effect = Arc::clone(&happened);
        drop(Finish::new(async move { effect.store(true, Ordering::SeqCst) }));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!happened.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_ends_what_waits_too_long() {
        let slow = Deadline::new(Box::pin(std::future::pending::<()>()), Duration::from_secs(1));
        assert!(slow.await.is_err());
        let quick = Deadline::new(Box::pin(async { 7 }), Duration::from_secs(1));
        assert_eq!(quick.await.unwrap(), 7);
    }
}
