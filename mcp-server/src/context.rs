//! What a handler knows of its request, and what it can do beside answering.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Extensions;
use serde::Serialize;

use crate::asking::{Pages, Pending, Questions, Round};
use crate::dispatch::Dispatcher;
use crate::places::{NoPlace, Place};
use crate::protocol::{Implementation, Json, Level, RequestId, Revision};
use crate::replica::Replica;
use crate::running::Finish;
use crate::session::Sessions;
use crate::state::{Owner, StateError, StateMap, States};
use crate::{Catalog, Principal, Request, SessionId};

/// What a handler knows of its request, and what it can do beside answering. Cheap to clone.
///
/// Ask for it by type: `async fn tool(ctx: Context, ..)`; it does not appear in the schema.
#[derive(Clone)]
pub struct Context(Arc<Call>);

struct Call {
    request: Request,
    dispatcher: Dispatcher,
    public: bool,
    /// What it asks on 2026-07-28; made by the first question, or by the state of an earlier round.
    round: OnceLock<Round>,
}

impl Context {
    pub(crate) fn new(mut request: Request, dispatcher: Dispatcher, public: bool) -> Self {
        let public = public || request.public;
        if public {
            request.extensions.clear(); // the HTTP parts tell who asks
        }
        Self(Arc::new(Call { request, dispatcher, public, round: OnceLock::new() }))
    }

    /// Who asks.
    ///
    /// # Errors
    /// In a component whose cached answers are public: they must not depend on who asks.
    pub fn principal(&self) -> Result<&Principal, StateError> {
        if self.0.public {
            return Err(StateError::public("principal"));
        }
        Ok(&self.0.request.principal)
    }

    /// The client's id of the request; `None` for a notification.
    pub fn request_id(&self) -> Option<&RequestId> {
        self.0.request.id.as_ref()
    }

    /// The handshake session; `None` on 2026-07-28 and on HTTP clients without one.
    ///
    /// # Errors
    /// In a component whose cached answers are public.
    pub fn session_id(&self) -> Result<Option<&SessionId>, StateError> {
        if self.0.public {
            return Err(StateError::public("session"));
        }
        Ok(self.0.request.session.as_ref())
    }

    /// Which revision the client speaks.
    pub fn revision(&self) -> Revision {
        self.0.request.revision
    }

    /// Name and version that the client gives itself; `None` if it gives none. Never a reason to behave differently.
    pub fn client_info(&self) -> Option<Implementation> {
        self.0.request.caller.info.as_ref()?.to().ok()
    }

    /// The capabilities that the client declared, an object; an empty one in a component whose cached answers are public.
    pub fn client_capabilities(&self) -> Json {
        self.declared().cloned().unwrap_or(Json::EMPTY)
    }

    /// What clients can do differs, and public answers do not.
    fn declared(&self) -> Option<&Json> {
        self.0.request.caller.capabilities.as_ref().filter(|_| !self.0.public)
    }

    /// The settings, an object, with which the client declared the extension of this name; `None` where it did not
    /// (2026-07-28, basic/versioning, "Extension Negotiation"), and in a component whose cached answers are public. Without
    /// the extension, do what the protocol alone can.
    ///
    /// A component that is of no use without it says so by [`Capability::Extension`](crate::Capability).
    pub fn client_extension(&self, name: &str) -> Option<Json> {
        #[derive(serde::Deserialize)]
        struct Declared {
            extensions: serde_json::Map<String, serde_json::Value>,
        }
        let declared = self.declared()?.to().ok();
        let settings = declared.and_then(|Declared { mut extensions }| extensions.remove(name));
        settings.filter(serde_json::Value::is_object).map(Json::from)
    }

    /// `_meta` of the request, an object.
    pub fn meta(&self) -> &Json {
        &self.0.request.meta
    }

    /// What the transport and middlewares attached to the request, such as the HTTP headers. Empty in a component whose
    /// cached answers are public.
    pub fn extensions(&self) -> &Extensions {
        &self.0.request.extensions
    }

