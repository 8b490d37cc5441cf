//! One stream: its latest events, who writes it, who reads it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use super::{MAX_BYTES, MAX_EVENTS};

/// One stream. It has one writer, and one reader at a time: the newest.
///
/// The writer waits while its reader has not taken what is there. Without a reader it goes on, and of more than may be
/// kept the oldest events are gone.
pub(super) struct Live {
    name: Arc<str>,
    /// Whether it is written by another process, and only passed on here.
    elsewhere: bool,
    state: Mutex<State>,
    /// Woken when there is something to read.
    reader: AtomicWaker,
    /// Woken when there is room, or nobody reads any more.
    writer: AtomicWaker,
}

struct State {
    /// The number of the oldest event that is kept, or of the next one where none is.
    first: u64,
    events: VecDeque<Bytes>,
    bytes: usize,
    /// What stands in no log, said last.
    last_word: Option<Bytes>,
    ended: bool,
    /// Has the reader leave and come back.
    released: Option<Duration>,
    /// Which reader is the newest, and whether it is there.
    newest: u64,
    is_read: bool,
    /// The number of the last event that it has.
    taken: u64,
    /// The process at which the newest reader reads, and its ticket there, where it is another one.
    elsewhere: Option<Elsewhere>,
}

/// A process, and the ticket of who reads there.
pub(super) type Elsewhere = (String, u64);

/// What a stream that outgrew its bounds has lost: the numbers of these events.
pub(super) type Lost = std::ops::Range<u64>;

impl Live {
    /// A stream that is written here.
    pub(super) fn new(name: &str) -> Self {
        Self::after(name, 0, false)
    }

    /// What is passed on of a stream that another process writes, behind the event `number`.
    pub(super) fn passed_on(name: &str, number: u64) -> Self {
        Self::after(name, number, true)
    }

    fn after(name: &str, written: u64, elsewhere: bool) -> Self {
        let state = State {
            first: written + 1,
            events: VecDeque::new(),
            bytes: 0,
            last_word: None,
            ended: false,
            released: None,
            newest: 0,
            is_read: false,
            taken: written,
            elsewhere: None,
        };
        Self {
            name: name.into(),
            elsewhere,
            state: Mutex::new(state),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }

    /// The id of the event of this number.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.name)
    }

    /// Adds an event; gives its number, and those that are not kept any more.
    pub(super) fn push(&self, message: Bytes) -> (u64, Lost) {
        let mut state = self.state();
        let number = state.next();
        let before = state.first;
        state.bytes += message.len();
        state.events.push_back(message);
        while state.events.len() > MAX_EVENTS || (state.bytes > MAX_BYTES && state.events.len() > 1) {
            let oldest = state.events.pop_front().map_or(0, |oldest| oldest.len());
            state.bytes -= oldest;
            state.first += 1;
        }
        let lost = before..state.first;
        drop(state);
        self.reader.wake();
        (number, lost)
    }

    /// Says something that is no event, and ends the stream.
    pub(super) fn end_with(&self, message: Bytes) {
        self.state().last_word = Some(message);
        self.end();
    }

