//! What one request and whoever serves it share: the outbox, the cancellation, and values of this request alone.

mod pace;

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use self::pace::Pace;
#[cfg(test)]
pub(crate) use self::pace::{AT_ONCE, PER_SECOND};
use crate::places::Place;
use crate::protocol::ProgressToken;

/// A value that lives as long as its request.
pub(crate) type Local = Arc<dyn Any + Send + Sync>;

/// The bounded way of notifications to the client, and what else belongs to one request. Cheap to clone.
///
/// At most 64 messages or 256 KiB wait: progress overwrites the unsent one of its token, log messages beyond are
/// dropped and counted.
#[derive(Clone, Default)]
pub(crate) struct Exchange(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Whose client gets what is said here, and whose values these are: a shared run belongs to who began it.
    begun_by: Option<Exchange>,
    queue: Mutex<Queue>,
    reader: AtomicWaker,
    /// Rung when a message was taken out.
    room: Notify,
    cancelled: AtomicBool,
    /// Whether the client was asked something on its own stream: the answer rests on what it said.
    asked: AtomicBool,
    /// Whether it has no answer of its own accord, but only once it is concluded.
    lasting: AtomicBool,
    /// Whether its client can come back on another connection, perhaps to another process.
    resumable: AtomicBool,
    /// Why it is to end well, once it is.
    concluded: OnceLock<&'static str>,
    /// Wakes the handler's side: cancelled, concluded, or on what lasts read to the last message.
    told: Notify,
    locals: Mutex<Option<HashMap<String, Local>>>,
    /// Among the requests at work, while some part of this one holds it.
    place: Mutex<Weak<Place>>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    dropped: u64,
    closed: bool,
    progress: Option<f64>,
    pace: Pace,
    /// The client is to leave, and to come back after so long.
    released: Option<Duration>,
}

struct Item {
    token: Option<ProgressToken>,
    message: Bytes,
}

pub(crate) const MAX_MESSAGES: usize = 64;
pub(crate) const MAX_BYTES: usize = 256 << 10;

impl Exchange {
    /// For a run that others may wait for too: what it says goes to this request, and a cancellation of this request
    /// does not reach it.
    pub(crate) fn shared(&self) -> Self {
        Self(Arc::new(Inner { begun_by: Some(self.clone()), ..Inner::default() }))
    }

    /// Where notifications go and values are.
    fn first(&self) -> &Self {
        self.0.begun_by.as_ref().map_or(self, Self::first)
    }

    /// Puts a progress notification, in place of an unsent one of the same token.
    pub(crate) fn progress(&self, token: &ProgressToken, message: Bytes) {
        let this = self.first();
        let mut queue = this.queue();
        if queue.closed {
            return;
        }
        let unsent = queue.items.iter_mut().find(|item| item.token.as_ref() == Some(token));
        if let Some(item) = unsent {
            let before = std::mem::replace(&mut item.message, message).len();
            let after = item.message.len();
            queue.bytes = queue.bytes + after - before;
        } else {
            queue.push(Item { token: Some(token.clone()), message });
        }
        drop(queue);
        this.0.reader.wake();
    }

    /// Whether `progress` is to be told: beyond all that was told before, and not too soon after it, unless it is the
    /// last. Remembers it if so.
    pub(crate) fn advances(&self, progress: f64, is_last: bool) -> bool {
        let mut queue = self.first().queue();
        let advances = progress.is_finite()
            && queue.progress.is_none_or(|before| progress > before)
            && queue.pace.allows(is_last);
        if advances {
            queue.progress = Some(progress);
        }
        advances
    }

    /// Puts any other notification; drops and counts it where the client reads too slowly.
    pub(crate) fn notify(&self, message: Bytes) {
        let this = self.first();
        let mut queue = this.queue();
        if queue.closed {
            return;
        }
        queue.push(Item { token: None, message });
        drop(queue);
        this.0.reader.wake();
    }

    /// Puts a message that must arrive, once there is room for it; `false` where nobody reads any more.
    pub(crate) async fn send(&self, message: Bytes) -> bool {
        let this = self.first();
        loop {
            let room = this.0.room.notified();
            tokio::pin!(room);
            room.as_mut().enable(); // a message may be taken between the look and the wait
            {
                let mut queue = this.queue();
                if queue.closed {
                    return false;
                }
                // A larger one than all that may wait goes alone.
                if queue.items.is_empty() || queue.has_room_for(&message) {
                    queue.put(Item { token: None, message });
                    break;
                }
            }
            room.await;
        }
        this.0.reader.wake();
        true
    }

    /// Lets whoever serves the request look at it again.
    pub(crate) fn wake(&self) {
        self.first().0.reader.wake();
    }

    /// The client can come back on another connection, perhaps to another process.
    pub(crate) fn make_resumable(&self) {
        self.0.resumable.store(true, Ordering::Release);
    }

    pub(crate) fn is_resumable(&self) -> bool {
        self.first().0.resumable.load(Ordering::Acquire)
    }

