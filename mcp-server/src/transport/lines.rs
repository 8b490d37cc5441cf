//! One connection that carries a message a line: stdio, its in-memory twin, and whatever joins a running server.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Extensions;
use serde::Deserialize;

use super::batch::{array, item};
use super::cancellation::{cancelled, is_initialized};
use super::outgoing::Outgoing;
use super::stream::GRACE;
use crate::asking::{Initialized, Outcome};
use crate::dispatch::{Dispatcher, Opening};
use crate::exchange::Exchange;
use crate::middleware::BoxFuture;
use crate::places::NoPlace;
use crate::protocol::{
    Failure, Incoming, Json, Level, Malformed, Message, Renderer, RequestId, Revision, code, decode,
    revision_of,
};
use crate::request::Caller;
use crate::running::{Abandoned, Running};
use crate::session::{Handshake, NotBegun, SessionId};
use crate::{Answer, Operation, Principal, Request};

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
    /// Whether the session is told what changes: from `notifications/initialized` on.
    told: bool,
    in_flight: HashMap<RequestId, InFlight>,
    /// Answers that the executor works on and that are not among the outgoing lines yet.
    underway: usize,
}

struct InFlight {
    exchange: Exchange,
    /// `initialize` cannot be cancelled (2025-11-25, basic/utilities/cancellation).
    cancellable: bool,
}

/// Counts one answer of the executor, until it is written or given up.
struct Underway(Arc<Connection>);

