//! How long an answer is waited for.

use std::fmt;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a deadline is that no clock can show.
const FAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Timers for longer are not kept: each holds on to the task that waited for it last.
const LONGEST: Duration = Duration::from_secs(60);

/// A timer for one request after the other. It is set again when it runs out, and not for each request: nearly all are
/// answered long before, and to set and clear a timer costs more than all else that is done here for a request. Until it runs
/// out it may wake who asked last, though for nothing.
pub(super) struct Patience {
    /// The executor of the connection. A timer of another one is not kept: that one may stand still, or end and could not be
    /// let go.
    home: runtime::Id,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// For a connection that lives on this executor.
    pub(super) fn here() -> Self {
        Self { home: Handle::current().id(), timer: None }
    }

    /// What `future` comes to; `None` once so much time has passed.
    pub(super) async fn within<F: Future>(
        &mut self,
        time: Duration,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        let now = Instant::now();
        let deadline = now.checked_add(time).unwrap_or(now + FAR);
        let mut elsewhere = None;
        let keep = time <= LONGEST && Handle::current().id() == self.home;
        let kept = if keep { &mut self.timer } else { &mut elsewhere };
        kept.take_if(|timer| timer.deadline() > deadline);
        let timer = kept.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
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
}

/// A clone has a timer of its own.
impl Clone for Patience {
    fn clone(&self) -> Self {
        Self { home: self.home, timer: None }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Patience").field(&self.timer.as_ref().map(|timer| timer.deadline())).finish()
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

    const SECOND: Duration = Duration::from_secs(1);
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
                let mut patience = Patience::here();
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
        let mut patience = Patience::here();
        assert_eq!(patience.within(Duration::from_secs(1), pin!(ready(()))).await, Some(()));
        sleep(Duration::from_millis(500)).await;
        let late = pin!(sleep(Duration::from_millis(900)));
        assert_eq!(patience.within(Duration::from_secs(1), late).await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_waited_for_in_another_task_wakes_who_waits_now() {
        let mut patience = Patience::here();
        let earlier = tokio::spawn(async move {
            let answered = patience.within(SECOND, pin!(sleep(SECOND / 2))).await;
            (answered, patience)
        });
        let (answered, mut patience) = earlier.await.unwrap();
        assert_eq!(answered, Some(()));
        assert!(patience.timer.as_ref().is_some_and(|timer| !timer.is_elapsed()), "it is kept as it is");
        let begun = Instant::now();
        assert_eq!(patience.within(SECOND, pin!(pending::<()>())).await, None);
        assert_eq!(begun.elapsed().as_millis(), 1_000);
    }

    #[test]
    fn another_executor_has_a_timer_of_its_own_and_keeps_none() {
        let (first, second) = (executor(), executor());
        let mut patience = first.block_on(async {
            let mut patience = Patience::here();
            assert_eq!(patience.within(SECOND, pin!(ready(1))).await, Some(1));
            patience
        });
        let kept = patience.timer.as_ref().map(|timer| timer.deadline());
        assert!(kept.is_some());
        assert_eq!(
            second.block_on(patience.within(SECOND, pin!(pending::<()>()))),
            None,
            "the first stands still"
        );
        assert_eq!(patience.timer.as_ref().map(|timer| timer.deadline()), kept);
    }
}