    /// Has the client leave once it has what was said, and come back after `retry`; tells whether it can.
    pub(crate) fn release(&self, retry: Duration) -> bool {
        let this = self.first();
        let mut queue = this.queue();
        if queue.closed || !this.is_resumable() {
            return false;
        }
        queue.released = Some(retry);
        drop(queue);
        this.0.reader.wake();
        true
    }

    /// After how long the client is to come back, if it is to leave now.
    pub(crate) fn take_release(&self) -> Option<Duration> {
        let mut queue = self.queue();
        if queue.items.is_empty() { queue.released.take() } else { None }
    }

    /// Remembers that the client was asked something.
    pub(crate) fn mark_asked(&self) {
        self.first().0.asked.store(true, Ordering::Release);
    }

    /// Whether the client was asked something.
    pub(crate) fn has_asked(&self) -> bool {
        self.first().0.asked.load(Ordering::Acquire)
    }

    /// Makes this a request that lasts: it says things until it is concluded.
    pub(crate) fn last(&self) {
        self.first().0.lasting.store(true, Ordering::Release);
    }

    /// Puts a message that must not be lost, once all before it were taken: until then what there is to say is still
    /// free to change. Only on what lasts.
    pub(crate) async fn deliver(&self, message: Bytes) {
        let this = self.first();
        this.until(|exchange| exchange.queue().items.is_empty() || exchange.is_cancelled()).await;
        this.say(message);
    }

    /// Puts a message that must not be lost and is one of a few, however much waits.
    pub(crate) fn say(&self, message: Bytes) {
        let this = self.first();
        let mut queue = this.queue();
        if queue.closed {
            return;
        }
        queue.put(Item { token: None, message });
        drop(queue);
        this.0.reader.wake();
    }

    /// Tells a request that lasts to end well, and why; tells whether it is one.
    pub(crate) fn conclude(&self, why: &'static str) -> bool {
        if self.0.concluded.set(why).is_ok() {
            self.0.told.notify_waiters();
        }
        self.0.lasting.load(Ordering::Acquire)
    }

