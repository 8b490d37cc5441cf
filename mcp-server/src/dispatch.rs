//! One decoded request in, one answer out. Knows no transport.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use kv_core::AnyStore;
use serde::Serialize;

use crate::component::{Prompt, Tool};
use crate::middleware::{BoxFuture, Link, Next, Refusal};
use crate::places::{Held, NoPlace, Place, Places, Seat, Seated};
use crate::protocol::{
    CacheScope, Failure, Hints, Implementation, Json, Level, ListKind, Revision, code, excerpt,
};
use crate::registry::{Found, Registry};
use crate::running::{Deadline, Elapsed, Finish};
use crate::session::Sessions;
use crate::state::States;
use crate::{Answer, Context, Operation, Principal, Reply, Request};

/// What was given by `.state(..)`, by type.
pub(crate) type Values = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// A built server without its transports. Cheap to clone; a process may hold ten.
#[derive(Clone)]
pub(crate) struct Dispatcher(Arc<Shared>);

/// What a server was built of.
pub(crate) struct Shared {
    pub(crate) info: Implementation,
    pub(crate) instructions: Option<String>,
    pub(crate) registry: Registry,
    pub(crate) chain: Vec<Link>,
    /// Where answers may be cached, under the server's own collections.
    pub(crate) cache: AnyStore,
    pub(crate) states: States,
    pub(crate) sessions: Sessions,
    pub(crate) values: Values,
    /// Whether log messages are sent to clients at all.
    pub(crate) logging: bool,
    /// Whether the answer may depend on who asks.
    pub(crate) authenticated: bool,
    /// After how long a handler is given up.
    pub(crate) handler_timeout: Duration,
    /// Of requests in a handler, or waiting in a middleware.
    pub(crate) calls: Places,
    /// Of handlers on a thread: those go on when nobody waits any more.
    pub(crate) blocking: Places,
}

impl Dispatcher {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Runs a request through every right, the chain, and the component at its end.
    ///
    /// Every `authorize` and the component's own check run first, so that a cached answer never outlives a right. What
    /// panics on the way is answered by `Internal error`, and what hangs is given up like a handler.
    pub(crate) fn run(&self, request: Request) -> BoxFuture<Answer> {
        if self.is_bare() {
            return self.perform(request);
        }
        let (this, seat) = (self.clone(), self.seat(&request));
        let run = async move {
            match this.authorize(&request).await {
                Ok(()) => Next::first(this).run(request).await,
                Err(refusal) => refusal.into(),
            }
        };
        let after = self.0.handler_timeout;
        Box::pin(async move {
            let run = std::pin::pin!(AssertUnwindSafe(run).catch_unwind());
            match Seated::new(Deadline::new(run, after), seat).await {
                Ok(Ok(Ok(answer))) => answer,
                Ok(Ok(Err(_))) => panicked().into(),
                Ok(Err(Elapsed)) => took_too_long().into(),
                Err(no_place) => no_place.failure().into(),
            }
        })
    }

    /// Whether a request goes to its component straight away.
    fn is_bare(&self) -> bool {
        self.0.chain.is_empty() && !self.0.registry.has_checks()
    }

    fn seat(&self, request: &Request) -> Seat {
        let (principal, exchange) = (request.principal.clone(), request.exchange.clone());
        Seat { places: self.0.calls.clone(), principal, exchange }
    }