    /// What was given to the server by `.state(..)`.
    pub fn state_of<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.dispatcher.state_of::<T>()
    }

    /// Values kept across requests: of the handshake session, or on 2026-07-28 of the authenticated user.
    pub fn state(&self) -> StateMap {
        let owner = if self.0.public { Owner::Public } else { Owner::of(&self.0.request) };
        StateMap::new(self.0.dispatcher.states().clone(), owner, self.0.request.exchange.clone())
    }

    /// Where values are kept.
    pub(crate) fn states(&self) -> &States {
        self.0.dispatcher.states()
    }

    /// The components of the server, which come and go: a tool may add tools.
    pub fn components(&self) -> Catalog {
        Catalog::new(self.0.dispatcher.clone())
    }

    /// Tells every client that subscribed to the resource of this URI, and may read it, that it has another content.
    /// Never waits; updates that follow each other faster than a client reads are told to it once. On a store that is
    /// shared, clients of the other processes are told too.
    pub fn resource_updated(&self, uri: &str) {
        self.0.dispatcher.resource_updated(uri);
    }

    /// The request itself, whoever may see what of it.
    pub(crate) fn request(&self) -> &Request {
        &self.0.request
    }

    /// Whether everybody may get the answer.
    pub(crate) fn is_public(&self) -> bool {
        self.0.public
    }

    pub(crate) fn round(&self) -> &Round {
        self.0.round.get_or_init(Round::default)
    }

    /// Begins with what earlier rounds left, unless something was asked already.
    pub(crate) fn resume(&self, round: Round) {
        drop(self.0.round.set(round));
    }

    /// What the handler has asked and has no answer to.
    pub(crate) fn open_questions(&self) -> Option<Questions> {
        self.0.round.get()?.questions()
    }

    /// Where questions to clients of handshake sessions wait.
    pub(crate) fn pending_questions(&self) -> &Pending {
        self.0.dispatcher.pending_questions()
    }

    pub(crate) fn pages(&self) -> &Pages {
        self.0.dispatcher.pages()
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        self.0.dispatcher.sessions()
    }

    /// This process among those at which an answer may arrive.
    pub(crate) fn replica(&self) -> &Replica {
        self.0.dispatcher.replica()
    }

    /// A place for this handler on a thread.
    pub(crate) fn blocking_place(&self) -> Result<Place, NoPlace> {
        self.0.dispatcher.blocking_place(&self.0.request.principal)
    }

    /// Sends a log message to the client, if it wants messages of this level. Never waits: where the client reads
    /// too slowly the message is dropped and counted.
    pub fn log(&self, level: Level, data: impl Serialize) {
        let Some(message) = self.log_message(level, &data) else { return };
        self.0.request.exchange.notify(message);
    }

    /// Sends a log message of level `info`.
    pub fn info(&self, data: impl Serialize) {
        self.log(Level::Info, data);
    }

    /// Sends a log message of level `warning`.
    pub fn warning(&self, data: impl Serialize) {
        self.log(Level::Warning, data);
    }

    fn log_message(&self, level: Level, data: &impl Serialize) -> Option<bytes::Bytes> {
        #[derive(Serialize)]
        struct Params<'a> {
            level: Level,
            logger: &'a str,
            data: Json,
        }
        if !self.0.dispatcher.wants_log(&self.0.request, level) {
            return None;
        }
        let params = Params { level, logger: self.0.dispatcher.name(), data: Json::of(data).ok()? };
        crate::protocol::notification("notifications/message", &params)
    }

    /// Tells the client how far the work is, if it asked to be told: `progress` of `total`, in any unit.
    ///
    /// Values that do not increase are not sent (basic/patterns/progress: it MUST increase). An unsent notification
    /// is overwritten by the next. Of more than 50 a second, beyond the first hundred, some are left out, and never the one
    /// that reaches `total`.
    pub fn progress(&self, progress: f64, total: impl Into<Option<f64>>) {
        self.report(progress, total.into(), None);
    }

    /// As [`Context::progress`], with a sentence for people.
    pub fn progress_with(&self, progress: f64, total: impl Into<Option<f64>>, message: &str) {
        self.report(progress, total.into(), Some(message));
    }

    fn report(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Params<'a> {
            progress_token: Json,
            progress: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            total: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            message: Option<&'a str>,
        }
        let Some(token) = &self.0.request.caller.progress else { return };
        if !self.0.request.exchange.advances(progress, total.is_some_and(|total| progress >= total)) {
            return;
        }
        let message = self.0.request.revision.has_progress_message().then_some(message).flatten();
        let params = Params { progress_token: token.as_json(), progress, total, message };
        if let Some(message) = crate::protocol::notification("notifications/progress", &params) {
            self.0.request.exchange.progress(token, message);
        }
    }

    /// Frees the connection of this request while the work goes on: the client leaves, and comes back after `retry` for
    /// what was said meanwhile, and for the answer. Tells whether it does: only clients of 2025-11-25 over HTTP can
    /// (basic/transports, "Sending Messages to the Server"); for all others nothing happens.
    pub fn release_stream(&self, retry: Duration) -> bool {
        let request = &self.0.request;
        request.revision == Revision::V2025_11_25 && request.exchange.release(retry)
    }

    /// Whether nobody waits for the answer any more. An async handler is simply dropped at its next await; one that
    /// is not async looks here.
    pub fn is_cancelled(&self) -> bool {
        self.0.request.exchange.is_cancelled()
    }

    /// Waits until nobody waits for the answer any more.
    pub async fn cancelled(&self) {
        self.0.request.exchange.cancelled().await;
    }

    /// Runs `future` to its end even if the request is cancelled meanwhile: for work that must not stop half-way. What
    /// was never awaited does not begin.
    pub fn finish<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        Finish::new(future, self.0.dispatcher.finishing().clone())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("request", &self.0.request).finish_non_exhaustive()
    }
}