    /// Waits until the request is to end well; gives the reason.
    pub(crate) async fn concluded(&self) -> &'static str {
        let this = self.first();
        this.until(|exchange| exchange.0.concluded.get().is_some()).await;
        this.0.concluded.get().copied().unwrap_or_default()
    }

    /// Has whoever sends woken by what is said from now on.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        self.0.reader.register(cx.waker());
    }

    /// The next message to send; pending while there is none.
    pub(crate) fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        self.watch(cx);
        self.pop().map_or(Poll::Pending, Poll::Ready)
    }

    /// The next message to send, if one waits.
    pub(crate) fn pop(&self) -> Option<Bytes> {
        let mut queue = self.queue();
        let item = queue.items.pop_front()?;
        queue.bytes -= item.message.len();
        let all = queue.items.is_empty();
        drop(queue);
        self.0.room.notify_waiters();
        if all && self.0.lasting.load(Ordering::Acquire) {
            self.0.told.notify_waiters();
        }
        Some(item.message)
    }

    /// Takes no more messages: after the answer, or where nobody reads. What waits is still there to be sent.
    pub(crate) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        let dropped = queue.dropped;
        drop(queue);
        self.0.room.notify_waiters();
        if dropped > 0 {
            tracing::debug!(dropped, "the client read too slowly: messages of this request were dropped");
        }
    }

    /// Tells the handler that nobody waits for its answer any more, and sends nothing further.
    pub(crate) fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        let mut queue = self.queue();
        queue.closed = true;
        queue.items.clear();
        queue.bytes = 0;
        drop(queue);
        self.0.room.notify_waiters();
        self.0.reader.wake();
        self.0.told.notify_waiters();
    }

    /// Whether both are of one request.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the request was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Waits until the request is cancelled.
    pub(crate) async fn cancelled(&self) {
        self.until(Self::is_cancelled).await;
    }

    async fn until(&self, happened: impl Fn(&Self) -> bool) {
        loop {
            let told = self.0.told.notified();
            tokio::pin!(told);
            told.as_mut().enable(); // it may happen between the look and the wait
            if happened(self) {
                return;
            }
            told.await;
        }
    }

    /// The value of this request under `key`.
    pub(crate) fn local(&self, key: &str) -> Option<Local> {
        self.locals().as_ref()?.get(key).cloned()
    }

    /// Keeps a value for this request.
    pub(crate) fn set_local(&self, key: &str, value: Local) {
        self.locals().get_or_insert_default().insert(key.to_owned(), value);
    }

    /// Forgets a value of this request; tells whether there was one.
    pub(crate) fn remove_local(&self, key: &str) -> bool {
        self.locals().as_mut().is_some_and(|locals| locals.remove(key).is_some())
    }

    /// The place of this request; `take` gets it one where no part of it holds one.
    pub(crate) fn place<E>(&self, take: impl FnOnce() -> Result<Place, E>) -> Result<Arc<Place>, E> {
        let mut known = self.first().0.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.upgrade() {
            return Ok(place);
        }
        let place = Arc::new(take()?);
        *known = Arc::downgrade(&place);
        Ok(place)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locals(&self) -> MutexGuard<'_, Option<HashMap<String, Local>>> {
        self.first().0.locals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn has_room_for(&self, message: &Bytes) -> bool {
        self.items.len() < MAX_MESSAGES && self.bytes + message.len() <= MAX_BYTES
    }

    fn push(&mut self, item: Item) {
        if !self.has_room_for(&item.message) {
            self.dropped += 1;
            return;
        }
        self.put(item);
    }

    fn put(&mut self, item: Item) {
        self.bytes += item.message.len();
        self.items.push_back(item);
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Exchange, MAX_BYTES, MAX_MESSAGES};
    use crate::protocol::{Json, ProgressToken};

    fn token(text: &'static str) -> ProgressToken {
        ProgressToken::new(&Json::parse(text.into()).unwrap()).unwrap()
    }

    #[test]
    fn progress_overwrites_the_unsent_one_of_its_token_only() {
        let exchange = Exchange::default();
        exchange.progress(&token("1"), "a".into());
        exchange.progress(&token("2"), "b".into());
        exchange.progress(&token("1"), "ccc".into());
        assert_eq!(exchange.pop().unwrap(), "ccc");
        assert_eq!(exchange.pop().unwrap(), "b");
        assert_eq!(exchange.pop(), None);
    }

    #[test]
    fn messages_beyond_the_bound_are_dropped_and_counted() {
        let exchange = Exchange::default();
        for _ in 0..MAX_MESSAGES + 3 {
            exchange.notify("x".into());
        }
        assert_eq!(exchange.queue().dropped, 3);
    }

    #[test]
    fn messages_that_wait_have_256_kib_together() {
        let exchange = Exchange::default();
        let waiting = || exchange.queue().bytes;
        exchange.notify(vec![b'x'; MAX_BYTES - 1].into());
        exchange.notify("x".into());
        assert_eq!(waiting(), 256 << 10);
        exchange.notify("x".into());
        assert_eq!(waiting(), 256 << 10);
        assert_eq!(exchange.queue().dropped, 1);
        assert_eq!(exchange.pop().unwrap().len(), MAX_BYTES - 1);
        exchange.notify("x".into());
        assert_eq!(waiting(), 2, "there is room again");
    }

    #[test]
    fn nothing_is_taken_after_the_answer_and_nothing_sent_after_a_cancellation() {
        let exchange = Exchange::default();
        exchange.notify("before".into());
        exchange.close();
        exchange.notify("after".into());
        assert_eq!(exchange.pop().unwrap(), "before");
        assert_eq!(exchange.pop(), None);
        let exchange = Exchange::default();
        exchange.notify("before".into());
        exchange.cancel();
        assert_eq!(exchange.pop(), None);
        assert!(exchange.is_cancelled());
    }

    #[test]
    fn a_client_that_can_come_back_is_released_once_it_has_what_was_said() {
        let (retry, exchange) = (Duration::from_millis(7), Exchange::default());
        assert!(!exchange.release(retry), "it cannot come back");
        assert_eq!(exchange.take_release(), None);
        exchange.make_resumable();
        exchange.notify("before".into());
        assert!(exchange.shared().release(retry), "a shared run belongs to who began it");
        assert_eq!(exchange.take_release(), None);
        exchange.pop().unwrap();
        assert_eq!((exchange.take_release(), exchange.take_release()), (Some(retry), None));
        exchange.close();
        assert!(!exchange.release(retry), "it has its answer");
    }

    #[tokio::test]
    async fn what_lasts_waits_for_its_reader_with_each_message_and_says_it_whole() {
        let exchange = Exchange::default();
        exchange.last();
        exchange.deliver(vec![b'x'; 300 << 10].into()).await; // longer than a queue may be
        let mut second = Box::pin(exchange.deliver("second".into()));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert_eq!(exchange.pop().unwrap().len(), 300 << 10);
        assert!(futures_util::poll!(second.as_mut()).is_ready());
        assert_eq!(exchange.pop().unwrap(), "second");
    }

    #[tokio::test]
    async fn only_what_lasts_is_concluded_and_it_is_told_the_first_reason() {
        let exchange = Exchange::default();
        assert!(!exchange.conclude("early"));
        exchange.last();
        assert_eq!(exchange.concluded().await, "early", "it had not begun to last yet");
        let exchange = Exchange::default();
        exchange.last();
        let waiter = tokio::spawn({
            let exchange = exchange.clone();
            async move { exchange.concluded().await }
        });
        tokio::task::yield_now().await;
        assert!(exchange.conclude("first") && exchange.conclude("second"));
        assert_eq!(waiter.await.unwrap(), "first");
        assert_eq!(exchange.concluded().await, "first");
    }

    #[tokio::test]
    async fn a_cancellation_wakes_who_waits_and_who_comes_later() {
        let exchange = Exchange::default();
        let waiter = tokio::spawn({
            let exchange = exchange.clone();
            async move { exchange.cancelled().await }
        });
        tokio::task::yield_now().await;
        exchange.cancel();
        waiter.await.unwrap();
        exchange.cancelled().await;
    }
}