    /// A place for the handler of `request`, which middlewares around it may hold already.
    fn place(&self, request: &Request) -> Result<Held, NoPlace> {
        if self.is_bare() {
            return self.0.calls.take(&request.principal).map(Held::Alone);
        }
        self.seat(request).take()
    }

    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        for link in &self.0.chain {
            link.authorize(request).await?;
        }
        self.0.registry.check(request).await
    }

    pub(crate) fn chain(&self) -> &[Link] {
        &self.0.chain
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn cache(&self) -> &AnyStore {
        &self.0.cache
    }

    pub(crate) fn states(&self) -> &States {
        &self.0.states
    }

    pub(crate) fn info(&self) -> &Implementation {
        &self.0.info
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.info.name
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// A place for a handler on a thread.
    pub(crate) fn blocking_place(&self, principal: &Principal) -> Result<Place, NoPlace> {
        self.0.blocking.take(principal)
    }

    pub(crate) fn state_of<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.values.get(&TypeId::of::<T>())?).downcast().ok()
    }

    /// Whether the client of this request is to get log messages of `level`.
    ///
    /// On 2026-07-28 only what the request itself asks for; in a session everything until `logging/setLevel`.
    pub(crate) fn wants_log(&self, request: &Request, level: Level) -> bool {
        let lowest = match request.caller.log_level {
            None if request.revision.is_stateless() => return false,
            None => Level::Debug,
            Some(lowest) => lowest,
        };
        self.0.logging && level >= lowest
    }

    /// The end of the chain: the component itself.
    pub(crate) fn perform(&self, request: Request) -> BoxFuture<Answer> {
        if !self.declares(&request.operation) {
            return failed(Failure::method_not_found(request.operation.method()));
        }
        match &request.operation {
            Operation::CallTool { name, .. } => match self.0.registry.tool(name) {
                Some(tool) => self.call(&Arc::clone(tool), request),
                None => failed(Failure::invalid_params(format!("unknown tool: {}", excerpt(name)))),
            },
            Operation::ReadResource { .. } => self.read(request),
            Operation::GetPrompt { name, .. } => match self.0.registry.prompt(name) {
                Some(prompt) => self.prompt(&Arc::clone(prompt), request),
                None => failed(Failure::invalid_params(format!("unknown prompt: {}", excerpt(name)))),
            },
            Operation::List { .. } => self.list(request),
            Operation::Discover => ready(self.discover()),
            Operation::Initialize { .. } => ready(self.initialize(request.revision)),
            Operation::Notification { .. } => ready(Answer::Done(Reply::Object(Json::EMPTY))),
            Operation::Other { method, .. } if &**method == "logging/setLevel" && self.0.logging => {
                self.set_level(request)
            }
            Operation::Other { method, .. } if &**method == "ping" => {
                ready(Answer::Done(Reply::Object(Json::EMPTY)))
            }
            operation @ (Operation::Complete { .. } | Operation::Listen { .. } | Operation::Other { .. }) => {
                failed(Failure::method_not_found(operation.method()))
            }
        }
    }

    fn call(&self, tool: &Arc<Tool>, request: Request) -> BoxFuture<Answer> {
        if let Some(failure) = missing_capability(&tool.about().requires, &request) {
            return failed(failure);
        }
        let Operation::CallTool { arguments, .. } = &request.operation else {
            return failed(Failure::internal());
        };
        let (arguments, finish) = (arguments.clone(), tool.finishes());
        let context = Context::new(request, self.clone(), tool.about().is_public());
        self.guarded(
            context,
            |context| tool.call(context, arguments),
            finish,
            move |result| match result {
                Ok(result) => Answer::Done(Reply::Tool(result)),
                Err(failure) => Answer::Failed(failure),
            },
        )
    }

    fn prompt(&self, prompt: &Arc<Prompt>, request: Request) -> BoxFuture<Answer> {
        if let Some(failure) = missing_capability(&prompt.about().requires, &request) {
            return failed(failure);
        }
        let Operation::GetPrompt { arguments, .. } = &request.operation else {
            return failed(Failure::internal());
        };
        let arguments = arguments.clone();
        let context = Context::new(request, self.clone(), prompt.about().is_public());
        self.guarded(
            context,
            |context| prompt.get(context, &arguments),
            false,
            move |result| match result {
                Ok(result) => Answer::Done(Reply::Prompt(result)),
                Err(failure) => Answer::Failed(failure),
            },
        )
    }

    fn read(&self, request: Request) -> BoxFuture<Answer> {
        let Operation::ReadResource { uri } = &request.operation else { return failed(Failure::internal()) };
        let uri = uri.clone();
        let Some(found) = self.0.registry.resource(&uri) else {
            return failed(not_found(&uri, request.revision));
        };
        let revision = request.revision;
        let declared = found.about().cache.map_or(0, |policy| policy.ttl.as_millis());
        let same_for_all = found.is_public() && found.about().check.is_none();
        let hints = Hints::new(u64::try_from(declared).unwrap_or(u64::MAX), self.scope(same_for_all));
        let context = Context::new(request, self.clone(), found.is_public());
        let asked = uri.clone();
        let run = |context| match found {
            Found::Resource(resource) => resource.read(context, asked),
            Found::Template(template, parameters) => template.read(context, asked, parameters),
        };
        self.guarded(context, run, false, move |result| match result {
            Ok(result) if result.contents.is_empty() => Answer::Failed(not_found(&uri, revision)),
            Ok(mut result) => {
                result.hints = Some(result.hints.unwrap_or(hints));
                Answer::Done(Reply::Resource(result))
            }
            Err(failure) if failure.code == code::RESOURCE_NOT_FOUND => {
                Answer::Failed(not_found(&uri, revision))
            }
            Err(failure) => Answer::Failed(failure),
        })
    }

    /// Runs a handler within the limits: how many at once, and for how long. A panic ends the request alone.
    fn guarded<T: Send + 'static>(
        &self,
        context: Context,
        run: impl FnOnce(Context) -> BoxFuture<T>,
        finish: bool,
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) -> BoxFuture<Answer> {
        let place = match self.place(context.request()) {
            Ok(place) => place,
            Err(no_place) => return failed(no_place.failure()),
        };
        let Ok(run) = catch_unwind(AssertUnwindSafe(|| run(context))) else { return failed(panicked()) };
        let run = AssertUnwindSafe(Deadline::new(run, self.0.handler_timeout)).catch_unwind();
        let guarded = async move {
            let output = run.await;
            drop(place);
            match output {
                Ok(Ok(output)) => answer(output),
                Ok(Err(Elapsed)) => took_too_long().into(),
                Err(_) => panicked().into(),
            }
        };
        if finish { Box::pin(Finish::new(guarded)) } else { Box::pin(guarded) }
    }

    fn list(&self, request: Request) -> BoxFuture<Answer> {
        let hints = Hints::new(0, self.scope(!self.0.registry.has_checks()));
        let this = self.clone();
        Box::pin(async move { this.0.registry.page(&request, hints).await })
    }

    /// Whether the capability that the operation belongs to is declared; a method of any other is unknown.
    fn declares(&self, operation: &Operation) -> bool {
        let registry = &self.0.registry;
        match operation {
            Operation::CallTool { .. } | Operation::List { kind: ListKind::Tools, .. } => {
                registry.has_tools()
            }
            Operation::GetPrompt { .. } | Operation::List { kind: ListKind::Prompts, .. } => {
                registry.has_prompts()
            }
            Operation::ReadResource { .. }
            | Operation::List { kind: ListKind::Resources | ListKind::ResourceTemplates, .. } => {
                registry.has_resources()
            }
            _ => true,
        }
    }

    fn set_level(&self, request: Request) -> BoxFuture<Answer> {
        #[derive(serde::Deserialize)]
        struct Params {
            level: String,
        }
        let this = self.clone();
        Box::pin(async move {
            let Operation::Other { params, .. } = &request.operation else {
                return Failure::internal().into();
            };
            let level = params.to().ok().and_then(|params: Params| Level::from_name(&params.level));
            let Some(level) = level else {
                return Failure::invalid_params(
                    "level must be one of debug, info, notice, warning, error, critical, alert, emergency",
                )
                .into();
            };
            let Some(session) = &request.session else { return Failure::internal().into() };
            match this.0.sessions.set_level(&request.principal, session, level).await {
                Ok(_) => Answer::Done(Reply::Object(Json::EMPTY)),
                Err(error) => {
                    tracing::error!(%error, "the session store failed");
                    Failure::internal().into()
                }
            }
        })
    }

    /// `initialize`: what this server is and can do, in the revision that was agreed on.
    fn initialize(&self, revision: Revision) -> Answer {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Initialized<'a> {
            protocol_version: &'static str,
            capabilities: Capabilities,
            server_info: &'a Implementation,
            #[serde(skip_serializing_if = "Option::is_none")]
            instructions: Option<&'a str>,
        }
        object(&Initialized {
            protocol_version: revision.as_str(),
            capabilities: self.capabilities(),
            server_info: &self.0.info,
            instructions: self.0.instructions.as_deref(),
        })
    }

    /// `server/discover` (2026-07-28, server/discover).
    fn discover(&self) -> Answer {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Discovered<'a> {
            supported_versions: Vec<&'static str>,
            capabilities: Capabilities,
            #[serde(skip_serializing_if = "Option::is_none")]
            instructions: Option<&'a str>,
            ttl_ms: u64,
            cache_scope: &'static str,
        }
        let public = self.scope(true) == CacheScope::Public;
        object(&Discovered {
            supported_versions: Revision::supported(),
            capabilities: self.capabilities(),
            instructions: self.0.instructions.as_deref(),
            ttl_ms: 0,
            cache_scope: if public { "public" } else { "private" },
        })
    }

    /// Whether anybody may share an answer that is the same for everybody who gets one.
    pub(crate) fn scope(&self, same_for_all: bool) -> CacheScope {
        if same_for_all && !self.0.authenticated && self.0.chain.is_empty() {
            CacheScope::Public
        } else {
            CacheScope::Private
        }
    }

    /// What follows from what is registered; nothing is declared that is not served.
    fn capabilities(&self) -> Capabilities {
        let registry = &self.0.registry;
        Capabilities {
            logging: self.0.logging.then_some(Declared {}),
            prompts: registry.has_prompts().then_some(Declared {}),
            resources: registry.has_resources().then_some(Declared {}),
            tools: registry.has_tools().then_some(Declared {}),
        }
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("name", &self.0.info.name).finish_non_exhaustive()
    }
}

