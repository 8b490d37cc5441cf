//! The lines that wait to be written.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Reading stops while so many bytes wait.
pub(super) const MAX_WAITING_BYTES: usize = 8 << 20;

/// Whether reading may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It may.
    Free,
    /// Too much waits to be written.
    Full,
    /// Nobody takes answers any more.
    Closed,
}

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
        self.take(Queue::pop)
    }

    /// The next line; `None` once closed and all is written.
    pub(crate) async fn next(&self) -> Option<Bytes> {
        self.wait_for(Queue::pop).await
    }

    /// The lines that wait, each with its newline: as many as fit into `most` bytes, and one at least. `None` once closed
    /// and all is written.
    pub(crate) async fn next_lines(&self, most: usize) -> Option<Bytes> {
        self.wait_for(|queue| queue.pop_lines(most)).await
    }

    async fn wait_for(&self, take: impl Fn(&mut Queue) -> Option<Bytes>) -> Option<Bytes> {
        loop {
            let pushed = self.pushed.notified();
            if let Some(taken) = self.take(&take) {
                return Some(taken);
            }
            if self.is_closed() {
                return None;
            }
            pushed.await;
        }
    }

    fn take(&self, take: impl Fn(&mut Queue) -> Option<Bytes>) -> Option<Bytes> {
        let mut queue = self.queue();
        let taken = take(&mut queue)?;
        let room = queue.bytes < MAX_WAITING_BYTES;
        drop(queue);
        if room {
            self.written.notify_waiters();
        }
        Some(taken)
    }

    /// Waits until something is added; once enabled, from then on.
    pub(crate) fn pushed(&self) -> Notified<'_> {
        self.pushed.notified()
    }

    /// Waits until less than 8 MiB wait to be written.
    pub(crate) async fn has_room(&self) {
        loop {
            let written = self.written.notified();
            if self.room() != Room::Full {
                return;
            }
            written.await;
        }
    }

    /// Whether less than 8 MiB wait to be written.
    pub(crate) fn room(&self) -> Room {
        let queue = self.queue();
        match queue.bytes {
            _ if queue.closed => Room::Closed,
            ..MAX_WAITING_BYTES => Room::Free,
            _ => Room::Full,
        }
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

impl Queue {
    fn pop(&mut self) -> Option<Bytes> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }

    fn pop_lines(&mut self, most: usize) -> Option<Bytes> {
        let first = self.pop()?;
        let mut lines = BytesMut::with_capacity((self.bytes + self.lines.len() + first.len() + 1).min(most));
        let mut next = Some(first);
        while let Some(line) = next {
            lines.extend_from_slice(&line);
            lines.extend_from_slice(b"\n");
            let fits = self.lines.front().is_some_and(|line| lines.len() + line.len() < most);
            next = if fits { self.pop() } else { None };
        }
        Some(lines.freeze())
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

    #[tokio::test]
    async fn lines_are_taken_together_as_far_as_they_fit() {
        let out = Outgoing::default();
        for line in ["a", "bc", "larger than all that fits", "d"] {
            out.push(line.into());
        }
        assert_eq!(out.next_lines(5).await.unwrap(), "a\nbc\n");
        assert_eq!(out.next_lines(5).await.unwrap(), "larger than all that fits\n");
        assert_eq!(out.next_lines(5).await.unwrap(), "d\n");
        out.close();
        assert_eq!(out.next_lines(5).await, None);
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
