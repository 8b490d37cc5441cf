//! The one thread that makes writes durable, and the queue before it.
//!
//! A write waits for a flush that began after it. While one flush is under way others gather, and the next covers
//! them all. Writes that are queued to be done (batches, large values, all of redb's) are done here, in order.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::Result;

/// At most so many writes in one commit.
pub(super) const GROUP: usize = 512;

/// What each write of a job did; the outer error concerns all.
pub(super) type Answer<D> = Result<Vec<Result<D>>>;

/// What waits for the thread: writes `W`, each of which does `D`.
#[derive(Debug)]
pub(super) struct Queue<W, D> {
    state: Mutex<State<W, D>>,
    wake: Condvar,
    /// Jobs whose writes are not done yet, queued or under way.
    undone: AtomicUsize,
}

#[derive(Debug)]
struct State<W, D> {
    jobs: VecDeque<Job<W, D>>,
    /// Who waits for the commit that is under way, and for how many of its writes.
    under_way: Vec<(usize, Reply<D>)>,
    stopped: bool,
}

type Reply<D> = oneshot::Sender<Answer<D>>;

/// Writes to be done (none: they were done before) and made durable.
#[derive(Debug)]
struct Job<W, D> {
    ops: Vec<W>,
    reply: Reply<D>,
}

impl<W, D> Default for Queue<W, D> {
    fn default() -> Self {
        let state = State { jobs: VecDeque::new(), under_way: Vec::new(), stopped: false };
        Self { state: Mutex::new(state), wake: Condvar::new(), undone: AtomicUsize::new(0) }
    }
}

impl<W, D> Queue<W, D> {
    /// Whether a write that is done at once overtakes none that was queued before it.
    pub(super) fn is_clear(&self) -> bool {
        self.undone.load(Ordering::SeqCst) == 0
    }

    /// Queues these writes, at most [`GROUP`]; none waits for a flush that begins after this call.
    ///
    /// Once stopped, the answer never comes: its sender is gone.
    pub(super) fn push(&self, ops: Vec<W>) -> oneshot::Receiver<Answer<D>> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.state();
        if !state.stopped {
            self.undone.fetch_add(usize::from(!ops.is_empty()), Ordering::SeqCst);
            state.jobs.push_back(Job { ops, reply });
            if state.jobs.len() == 1 {
                drop(state);
                self.wake.notify_one();
            }
        }
        answer
    }

    /// The thread: one `commit` for all that came meanwhile, until stopped, and then until nothing is left.
    pub(super) fn run(&self, commit: impl Fn(&[W]) -> Answer<D>) {
        while let Some(ops) = self.next() {
            let answer = commit(&ops);
            let waiting = mem::take(&mut self.state().under_way);
            let done = waiting.iter().filter(|(writes, _)| *writes > 0).count();
            self.undone.fetch_sub(done, Ordering::SeqCst);
            hand_out(answer, waiting);
        }
    }

    /// Stops, and lets go of all who wait: the commit that is under way may never end. Their answers never come.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.jobs.clear();
        state.under_way.clear();
        drop(state);
        self.wake.notify_all();
    }

    /// Lets the thread end once all is done.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.wake.notify_all();
    }

    /// The writes of all that came meanwhile, within bounds; `None` once stopped and empty.
    fn next(&self) -> Option<Vec<W>> {
        let mut state = self.state();
        while state.jobs.is_empty() {
            if state.stopped {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut ops = Vec::new();
        while let Some(job) = state.jobs.pop_front() {
            if !ops.is_empty() && ops.len() + job.ops.len() > GROUP {
                state.jobs.push_front(job);
                break;
            }
            state.under_way.push((job.ops.len(), job.reply));
            ops.extend(job.ops);
        }
        Some(ops)
    }

    fn state(&self) -> MutexGuard<'_, State<W, D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands each who waits its part.
fn hand_out<D>(answer: Answer<D>, waiting: Vec<(usize, Reply<D>)>) {
    let mut applied = answer.map(Vec::into_iter);
    for (writes, reply) in waiting {
        let part = match &mut applied {
            Ok(applied) => Ok(applied.take(writes).collect()),
            Err(e) => Err(e.clone()),
        };
        drop(reply.send(part)); // nobody waits for a dropped write
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};
    use std::thread;

    use super::{Answer, GROUP, Queue};

    fn writes(count: usize) -> Vec<usize> {
        (0..count).collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands in for a commit")]
    fn done(writes: &[usize]) -> Answer<usize> {
        Ok(writes.iter().map(|write| Ok(*write)).collect())
    }

    #[test]
    fn all_that_waits_is_covered_by_one_commit_of_a_bounded_size() {
        let queue = Queue::<usize, usize>::default();
        let waiting: Vec<_> =
            [0, 300, 0, 212, 1, 0].map(|writes| (writes, queue.push(self::writes(writes)))).into();
        assert!(!queue.is_clear());
        queue.stop();
        let sizes = std::sync::Mutex::new(Vec::new());
        queue.run(|writes: &[usize]| {
            sizes.lock().unwrap().push(writes.len());
            done(writes)
        });
        assert_eq!(*sizes.lock().unwrap(), [GROUP, 1]);
        for (writes, answer) in waiting {
            assert_eq!(answer.blocking_recv().unwrap().unwrap().len(), writes);
        }
        assert!(queue.is_clear());
    }

    #[test]
    fn a_flush_that_was_under_way_covers_nobody_who_came_meanwhile() {
        let (queue, commits) = (Arc::new(Queue::<usize, usize>::default()), Arc::new(AtomicUsize::new(0)));
        let under_way = Arc::new(Barrier::new(2));
        let thread = thread::spawn({
            let (queue, commits, under_way) =
                (Arc::clone(&queue), Arc::clone(&commits), Arc::clone(&under_way));
            move || {
                queue.run(|writes: &[usize]| {
                    if commits.fetch_add(1, Ordering::SeqCst) == 0 {
                        under_way.wait();
                        under_way.wait();
                    }
                    done(writes)
                });
            }
        });
        let first = queue.push(Vec::new());
        under_way.wait();
        let second = queue.push(Vec::new());
        under_way.wait();
        first.blocking_recv().unwrap().unwrap();
        second.blocking_recv().unwrap().unwrap();
        assert_eq!(commits.load(Ordering::SeqCst), 2);
        queue.stop();
        thread.join().unwrap();
    }

    #[test]
    fn given_up_it_lets_go_of_all_though_a_commit_never_ends() {
        let (queue, under_way) = (Arc::new(Queue::<usize, usize>::default()), Arc::new(Barrier::new(2)));
        let thread = thread::spawn({
            let (queue, under_way) = (Arc::clone(&queue), Arc::clone(&under_way));
            move || {
                queue.run(|writes: &[usize]| {
                    under_way.wait();
                    under_way.wait();
                    done(writes)
                });
            }
        });
        let first = queue.push(writes(1));
        under_way.wait();
        let second = queue.push(writes(1));
        queue.give_up();
        assert!(first.blocking_recv().is_err() && second.blocking_recv().is_err());
        assert!(queue.push(writes(1)).blocking_recv().is_err());
        under_way.wait();
        thread.join().unwrap();
    }

    #[test]
    fn once_stopped_nothing_is_taken_in() {
        let queue = Queue::<usize, usize>::default();
        queue.stop();
        assert!(queue.push(writes(1)).blocking_recv().is_err());
        assert!(queue.is_clear());
    }
}