impl Underway {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.state().underway += 1;
        Self(Arc::clone(connection))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.state().underway -= 1;
        self.0.out.push_some(None); // wakes who waits for the last
    }
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

    /// The input has ended: waits for what is in flight, `grace` at most, then cancels the rest and closes the
    /// output.
    pub(crate) async fn end(&self, grace: Duration) {
        let in_flight: Vec<_> =
            self.state().in_flight.values().map(|request| request.exchange.clone()).collect();
        for exchange in in_flight {
            exchange.conclude("the connection is ending");
        }
        self.untold();
        if tokio::time::timeout(grace, self.idle()).await.is_err() {
            let in_flight = std::mem::take(&mut self.state().in_flight);
            for request in in_flight.into_values() {
                request.exchange.cancel();
            }
        }
        self.out.close();
        let begun = self.state().handshake.take().is_some();
        if begun {
            self.end_session().await;
        }
    }

    /// A store that hangs keeps no process from ending.
    async fn end_session(&self) {
        let ended = self.dispatcher.sessions().end(&self.principal, &self.session);
        match tokio::time::timeout(GRACE, ended).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the session could not be removed and will expire by itself");
            }
            Err(_) => tracing::warn!("the store hangs: the session will expire by itself"),
        }
    }

    /// Waits until no answer is under way.
    async fn idle(&self) {
        loop {
            let mut pushed = pin!(self.out.pushed());
            pushed.as_mut().enable(); // the last may end between the look and the wait
            if self.state().underway == 0 {
                return;
            }
            pushed.await;
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

    fn request(self: &Arc<Self>, incoming: Incoming) -> Answering {
        let Some(id) = incoming.id.clone() else { return self.failed(None, &Failure::internal()) };
        if let Some(failure) = self.not_admitted(&id) {
            return self.failed(Some(&id), &failure);
        }
        let admitted = match &incoming.operation {
            Operation::Initialize { params } if !incoming.meta.modern => self.initialize(params),
            _ => self.admitted(&incoming), // a modern `initialize` is refused there
        };
        let (revision, caller) = match admitted {
            Ok(admitted) => admitted,
            Err(failure) => return self.failed(Some(&id), &failure),
        };
        self.served(id, self.build(incoming, revision, caller))
    }

    fn not_admitted(&self, id: &RequestId) -> Option<Failure> {
        let state = self.state();
        if state.in_flight.contains_key(id) {
            return Some(in_flight_already());
        }
        (state.in_flight.len() >= MAX_IN_FLIGHT).then(|| NoPlace::All.failure())
    }

    /// The handshake of this connection: it has one. It holds for what follows at once; [`Connection::begun`] takes it
    /// back where the session does not begin.
    fn initialize(&self, params: &Json) -> Result<(Revision, Caller), Failure> {
        let handshake = Handshake::from_params(params)?;
        let admitted = (handshake.revision(), handshake.caller());
        let mut state = self.state();
        if state.handshake.is_some() {
            return Err(Failure::new(code::INVALID_REQUEST, "this connection is initialized already"));
        }
        state.handshake = Some(handshake);
        Ok(admitted)
    }

    /// The revision and what is known of the client: from the request itself, or from the handshake before it.
    fn admitted(&self, incoming: &Incoming) -> Result<(Revision, Caller), Failure> {
        let state = self.state();
        let agreed = state.handshake.as_ref().map(Handshake::revision);
        let revision = revision_of(incoming, None, agreed).map_err(|refused| refused.failure)?;
        match &state.handshake {
            _ if revision.is_stateless() => Ok((revision, Caller::default())),
            Some(handshake) => Ok((revision, self.caller(handshake))),
            None if incoming.operation.method() == "ping" => Ok((revision, Caller::default())),
            None => Err(Failure::new(
                code::INVALID_REQUEST,
                "initialize first, or send the _meta that each request of 2026-07-28 carries",
            )),
        }
    }

    /// What this connection knows of its client.
    fn caller(&self, handshake: &Handshake) -> Caller {
        Caller { ready: Initialized::ready(&self.initialized), ..handshake.caller() }
    }

    fn build(&self, incoming: Incoming, revision: Revision, caller: Caller) -> Request {
        let session = (!revision.is_stateless()).then(|| self.session.clone());
        Request::admitted(incoming, revision, self.principal.clone(), session, caller)
    }

    /// Runs a request: its notifications are written as they come, its answer is what the future yields.
    fn served(self: &Arc<Self>, id: RequestId, request: Request) -> Answering {
        let (revision, exchange) = (request.revision, request.exchange.clone());
        let begins = matches!(request.operation, Operation::Initialize { .. });
        let level = requested_level(&request.operation);
        let run = if begins { self.begun(request) } else { self.dispatcher.run(request) };
        let mut running = Running::new(run, exchange.clone(), Abandoned::Cancelled);
        let (this, mut registered, mut room) = (Arc::clone(self), false, None);
        Box::pin(poll_fn(move |cx| {
            let polled = Pin::new(&mut running).poll(cx);
            if polled.is_pending() {
                forward(&this.out, &exchange, &mut room, cx);
            } else {
                while let Some(message) = exchange.pop() {
                    this.out.push(message);
                }
            }
            match polled {
                _ if exchange.is_cancelled() => {
                    running.cancel();
                    Poll::Ready(None)
                }
                Poll::Pending => {
                    if !registered {
                        registered = true;
                        this.register(&id, &exchange, !begins);
                    }
                    Poll::Pending
                }
                Poll::Ready(answer) => {
                    if registered {
                        this.state().in_flight.remove(&id);
                    }
                    this.apply(level, &answer);
                    Poll::Ready(Some(this.renderer.response(&id, answer, revision)))
                }
            }
        }))
    }

    fn register(&self, id: &RequestId, exchange: &Exchange, cancellable: bool) {
        let request = InFlight { exchange: exchange.clone(), cancellable };
        self.state().in_flight.insert(id.clone(), request);
    }

    /// `logging/setLevel` took effect: the connection's own copy of the handshake learns it.
    fn apply(&self, level: Option<Level>, answer: &Answer) {
        if let (Some(level), Answer::Done(_)) = (level, answer)
            && let Some(handshake) = &mut self.state().handshake
        {
            handshake.set_level(level);
        }
    }

    /// `initialize`: the session is in the store before the client hears of it.
    fn begun(self: &Arc<Self>, request: Request) -> BoxFuture<Answer> {
        let this = Arc::clone(self);
        Box::pin(async move {
            let mut answer = this.dispatcher.run(request).await;
            if matches!(answer, Answer::Done(_))
                && let Err(failure) = this.begin().await
            {
                answer = failure.into();
            }
            if matches!(answer, Answer::Done(_)) {
                this.keep_alive();
            } else {
                this.state().handshake = None;
            }
            answer
        })
    }

    async fn begin(&self) -> Result<(), Failure> {
        let Some(handshake) = self.state().handshake.clone() else { return Err(Failure::internal()) };
        let begun = self.dispatcher.sessions().begin(&self.principal, &self.session, &handshake).await;
        begun.map_err(|not_begun| match not_begun {
            NotBegun::Full(full) => {
                full.report();
                full.failure()
            }
            NotBegun::Store(error) => {
                tracing::error!(%error, "a session could not be stored");
                Failure::internal()
            }
        })
    }

    /// The client is initialized: its session is told what changes, if anything can.
    fn tell(self: &Arc<Self>) {
        let mut state = self.state();
        let tells = !state.told && self.dispatcher.tells();
        let Some(handshake) = state.handshake.clone().filter(|_| tells) else { return };
        let (principal, session) = (self.principal.clone(), self.session.clone());
        let (revision, caller) = (handshake.revision(), handshake.caller());
        state.told = true;
        drop(state);
        let stream = Request::of_stream(principal, session, revision, caller, Extensions::new());
        let (exchange, out) = (stream.exchange.clone(), Arc::clone(&self.out));
        let (mut telling, mut room) = (self.dispatcher.tell(stream, &handshake, Opening::Initialized), None);
        tokio::spawn(poll_fn(move |cx| {
            let polled = telling.as_mut().poll(cx);
            forward(&out, &exchange, &mut room, cx);
            polled
        }));
    }

    /// The session is told nothing any more.
    fn untold(&self) {
        if std::mem::take(&mut self.state().told) {
            self.dispatcher.hub().end_session(&self.session.key(&self.principal));
        }
    }

    /// The session of an open connection is not idle: it lives as long as the connection.
    fn keep_alive(self: &Arc<Self>) {
        let (sessions, this) = (self.dispatcher.sessions().clone(), Arc::downgrade(self));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(sessions.idle() / 2).await;
                let Some(this) = this.upgrade().filter(|this| !this.out.is_closed()) else { return };
                if let Err(error) = sessions.find(&this.principal, &this.session).await {
                    tracing::warn!(%error, "the session of an open connection could not be extended");
                }
            }
        });
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

/// Writes what is said, as it is said. While too much is unwritten it waits where it is bounded.
fn forward(out: &Arc<Outgoing>, exchange: &Exchange, room: &mut Option<BoxFuture<()>>, cx: &mut Context<'_>) {
    loop {
        if out.is_full() {
            let waiting = room.get_or_insert_with(|| {
                let out = Arc::clone(out);
                Box::pin(async move { out.has_room().await })
            });
            if waiting.as_mut().poll(cx).is_pending() {
                return exchange.watch(cx); // a cancellation is heard meanwhile
            }
        }
        *room = None;
        match exchange.poll_message(cx) {
            Poll::Ready(message) => out.push(message),
            Poll::Pending => return,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("principal", &self.principal).finish_non_exhaustive()
    }
}

fn in_flight_already() -> Failure {
    Failure::new(code::INVALID_REQUEST, "a request with this id is in flight")
}

fn requested_level(operation: &Operation) -> Option<Level> {
    #[derive(Deserialize)]
    struct Params {
        level: Level,
    }
    match operation {
        Operation::Other { method, params } if &**method == "logging/setLevel" => {
            params.to().ok().map(|params: Params| params.level)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