/// The capabilities of this server.
#[derive(Serialize)]
struct Capabilities {
    #[serde(skip_serializing_if = "Option::is_none")]
    logging: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompts: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Declared>,
}

/// `{}`: declared, with nothing more to say.
#[derive(Serialize)]
struct Declared {}

/// -32021 where the client lacks a capability that the component needs; before a stream could open.
fn missing_capability(required: &[&'static str], request: &Request) -> Option<Failure> {
    if required.is_empty() {
        return None;
    }
    let declared = request.caller.capabilities.as_ref();
    let declared: serde_json::Map<String, serde_json::Value> =
        declared.and_then(|declared| declared.to().ok()).unwrap_or_default();
    let missing = required.iter().filter(|name| !declared.contains_key(**name));
    let missing: serde_json::Map<_, _> =
        missing.map(|name| ((*name).to_owned(), serde_json::json!({}))).collect();
    if missing.is_empty() {
        return None;
    }
    let names = missing.keys().cloned().collect::<Vec<_>>().join(", ");
    let code = if request.revision.is_stateless() { code::MISSING_CAPABILITY } else { code::INVALID_REQUEST };
    let failure = Failure::new(code, format!("this needs a client with the capability {names}"));
    Some(failure.with_data(serde_json::json!({ "requiredCapabilities": missing })))
}

/// Resource not found: -32002 up to 2025-11-25, -32602 with the URI after (SEP-2164).
pub(crate) fn not_found(uri: &str, revision: Revision) -> Failure {
    let code = if revision.is_stateless() { code::INVALID_PARAMS } else { code::RESOURCE_NOT_FOUND };
    Failure { code, ..Failure::resource_not_found(uri) }
}

fn took_too_long() -> Failure {
    Failure::new(code::INTERNAL_ERROR, "the request took too long and was given up")
}

/// The panic itself was told by the process's panic hook; its text is not for clients.
fn panicked() -> Failure {
    tracing::error!("a handler or a middleware panicked");
    Failure::internal()
}

fn object(value: &impl Serialize) -> Answer {
    Json::of(value).map_or_else(|_| Failure::internal().into(), |json| Answer::Done(Reply::Object(json)))
}

fn ready(answer: Answer) -> BoxFuture<Answer> {
    Box::pin(std::future::ready(answer))
}

fn failed(failure: Failure) -> BoxFuture<Answer> {
    ready(Answer::Failed(failure))
}
