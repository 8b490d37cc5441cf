//! One connection that carries a message a line: stdio, its in-memory twin, and whatever joins a running server.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;

use super::batch::{MAX_BATCH, array};
use super::cancellation::cancelled;
use super::outgoing::Outgoing;
use crate::dispatch::Dispatcher;
use crate::exchange::Exchange;
use crate::middleware::BoxFuture;
use crate::protocol::{
    Failure, Incoming, Json, Level, Malformed, Message, Renderer, RequestId, Revision, code, decode,
    revision_of,
};
use crate::request::Caller;
use crate::running::{Abandoned, Running};
use crate::session::{Handshake, NotBegun, SessionId};
use crate::{Answer, Operation, Principal, Request};

/// How many requests of one connection may be in flight.
const MAX_IN_FLIGHT: usize = 1_024;

/// One connection. Lines go in by [`Connection::receive`] and come out by [`Connection::outgoing`].
pub(crate) struct Connection {
    dispatcher: Dispatcher,
    renderer: Renderer,
    principal: Principal,
    session: SessionId,
    state: Mutex<State>,
    out: Outgoing,
}

#[derive(Default)]
struct State {
    handshake: Option<Handshake>,
    touched: Option<Instant>,
    in_flight: HashMap<RequestId, InFlight>,
}

struct InFlight {
    exchange: Exchange,
    /// `initialize` cannot be cancelled (2025-11-25, basic/utilities/cancellation).
    cancellable: bool,
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
            out: Outgoing::default(),
        })
    }

    /// Takes one line, without its newline. Never waits for a handler; answers that are ready at once wait in
    /// [`Connection::outgoing`] when it returns.
    pub(crate) fn receive(self: &Arc<Self>, line: &Bytes) {
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
    pub(crate) const fn outgoing(&self) -> &Outgoing {
        &self.out
    }

    /// The input has ended: waits for what is in flight, `grace` at most, then cancels the rest and closes the
    /// output.
    pub(crate) async fn end(&self, grace: Duration) {
        let idle = async {
            while !self.state().in_flight.is_empty() {
                self.out.pushed().await;
            }
        };
        if tokio::time::timeout(grace, idle).await.is_err() {
            let in_flight = std::mem::take(&mut self.state().in_flight);
            for request in in_flight.into_values() {
                request.exchange.cancel();
            }
        }
        self.out.close();
        let begun = self.state().handshake.take().is_some();
        if begun && let Err(error) = self.dispatcher.sessions().end(&self.principal, &self.session).await {
            tracing::warn!(%error, "the session could not be removed and will expire by itself");
        }
    }

    /// Writes an answer that is ready at once, and hands any other to the executor.
    fn write(self: &Arc<Self>, mut answer: Answering) {
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(bytes) => self.out.push_some(bytes),
            Poll::Pending => {
                let this = Arc::clone(self);
                tokio::spawn(async move { this.out.push_some(answer.await) });
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
            Message::Response { .. } => None, // nothing was asked
            Message::Batch(_) => {
                Some(self.failed(None, &Failure::new(code::INVALID_REQUEST, "a batch in a batch")))
            }
        }
    }

    /// A batch: only in a session of 2025-03-26, at most 50 messages, without `initialize`; its answers are one array.
    fn batch(self: &Arc<Self>, messages: &[Bytes]) -> Option<Answering> {
        let revision = self.state().handshake.as_ref().map(Handshake::revision);
        let refusal = match messages.len() {
            _ if revision != Some(Revision::V2025_03_26) => "batches are served on 2025-03-26 only",
            0 => "an empty batch",
            1..=MAX_BATCH => "",
            _ => "a batch may hold at most 50 messages",
        };
        if !refusal.is_empty() {
            return Some(self.failed(None, &Failure::new(code::INVALID_REQUEST, refusal)));
        }
        let answers: Vec<Answering> = messages.iter().filter_map(|message| self.batched(message)).collect();
        if answers.is_empty() {
            return None;
        }
        Some(Box::pin(async move {
            let answers = futures_util::future::join_all(answers).await;
            array(&answers.into_iter().flatten().collect::<Vec<_>>())
        }))
    }

    fn batched(self: &Arc<Self>, message: &Bytes) -> Option<Answering> {
        match decode(message) {
            Ok(Message::Request(Incoming { operation: Operation::Initialize { .. }, id, .. })) => {
                Some(self.failed(
                    id.as_ref(),
                    &Failure::new(code::INVALID_REQUEST, "initialize may not stand in a batch"),
                ))
            }
            Ok(message) => self.message(message),
            Err(malformed) => Some(self.refused(&malformed)),
        }
    }

    /// `notifications/cancelled`: unknown, ended and uncancellable requests are passed over, as its page asks.
    fn notification(&self, incoming: &Incoming) {
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
            return Some(Failure::new(code::INVALID_REQUEST, "a request with this id is in flight"));
        }
        let full = state.in_flight.len() >= MAX_IN_FLIGHT;
        full.then(|| Failure::new(code::INTERNAL_ERROR, "too many requests in flight, try again later"))
    }

    /// A new handshake; it replaces an earlier one of this connection.
    fn initialize(&self, params: &Json) -> Result<(Revision, Caller), Failure> {
        let handshake = Handshake::from_params(params)?;
        let admitted = (handshake.revision(), handshake.caller());
        self.state().handshake = Some(handshake);
        Ok(admitted)
    }

    /// The revision and what is known of the client: from the request itself, or from the handshake before it.
    fn admitted(&self, incoming: &Incoming) -> Result<(Revision, Caller), Failure> {
        let mut state = self.state();
        let agreed = state.handshake.as_ref().map(Handshake::revision);
        let revision = revision_of(incoming, None, agreed).map_err(|refused| refused.failure)?;
        let Some(handshake) = state.handshake.as_ref().filter(|_| !revision.is_stateless()) else {
            return Ok((revision, Caller::default()));
        };
        let caller = handshake.caller();
        let quarter = self.dispatcher.sessions().idle() / 4;
        if state.touched.is_some_and(|touched| touched.elapsed() > quarter) {
            state.touched = Some(Instant::now());
            let (sessions, principal, session) =
                (self.dispatcher.sessions().clone(), self.principal.clone(), self.session.clone());
            tokio::spawn(async move { drop(sessions.find(&principal, &session).await) }); // extends it
        }
        Ok((revision, caller))
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
        let (this, mut registered) = (Arc::clone(self), false);
        Box::pin(poll_fn(move |cx| {
            let polled = Pin::new(&mut running).poll(cx);
            while let Poll::Ready(message) = exchange.poll_message(cx) {
                this.out.push(message);
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
            let Some(handshake) = this.state().handshake.clone() else { return Failure::internal().into() };
            let begun = this.dispatcher.sessions().begin(&this.principal, &this.session, &handshake).await;
            this.state().touched = Some(Instant::now());
            match begun {
                Ok(()) => this.dispatcher.run(request).await,
                Err(NotBegun::Full) => {
                    Failure::new(code::INTERNAL_ERROR, "too many sessions, try again later").into()
                }
                Err(NotBegun::Store(error)) => {
                    tracing::error!(%error, "a session could not be stored");
                    Failure::internal().into()
                }
            }
        })
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

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("principal", &self.principal).finish_non_exhaustive()
    }
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
