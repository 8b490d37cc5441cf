//! A request that is being served, and what becomes of it when nobody waits any more.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;

use crate::exchange::Exchange;
use crate::middleware::BoxFuture;

/// What happens to a run whose waiter is gone.
#[derive(Clone, Debug)]
pub(crate) enum Abandoned {
    /// It ends at its next await: 2026-07-28 over HTTP, stdio, and every explicit cancellation.
    Cancelled,
    /// It runs to its end among these, and its result is discarded: handshake revisions over HTTP.
    Detached(Alone),
}

/// Runs that go on though nobody waits for them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alone(Arc<Going>);

#[derive(Debug, Default)]
struct Going {
    count: watch::Sender<usize>,
    given_up: watch::Sender<bool>,
}

impl Alone {
    /// Waits until there is none.
    pub(crate) async fn ended(&self) {
        let _ = self.0.count.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Ends those that there are, at their next await.
    pub(crate) fn give_up(&self) {
        self.0.given_up.send_replace(true);
    }

    /// Hands `run` to the executor. When it is given up, `exchange` is cancelled.
    fn go_on<T: Send + 'static>(&self, run: BoxFuture<T>, exchange: Option<Exchange>) {
        let counted = Counted::new(self.clone());
        let mut given_up = self.0.given_up.subscribe();
        let given_up = async move {
            let _ = given_up.wait_for(|given_up| *given_up).await;
        };
        spawn(Box::pin(async move {
            tokio::select! {
                _ = run => {}
                () = given_up => exchange.iter().for_each(Exchange::cancel),
            }
            drop(counted);
        }));
    }
}

/// One of those that go on.
struct Counted(Alone);

impl Counted {
    fn new(alone: Alone) -> Self {
        alone.0.count.send_modify(|count| *count += 1);
        Self(alone)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.count.send_modify(|count| *count -= 1);
    }
}

/// A future in a guard: dropping the guard cancels the run or hands it to the executor.
pub(crate) struct Running<T: Send + 'static> {
    run: Option<BoxFuture<T>>,
    begun: bool,
    exchange: Exchange,
    abandoned: Abandoned,
}

impl<T: Send + 'static> Running<T> {
    pub(crate) const fn new(run: BoxFuture<T>, exchange: Exchange, abandoned: Abandoned) -> Self {
        Self { run: Some(run), begun: false, exchange, abandoned }
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
        self.begun = true;
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
        match &self.abandoned {
            // What has not begun does not begin for nobody.
            Abandoned::Detached(alone) if self.begun => {
                self.exchange.close();
                alone.go_on(run, Some(self.exchange.clone()));
            }
            Abandoned::Cancelled | Abandoned::Detached(_) => {
                self.exchange.cancel();
                drop(run);
            }
        }
    }
}

/// A future that is not dropped half-way: whoever drops it hands the rest to the executor, among those that a server
/// which stops waits for. What has not begun is dropped like any other.
pub(crate) struct Finish<T: Send + 'static> {
    future: Option<BoxFuture<T>>,
    begun: bool,
    alone: Alone,
}

impl<T: Send + 'static> Finish<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static, alone: Alone) -> Self {
        Self { future: Some(Box::pin(future)), begun: false, alone }
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
            self.alone.go_on(future, None);
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
    use std::task::{Context, Waker};
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::{Abandoned, Alone, Deadline, Finish, Running};
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
        assert!(dropped_half_way(Abandoned::Detached(Alone::default())).await);
    }

    /// A run that sets the flag after a second, and has begun.
    fn begun(alone: &Alone, happened: &Arc<AtomicBool>) -> Running<()> {
        let effect = Arc::clone(happened);
        let work = Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            effect.store(true, Ordering::SeqCst);
        });
        let mut running = Running::new(work, Exchange::default(), Abandoned::Detached(alone.clone()));
        assert!(running.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
        running
    }

    #[tokio::test(start_paused = true)]
    async fn runs_that_go_on_alone_are_waited_for_and_can_be_given_up() {
        let (alone, happened) = (Alone::default(), Arc::new(AtomicBool::new(false)));
        alone.ended().await;
        drop(begun(&alone, &happened));
        alone.ended().await;
        assert!(happened.swap(false, Ordering::SeqCst));
        drop(begun(&alone, &happened));
        alone.give_up();
        alone.ended().await;
        assert!(!happened.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_never_began_does_not_begin_for_nobody() {
        let (alone, happened) = (Alone::default(), Arc::new(AtomicBool::new(false)));
        let effect = Arc::clone(&happened);
        let work = Box::pin(async move { effect.store(true, Ordering::SeqCst) });
        drop(Running::new(work, Exchange::default(), Abandoned::Detached(alone.clone())));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!happened.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_finish_finishes() {
        let (alone, happened) = (Alone::default(), Arc::new(AtomicBool::new(false)));
        let effect = Arc::clone(&happened);
        let work = async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            effect.store(true, Ordering::SeqCst);
        };
        let mut finish = Box::pin(Finish::new(work, alone.clone()));
        assert!(futures_util::poll!(finish.as_mut()).is_pending());
        drop(finish);
        alone.ended().await; // as whoever ends the server does
        assert!(happened.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_began_does_not_begin_because_it_is_dropped() {
        let happened = Arc::new(AtomicBool::new(false));
        let effect = Arc::clone(&happened);
        drop(Finish::new(async move { effect.store(true, Ordering::SeqCst) }, Alone::default()));
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
