//! Threads on which handlers may block. The end of a process, and of a runtime, does not wait for them; for tokio's own it
//! would, without a limit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// The threads of this process.
static THREADS: Threads = Threads { state: Mutex::new(State::new()), more: Condvar::new() };

struct Threads {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    work: VecDeque<Work>,
    threads: usize,
    /// Those that wait for work, or are being woken for it.
    idle: usize,
}

/// Runs `work` on a thread, within the runtime of the caller. What nobody waits for any more does not begin; what has begun
/// goes on. `None` where it panicked, or there is no thread for it.
pub(super) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, output) = oneshot::channel();
    let runtime = Handle::try_current();
    THREADS.run(Box::new(move || {
        if done.is_closed() {
            return;
        }
        let _runtime = runtime.as_ref().map(Handle::enter);
        if let Ok(output) = catch_unwind(AssertUnwindSafe(work)) {
            drop(done.send(output)); // nobody may wait for it any more
        }
    }));
    output.await.ok()
}

impl Threads {
    fn run(&'static self, work: Work) {
        let mut state = self.state();
        state.work.push_back(work);
        if state.idle >= state.work.len() {
            self.more.notify_one();
        } else {
            state.threads += 1; // whoever comes here holds a place, of which there are only so many
            drop(state);
            self.begin();
        }
    }

    fn begin(&'static self) {
        let begun = thread::Builder::new().name("larder-handler".to_owned()).spawn(|| self.serve());
        if let Err(error) = begun {
            tracing::error!(%error, "there is no thread for a handler");
            let mut state = self.state();
            state.threads -= 1;
            if state.threads == 0 {
                state.work.clear(); // nobody would ever come to it
            }
        }
    }

    fn serve(&self) {
        let mut state = self.state();
        loop {
            if let Some(work) = state.work.pop_front() {
                drop(state);
                drop(catch_unwind(AssertUnwindSafe(work))); // what it drops may panic, too
                state = self.state();
                continue;
            }
            state.idle += 1;
            let waited = self.more.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            state.idle -= 1;
            if waited.1.timed_out() && state.work.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn new() -> Self {
        Self { work: VecDeque::new(), threads: 0, idle: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use futures_util::future::join_all;

    use super::on_a_thread;

    #[tokio::test]
    async fn what_blocks_until_all_have_come_is_not_kept_waiting() {
        for _ in 0..3 {
            let all = Arc::new(Barrier::new(20));
            let waits = (0..20).map(|number| {
                let all = Arc::clone(&all);
                on_a_thread(move || {
                    all.wait();
                    number
                })
            });
            let numbers = join_all(waits).await;
            assert_eq!(numbers, (0..20).map(Some).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_panic_is_nothing_and_harms_nobody_else() {
        assert_eq!(on_a_thread(|| -> u8 { panic!("a bug") }).await, None);
        assert_eq!(on_a_thread(|| 7).await, Some(7));
    }

    #[tokio::test]
    async fn the_runtime_of_the_caller_is_at_hand() {
        let runtime = tokio::runtime::Handle::current().id();
        assert_eq!(on_a_thread(|| tokio::runtime::Handle::current().id()).await, Some(runtime));
    }
}
