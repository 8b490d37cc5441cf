//! The session of a connection: from its handshake to the end of its input.

use std::future::poll_fn;
use std::sync::Arc;

use http::Extensions;
use serde::Deserialize;

use super::super::stream::GRACE;
use super::Connection;
use super::flight::forward;
use crate::asking::Initialized;
use crate::dispatch::Opening;
use crate::middleware::BoxFuture;
use crate::protocol::{Failure, Incoming, Json, Level, Revision, code, revision_of};
use crate::request::Caller;
use crate::session::{Handshake, NotBegun};
use crate::{Answer, Operation, Request};

impl Connection {
    /// The handshake of this connection: it has one. It holds for what follows at once; [`Connection::begun`] takes it
    /// back where the session does not begin.
    pub(super) fn initialize(&self, params: &Json) -> Result<(Revision, Caller), Failure> {
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
    pub(super) fn admitted(&self, incoming: &Incoming) -> Result<(Revision, Caller), Failure> {
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

    /// `initialize`: the session is in the store before the client hears of it.
    pub(super) fn begun(self: &Arc<Self>, request: Request) -> BoxFuture<Answer> {
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
                this.state().begun = true;
                if this.initialized.has_said() {
                    this.tell(); // who did not wait for the answer
                }
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

    /// `logging/setLevel` took effect: the connection's own copy of the handshake learns it.
    pub(super) fn apply(&self, level: Option<Level>, answer: &Answer) {
        if let (Some(level), Answer::Done(_)) = (level, answer)
            && let Some(handshake) = &mut self.state().handshake
        {
            handshake.set_level(level);
        }
    }

    /// The client is initialized: its session, once it has begun, is told what changes, if anything can.
    pub(super) fn tell(self: &Arc<Self>) {
        let mut state = self.state();
        let tells = state.begun && !state.told && self.dispatcher.tells();
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
    pub(super) fn untold(&self) {
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

    /// A store that hangs keeps no process from ending.
    pub(super) async fn end_session(&self) {
        let ended = self.dispatcher.sessions().remove(&self.principal, &self.session);
        match tokio::time::timeout(GRACE, ended).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the session could not be removed and will expire by itself");
            }
            Err(_) => tracing::warn!("the store hangs: the session will expire by itself"),
        }
    }
}

pub(super) fn requested_level(operation: &Operation) -> Option<Level> {
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
