//! The requests of handshake sessions that are in flight in this process, so that they can be cancelled.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use crate::Principal;
use crate::exchange::Exchange;
use crate::middleware::BoxFuture;
use crate::protocol::RequestId;
use crate::replica::{Replica, Waiting};
use crate::session::SessionId;

/// What is in flight, by session and request. A request enters only once it turns out to wait.
#[derive(Clone)]
pub(crate) struct Flights(Arc<Inner>);

struct Inner {
    flights: Mutex<BySession>,
    /// While something is in flight, another process may have it cancelled.
    replica: Replica,
}

type BySession = HashMap<String, Vec<(RequestId, Exchange)>>;

impl Flights {
    pub(crate) fn new(replica: Replica) -> Self {
        Self(Arc::new(Inner { flights: Mutex::default(), replica }))
    }

    /// Cancels one request of a session; tells whether it is in flight here. Where a client has used an id twice, both are
    /// meant: nobody can tell them apart.
    pub(crate) fn cancel(&self, session: &str, id: &RequestId) -> bool {
        let flights = self.lock();
        let found = flights.get(session).into_iter().flatten().filter(|(known, _)| known == id);
        let exchanges: Vec<Exchange> = found.map(|(_, exchange)| exchange.clone()).collect();
        drop(flights);
        exchanges.iter().for_each(Exchange::cancel);
        !exchanges.is_empty()
    }

    /// Cancels every request of a session.
    pub(crate) fn cancel_all(&self, session: &str) {
        let ended = self.lock().remove(session);
        for (_, exchange) in ended.into_iter().flatten() {
            exchange.cancel();
        }
    }

    fn enter(&self, session: &str, id: &RequestId, exchange: &Exchange) -> Waiting {
        self.lock().entry(session.to_owned()).or_default().push((id.clone(), exchange.clone()));
        self.0.replica.waiting()
    }

    fn leave(&self, session: &str, exchange: &Exchange) {
        let mut flights = self.lock();
        if let Some(known) = flights.get_mut(session) {
            known.retain(|(_, other)| !other.is(exchange));
            if known.is_empty() {
                flights.remove(session);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BySession> {
        self.0.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

/// A run that can be cancelled by its session, also after its connection was lost: `None` when it was.
pub(crate) struct Flight<T> {
    run: Option<BoxFuture<T>>,
    flights: Flights,
    principal: Principal,
    session: SessionId,
    id: RequestId,
    exchange: Exchange,
    /// What the session is known by here, once the run turned out to wait.
    key: String,
    watching: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<T> Flight<T> {
    pub(crate) fn new(
        run: BoxFuture<T>,
        flights: Flights,
        (principal, session): (Principal, SessionId),
        id: RequestId,
        exchange: Exchange,
    ) -> Self {
        Self { run: Some(run), flights, principal, session, id, exchange, key: String::new(), watching: None }
    }

    /// The cancellation to watch; entering among what is in flight is what makes one possible.
    fn watch(&mut self) -> &mut Pin<Box<dyn Future<Output = ()> + Send>> {
        self.watching.get_or_insert_with(|| {
            self.key = self.session.key(&self.principal);
            let waiting = self.flights.enter(&self.key, &self.id, &self.exchange);
            let exchange = self.exchange.clone();
            Box::pin(async move {
                let _waiting = waiting;
                exchange.cancelled().await;
            })
        })
    }
}

impl<T> Future for Flight<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(run) = self.run.as_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(output) = run.as_mut().poll(cx) {
            self.run = None;
            return Poll::Ready(Some(output));
        }
        if self.watch().as_mut().poll(cx).is_ready() {
            self.run = None; // dropped at its await, while the waiter may still be there
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl<T> Drop for Flight<T> {
    fn drop(&mut self) {
        if self.watching.is_some() {
            self.flights.leave(&self.key, &self.exchange);
        }
    }
}
