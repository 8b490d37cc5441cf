//! Requests of a connection while they are served: which there are, what they say, and when the last has ended.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::super::outgoing::{Outgoing, Room};
use super::session::requested_level;
use super::{Answering, Connection, MAX_IN_FLIGHT};
use crate::exchange::Exchange;
use crate::middleware::BoxFuture;
use crate::places::NoPlace;
use crate::protocol::{Failure, Incoming, RequestId, Revision, code};
use crate::request::Caller;
use crate::running::{Abandoned, Running};
use crate::{Operation, Request};

pub(super) struct InFlight {
    pub(super) exchange: Exchange,
    /// `initialize` cannot be cancelled (2025-11-25, basic/utilities/cancellation).
    pub(super) cancellable: bool,
}

/// Counts one answer of the executor, until it is written or given up.
pub(super) struct Underway(pub(super) Arc<Connection>);

impl Underway {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
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

impl Connection {
    pub(super) fn request(self: &Arc<Self>, incoming: Incoming) -> Answering {
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

    /// Waits until no answer is under way.
    pub(super) async fn idle(&self) {
        loop {
            let mut pushed = pin!(self.out.pushed());
            pushed.as_mut().enable(); // the last may end between the look and the wait
            if self.state().underway == 0 {
                return;
            }
            pushed.await;
        }
    }

    fn not_admitted(&self, id: &RequestId) -> Option<Failure> {
        let state = self.state();
        if state.in_flight.contains_key(id) {
            return Some(in_flight_already());
        }
        (state.in_flight.len() >= MAX_IN_FLIGHT).then(|| NoPlace::All.failure())
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
}

/// Writes what is said, as it is said. While too much is unwritten it waits where it is bounded.
pub(super) fn forward(
    out: &Arc<Outgoing>,
    exchange: &Exchange,
    room: &mut Option<BoxFuture<()>>,
    cx: &mut Context<'_>,
) {
    loop {
        if out.room() == Room::Full {
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

pub(super) fn in_flight_already() -> Failure {
    Failure::new(code::INVALID_REQUEST, "a request with this id is in flight")
}
