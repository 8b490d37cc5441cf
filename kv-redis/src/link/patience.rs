//! How long an answer is waited for.

use std::fmt;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a deadline is that no clock can show.
const FAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A timer for one request after the other. It is set again when it runs out, and not for each request: nearly all are
/// answered long before, and to set and clear a timer costs more than all else that is done here for a request.
#[derive(Default)]
pub(super) struct Patience(Option<(runtime::Id, Pin<Box<Sleep>>)>);

impl Patience {
    /// What `future` comes to; `None` once so much time has passed.
    pub(super) async fn within<F: Future>(
        &mut self,
        time: Duration,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        let now = Instant::now();
        let deadline = now.checked_add(time).unwrap_or(now + FAR);
        let timer = self.timer(deadline);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            loop {
                ready!(timer.as_mut().poll(cx));
                if timer.deadline() >= deadline {
                    return Poll::Ready(None);
                }
                timer.as_mut().reset(deadline); // it was set for an earlier request
            }
        })
        .await
    }

    /// A timer of this executor, since another one may stand still, that runs out at `deadline` or before.
    fn timer(&mut self, deadline: Instant) -> &mut Pin<Box<Sleep>> {
        let here = Handle::current().id();
        let fits = |(there, timer): &(_, Pin<Box<Sleep>>)| *there == here && timer.deadline() <= deadline;
        if !self.0.as_ref().is_some_and(fits) {
            self.0 = None;
        }
        let (_, timer) = self.0.get_or_insert_with(|| (here, Box::pin(sleep_until(deadline))));
        timer
    }
}

/// A clone has a timer of its own.
impl Clone for Patience {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Patience").field(&self.0.as_ref().map(|(_, timer)| timer.deadline())).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};
    use tokio::time::{Instant, sleep};

    use super::Patience;

    const TIMES: [Duration; 5] = [
        Duration::from_secs(3),
        Duration::from_secs(3),
        Duration::from_secs(1),
        Duration::from_secs(10_000),
        Duration::MAX,
    ];

    fn executor() -> Runtime {
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_has_its_own_time_whatever_was_asked_before() {
        for earlier in TIMES {
            for time in &TIMES[..4] {
                let mut patience = Patience::default();
                assert_eq!(patience.within(earlier, pin!(ready(1))).await, Some(1));
                sleep(Duration::from_secs(2)).await;
                let begun = Instant::now();
                assert_eq!(patience.within(*time, pin!(pending::<()>())).await, None);
                assert_eq!(begun.elapsed().as_millis(), time.as_millis(), "after one of {earlier:?}");
                assert_eq!(patience.within(*time, pin!(ready(2))).await, Some(2));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_answered_in_time_gets_the_answer_though_an_older_timer_runs_out() {
        let mut patience = Patience::default();
        assert_eq!(patience.within(Duration::from_secs(1), pin!(ready(()))).await, Some(()));
        sleep(Duration::from_millis(500)).await;
        let late = pin!(sleep(Duration::from_millis(900)));
        assert_eq!(patience.within(Duration::from_secs(1), late).await, Some(()));
    }

    #[test]
    fn time_passes_for_who_waits_where_another_executor_stands_still() {
        let (first, second) = (executor(), executor());
        let mut patience = Patience::default();
        let second_long = Duration::from_secs(1);
        assert_eq!(first.block_on(patience.within(second_long, pin!(ready(1)))), Some(1));
        assert_eq!(second.block_on(patience.within(second_long, pin!(pending::<()>()))), None);
    }
}
