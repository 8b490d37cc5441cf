//! What may concern another process than this one: done here where it belongs here, else handed on.

use std::sync::{Arc, Weak};

use super::{Dispatcher, Shared};
use crate::asking::Outcome;
use crate::events::Streams;
use crate::flights::Flights;
use crate::hub::Change;
use crate::protocol::RequestId;
use crate::rate::{Rate, TooMany};
use crate::replica::Replica;
use crate::session::Owner;
use crate::{Principal, SessionId};

/// A dispatcher that may be gone: who holds it does not keep a server that nobody has any more.
pub(crate) struct Distant(Weak<Shared>);

impl Distant {
    pub(crate) fn near(&self) -> Option<Dispatcher> {
        self.0.upgrade().map(Dispatcher)
    }
}

/// Why other processes were not told.
#[derive(Debug)]
pub(crate) enum Untold {
    /// Each costs every other process something, whatever it names.
    TooMany(TooMany),
    /// The store failed; the log has the cause.
    Store,
}

/// How many cancellations of one user other processes are told of.
pub(crate) const CANCELLING: Rate = Rate::of_requests(100);

impl Dispatcher {
    pub(crate) fn replica(&self) -> &Replica {
        &self.0.replica
    }

    pub(crate) fn flights(&self) -> &Flights {
        &self.0.flights
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// Lets other processes know of this one. Whatever they may tell it about is served afterwards.
    pub(crate) async fn join(&self) {
        self.0.replica.join(|| Distant(Arc::downgrade(&self.0))).await;
    }

    /// Cancels a request of a session of `principal`, wherever it is in flight.
    ///
    /// # Errors
    /// It could not be said elsewhere, or this caller says too much of that kind.
    pub(crate) async fn cancel(
        &self,
        principal: &Principal,
        session: &str,
        request: &RequestId,
    ) -> Result<(), Untold> {
        if self.0.flights.cancel(session, request) || !self.0.replica.is_shared() {
            return Ok(());
        }
        self.0.cancelling.draw(principal, 1).map_err(Untold::TooMany)?;
        let told = self.0.replica.cancelled(session, request).await;
        told.map_err(|error| {
            tracing::error!(%error, "a cancellation could not be handed on");
            Untold::Store
        })
    }

    /// Hands an answer to whoever asked; one that nobody waits for is passed over. `false` where the store failed.
    pub(crate) async fn answered(&self, session: String, question: RequestId, outcome: Outcome) -> bool {
        let kept = self.0.replica.is_shared().then(|| (session.clone(), question.clone(), outcome.clone()));
        if self.0.questions.answered(session, question, outcome) {
            return true;
        }
        let Some((session, question, outcome)) = kept else { return true };
        let handed = self.0.replica.hand_over(&session, &question, outcome).await;
        handed.inspect_err(|error| tracing::error!(%error, "an answer could not be handed on")).is_ok()
    }

    /// Ends a session: what it has in flight and what it is told ends, here and elsewhere, and what was kept for it goes;
    /// `false` where there is none.
    ///
    /// # Errors
    /// The store failed. From the first step on the session is over; ending it again does what is left.
    pub(crate) async fn end_session(&self, principal: &Principal, id: &SessionId) -> kv_core::Result<bool> {
        if !self.0.sessions.close(principal, id).await? {
            return Ok(false);
        }
        let (session, owner) = (id.key(principal), Owner::from(principal));
        self.session_ended(&session, Some(owner));
        self.0.replica.ended(&session, owner).await?;
        self.0.sessions.remove(principal, id).await
    }

    /// A session wants to be told of a resource, or does not any more: so is the stream of it, wherever that is. The store
    /// has just said which stream is the `newest`: one that is here may have a successor elsewhere and not know it yet.
    ///
    /// # Errors
    /// Other processes could not be told.
    pub(super) async fn subscribed(
        &self,
        session: &str,
        uri: &str,
        wanted: bool,
        newest: Option<u64>,
    ) -> kv_core::Result<()> {
        let is_here = self.0.hub.subscribe(session, uri, wanted);
        if is_here && self.0.hub.is_told_on(session, newest) {
            return Ok(());
        }
        self.0.replica.subscribed(session, uri, wanted).await
    }

    /// A session of `owner` is over: what this process has of it ends. An older version does not tell whose it is.
    pub(crate) fn session_ended(&self, session: &str, owner: Option<Owner>) {
        match owner {
            Some(owner) => self.0.sessions.forget(owner, session),
            None => self.0.sessions.forget_copy(session),
        }
        self.0.flights.cancel_all(session);
        self.0.hub.end_session(session);
    }

    /// A resource has another content: whoever listens is told, in every process.
    pub(crate) fn resource_updated(&self, uri: &str) {
        self.0.hub.publish(&Change::Updated(uri.into()));
        self.0.replica.updated(uri);
    }
}
