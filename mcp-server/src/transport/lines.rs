//! One connection that carries a message a line: stdio, its in-memory twin, and whatever joins a running server.

mod flight;
mod session;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use self::flight::{InFlight, Underway, in_flight_already};
use super::batch::{array, item};
use super::cancellation::{cancelled, is_initialized};
use super::outgoing::Outgoing;
use super::stream::GRACE;
use crate::Principal;
use crate::asking::{Initialized, Outcome};
use crate::dispatch::Dispatcher;
use crate::middleware::BoxFuture;
use crate::protocol::{Failure, Incoming, Malformed, Message, Renderer, RequestId, Revision, code, decode};
use crate::session::{Handshake, SessionId};

/// How many requests of one connection may be in flight.
pub(super) const MAX_IN_FLIGHT: usize = 1_024;

/// One connection. Lines go in by [`Connection::receive`] and come out by [`Connection::outgoing`].
pub(crate) struct Connection {
    dispatcher: Dispatcher,
    renderer: Renderer,
    principal: Principal,
    session: SessionId,
    state: Mutex<State>,
    initialized: Arc<Initialized>,
    out: Arc<Outgoing>,
}

#[derive(Default)]
struct State {
    handshake: Option<Handshake>,
    /// Whether the session of the handshake is in the store.
    begun: bool,
    /// Whether the session is told what changes: from `notifications/initialized` on.
    told: bool,
    in_flight: HashMap<RequestId, InFlight>,
    /// Answers that the executor works on and that are not among the outgoing lines yet.
    underway: usize,
}

/// The bytes of an answer, or nothing for a cancelled request.
type Answering = BoxFuture<Option<Bytes>>;

impl Connection {
    pub(crate) fn new(dispatcher: Dispatcher, principal: Principal) -> Arc<Self> {
        Arc::new(Self {
            renderer: Renderer::new(dispatcher.info()),
            dispatcher,
            principal,
            session: SessionId::random(),
            state: Mutex::default(),
            initialized: Arc::default(),
            out: Arc::default(),
        })
    }

    /// Takes one line, without its newline. Never waits for a handler; answers that are ready at once stand in
    /// [`Connection::outgoing`] when it returns.
    pub(crate) fn receive(self: &Arc<Self>, line: &Bytes) {
        self.receive_quietly(line);
        self.out.ring();
    }

    /// As [`Connection::receive`], but of answers that are ready at once nobody is told: the caller rings after all lines
    /// that it has.
    pub(crate) fn receive_quietly(self: &Arc<Self>, line: &Bytes) {
        let answer = match decode(line) {
            Ok(Message::Batch(messages)) => self.batch(&messages),
            Ok(message) => self.message(message),
            Err(malformed) => Some(self.refused(&malformed)),
        };
        if let Some(answer) = answer {
            self.write(answer);
        }
    }

    /// Answers with an error that belongs to no request.
    pub(crate) fn refuse(&self, failure: &Failure) {
        self.out.push(self.renderer.error(None, failure));
    }

    /// The lines to be written.
    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.out
    }

    /// The input has ended: waits for what is in flight, `grace` at most, then cancels the rest and closes the output. What
    /// must not stop half-way has the usual grace, whether or not anybody can be answered.
    pub(crate) async fn end(&self, grace: Duration) {
        let in_flight: Vec<_> =
            self.state().in_flight.values().map(|request| request.exchange.clone()).collect();
        for exchange in in_flight {
            exchange.conclude("the connection is ending");
        }
        self.untold();
        let latest = Instant::now() + GRACE;
        if tokio::time::timeout(grace, self.idle()).await.is_err() {
            let in_flight = std::mem::take(&mut self.state().in_flight);
            for request in in_flight.into_values() {
                request.exchange.cancel();
            }
        }
        let finished = async {
            self.idle().await; // what was cancelled has been dropped then
            self.dispatcher.finishing().ended().await;
        };
        let _ = tokio::time::timeout_at(latest, finished).await;
        self.out.close();
        let shook_hands = self.state().handshake.take().is_some();
        if shook_hands {
            self.end_session().await;
        }
    }

    /// Writes an answer that is ready at once, and hands any other to the executor, which polls it again at once: the
    /// first poll wakes nobody.
    fn write(self: &Arc<Self>, mut answer: Answering) {
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(bytes)) => drop(self.out.put(bytes)), // a closed output takes nothing
            Poll::Ready(None) => {}
            Poll::Pending => {
                let underway = Underway::new(self);
                tokio::spawn(async move { underway.0.out.push_some(answer.await) });
            }
        }
    }

    fn message(self: &Arc<Self>, message: Message) -> Option<Answering> {
        match message {
            Message::Request(incoming) => Some(self.request(incoming)),
            Message::Notification(incoming) => {
                self.notification(&incoming);
                None
            }
            Message::Response { id, outcome } => {
                if let Some(id) = id {
                    self.answered(id, outcome);
                }
                None
            }
            Message::Batch(_) => {
                Some(self.failed(None, &Failure::new(code::INVALID_REQUEST, "a batch in a batch")))
            }
        }
    }

    /// The client's answer to a question of a handler; one that nobody waits for is passed over.
    fn answered(&self, id: RequestId, outcome: Outcome) {
        let session = self.session.key(&self.principal);
        self.dispatcher.pending_questions().answered(session, id, outcome);
    }

    /// A batch: only in a session of 2025-03-26; its answers are one array.
    fn batch(self: &Arc<Self>, messages: &[Bytes]) -> Option<Answering> {
        let revision = self.state().handshake.as_ref().map(Handshake::revision);
        if revision != Some(Revision::V2025_03_26) {
            let failure = Failure::new(code::INVALID_REQUEST, "batches are served on 2025-03-26 only");
            return Some(self.failed(None, &failure));
        }
        let mut ids = HashSet::new();
        let answers = messages.iter().filter_map(|message| match item(message) {
            Ok(Message::Request(incoming)) if !ids.insert(incoming.id.clone()) => {
                Some(self.failed(incoming.id.as_ref(), &in_flight_already()))
            }
            Ok(message) => self.message(message),
            Err(malformed) => Some(self.refused(&malformed)),
        });
        let answers: Vec<Answering> = answers.collect();
        if answers.is_empty() {
            return None;
        }
        Some(Box::pin(async move {
            let answers = futures_util::future::join_all(answers).await;
            array(&answers.into_iter().flatten().collect::<Vec<_>>())
        }))
    }

    /// `notifications/cancelled`: unknown, ended and uncancellable requests are passed over, as its page asks.
    fn notification(self: &Arc<Self>, incoming: &Incoming) {
        if is_initialized(&incoming.operation) {
            self.initialized.say();
            self.tell();
        }
        let Some(id) = cancelled(&incoming.operation) else { return };
        let mut state = self.state();
        if state.in_flight.get(&id).is_some_and(|request| request.cancellable)
            && let Some(request) = state.in_flight.remove(&id)
        {
            drop(state);
            request.exchange.cancel();
        }
    }

    fn refused(&self, malformed: &Malformed) -> Answering {
        self.failed(malformed.id.as_ref(), &malformed.failure)
    }

    fn failed(&self, id: Option<&RequestId>, failure: &Failure) -> Answering {
        Box::pin(std::future::ready(Some(self.renderer.error(id, failure))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.untold();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("principal", &self.principal).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
