//! One thread that flushes for all who wait: the way to many durable writes on an engine that buffers.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// Hands out flushes that begin after they were asked for. Its thread ends with the last handle.
#[derive(Clone, Debug)]
pub(super) struct Flusher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    replies: Vec<oneshot::Sender<()>>,
    ended: bool,
}

impl Flusher {
    pub(super) fn start(flush: impl Fn() + Send + 'static) -> Self {
        let queue = Arc::new(Queue::default());
        thread::spawn({
            let queue = Arc::clone(&queue);
            move || run(&queue, flush)
        });
        Self(Arc::new(Shared { queue }))
    }

    /// Waits for a flush that begins after this call.
    pub(super) async fn flushed(&self) {
        self.0.queue.join().await.expect("the flusher runs as long as its handles");
    }
}

impl Queue {
    fn join(&self) -> oneshot::Receiver<()> {
        let (reply, answer) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.replies.push(reply);
        if waiting.replies.len() == 1 {
            drop(waiting);
            self.wake.notify_one();
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All who wait; `None` once nobody can come any more.
    fn next(&self) -> Option<Vec<oneshot::Sender<()>>> {
        let mut waiting = self.lock();
        while waiting.replies.is_empty() {
            if waiting.ended {
                return None;
            }
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        Some(std::mem::take(&mut waiting.replies))
    }
}

fn run(queue: &Queue, flush: impl Fn()) {
    while let Some(replies) = queue.next() {
        flush();
        for reply in replies {
            let _ = reply.send(()); // whoever went away needs no answer
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.lock().ended = true;
        self.queue.wake.notify_one();
    }
}