    /// Nothing more will be written.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.reader.wake();
        self.writer.wake();
    }

    /// Has the reader of this process leave once it has read all; gives where it reads if that is another one.
    pub(super) fn release(&self, retry: Duration) -> Option<Elsewhere> {
        let mut state = self.state();
        if state.is_read {
            state.released = Some(retry);
        }
        let elsewhere = state.elsewhere.take();
        drop(state);
        self.reader.wake();
        elsewhere
    }

    /// The newest reader, behind the event `number`, and where the one before reads if that is another process. `None` where
    /// that is no event, or one whose successor is gone.
    pub(super) fn read_after(self: &Arc<Self>, number: u64) -> Option<(Reader, Option<Elsewhere>)> {
        let mut state = self.state();
        if number + 1 < state.first || number >= state.next() {
            return None;
        }
        state.newest += 1;
        (state.is_read, state.taken, state.released) = (true, number, None);
        let (newest, before) = (state.newest, state.elsewhere.take());
        drop(state);
        self.reader.wake(); // the older one, to its end
        Some((Reader { live: Arc::clone(self), which: newest, taken: number, done: false }, before))
    }

    /// The newest reader reads at the process `by`; gives where the one before did, if that is not here.
    pub(super) fn follow(&self, by: String, ticket: u64) -> Option<Elsewhere> {
        let mut state = self.state();
        state.newest += 1;
        state.is_read = false;
        let before = state.elsewhere.replace((by, ticket));
        drop(state);
        self.reader.wake();
        self.writer.wake();
        before
    }

    /// The process at which it is read, where that is another one.
    pub(super) fn read_elsewhere(&self) -> Option<String> {
        self.state().elsewhere.as_ref().map(|(by, _)| by.clone())
    }

    /// Has the writer woken when [`Live::has_room`] may have changed.
    pub(super) fn watch(&self, cx: &Context<'_>) {
        self.writer.register(cx.waker());
    }

    /// Whether nobody is behind.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state();
        !state.is_read || state.taken + 1 >= state.next()
    }

    pub(super) fn is_read(&self) -> bool {
        self.state().is_read
    }

    /// Waits until nobody is behind; tells whether somebody reads at all.
    pub(super) async fn room(&self) -> bool {
        std::future::poll_fn(|cx| {
            self.watch(cx);
            if self.has_room() { Poll::Ready(self.is_read()) } else { Poll::Pending }
        })
        .await
    }

    /// Waits until nobody reads.
    pub(super) async fn unread(&self) {
        std::future::poll_fn(|cx| {
            self.watch(cx);
            if self.is_read() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// The number of the oldest event that is kept.
    pub(super) fn first(&self) -> u64 {
        self.state().first
    }

    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.state().next() - 1
    }

    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// What a reader has to pass on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A message, by its place in the stream.
    Event(u64, Bytes),
    /// A message that has none, and after which nothing comes.
    LastWord(Bytes),
    /// The client is to leave, and to come back after so long.
    Released(Duration),
    /// Nothing more, at least not here.
    Nothing,
}

/// Who reads a stream. Dropping it lets the writer go on alone.
pub(crate) struct Reader {
    live: Arc<Live>,
    which: u64,
    taken: u64,
    done: bool,
}

impl Reader {
    /// A reader that never was the newest: it has nothing to read.
    pub(super) fn nothing(live: &Arc<Live>) -> Self {
        Self { live: Arc::clone(live), which: u64::MAX, taken: 0, done: true }
    }

    /// The id of the event of this number.
    pub(crate) fn id(&self, number: u64) -> String {
        self.live.id(number)
    }

    /// Whether another process writes what is read here.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.live.elsewhere
    }

    /// The number of the last event that was taken.
    pub(crate) const fn taken(&self) -> u64 {
        self.taken
    }

    /// The next thing to pass on; pending while there is none.
    pub(crate) fn poll_said(&mut self, cx: &Context<'_>) -> Poll<Said> {
        if self.done {
            return Poll::Ready(Said::Nothing);
        }
        let mut state = self.live.state();
        if state.newest != self.which {
            self.done = true;
            return Poll::Ready(Said::Nothing);
        }
        self.live.reader.register(cx.waker()); // the newest alone, and before it looks
        let place = usize::try_from((self.taken + 1).saturating_sub(state.first)).unwrap_or(usize::MAX);
        if let Some(message) = state.events.get(place).cloned() {
            self.taken = state.first + place as u64;
            state.taken = self.taken;
            drop(state);
            self.live.writer.wake();
            return Poll::Ready(Said::Event(self.taken, message));
        }
        let said = if let Some(retry) = state.released.take() {
            Said::Released(retry)
        } else if !state.ended {
            return Poll::Pending;
        } else if let Some(word) = state.last_word.take() {
            Said::LastWord(word)
        } else {
            Said::Nothing
        };
        drop(state);
        self.leave();
        Poll::Ready(said)
    }

    fn leave(&mut self) {
        self.done = true;
        let mut state = self.live.state();
        if state.newest == self.which {
            state.is_read = false;
        }
        drop(state);
        self.live.writer.wake();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}
