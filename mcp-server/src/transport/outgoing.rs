//! The lines that wait to be written.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Reading stops while so many bytes wait.
pub(super) const MAX_WAITING_BYTES: usize = 8 << 20;

/// A queue of lines: answers always find room, and whoever reads requests waits while it is too long.
#[derive(Default)]
pub(crate) struct Outgoing {
    queue: Mutex<Queue>,
    pushed: Notify,
    written: Notify,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Bytes>,
    bytes: usize,
    closed: bool,
}

impl Outgoing {
    /// Adds a line, without its newline. After `close` it is dropped.
    pub(crate) fn push(&self, line: Bytes) {
        if self.put(line) {
            self.ring();
        }
    }

    /// As [`Outgoing::push`], for who adds several lines and then says so once, by [`Outgoing::ring`]. Whoever is writing
    /// meanwhile takes the line along.
    pub(crate) fn put(&self, line: Bytes) -> bool {
        let mut queue = self.queue();
        if queue.closed {
            return false;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        true
    }

    /// Wakes who waits for lines.
    pub(crate) fn ring(&self) {
        self.pushed.notify_waiters();
        self.pushed.notify_one();
    }

    /// Adds a line if there is one, and wakes who waits for a change in any case.
    pub(crate) fn push_some(&self, line: Option<Bytes>) {
        match line {
            Some(line) => self.push(line),
            None => self.pushed.notify_waiters(),
        }
    }

    /// The next line, if one waits.
    pub(crate) fn pop(&self) -> Option<Bytes> {
        let mut queue = self.queue();
        let line = queue.lines.pop_front()?;
        queue.bytes -= line.len();
        let room = queue.bytes < MAX_WAITING_BYTES;
        drop(queue);
        if room {
            self.written.notify_waiters();
        }
        Some(line)
    }

    /// The next line; `None` once closed and all is written.
    pub(crate) async fn next(&self) -> Option<Bytes> {
        loop {
            let pushed = self.pushed.notified();
            if let Some(line) = self.pop() {
                return Some(line);
            }
            if self.queue().closed {
                return None;
            }
            pushed.await;
        }
    }

    /// Waits until something is added; once enabled, from then on.
    pub(crate) fn pushed(&self) -> Notified<'_> {
        self.pushed.notified()
    }

    /// Waits until less than 8 MiB wait to be written.
    pub(crate) async fn has_room(&self) {
        loop {
            let written = self.written.notified();
            if self.queue().bytes < MAX_WAITING_BYTES || self.queue().closed {
                return;
            }
            written.await;
        }
    }

    /// Whether 8 MiB or more wait to be written.
    pub(crate) fn is_full(&self) -> bool {
        self.queue().bytes >= MAX_WAITING_BYTES
    }

    /// Whether it takes no more lines.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue().closed
    }

    /// Takes no more lines.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.ring();
        self.written.notify_waiters();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{MAX_WAITING_BYTES, Outgoing};

    #[tokio::test]
    async fn lines_come_out_in_order_and_the_end_after_the_last() {
        let out = Outgoing::default();
        out.push("a".into());
        out.push_some(None);
        out.push("b".into());
        out.close();
        out.push("late".into());
        assert_eq!(out.next().await.unwrap(), "a");
        assert_eq!(out.next().await.unwrap(), "b");
        assert_eq!(out.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn reading_waits_while_too_much_is_unwritten() {
        let out = Arc::new(Outgoing::default());
        out.push(vec![b'x'; MAX_WAITING_BYTES].into());
        let room = tokio::time::timeout(Duration::from_secs(1), out.has_room()).await;
        assert!(room.is_err());
        let waiter = tokio::spawn({
            let out = Arc::clone(&out);
            async move { out.has_room().await }
        });
        tokio::task::yield_now().await;
        out.pop().unwrap();
        waiter.await.unwrap();
    }
}
