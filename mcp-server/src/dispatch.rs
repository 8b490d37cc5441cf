//! One decoded request in, one answer out. Knows no transport.

mod completion;
mod components;
mod crossing;
mod lifecycle;
mod listen;
mod subscriptions;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use kv_core::AnyStore;

use crate::asking::{Pages, Pending, Records};
use crate::events::Streams;
use crate::flights::Flights;
use crate::hub::Hub;
use crate::middleware::{BoxFuture, Link, Next, Refusal};
use crate::places::{Held, NoPlace, Place, Places, Seat, Seated};
use crate::protocol::{
    CacheScope, Failure, Hints, Implementation, Json, Level, ListKind, Revision, code, excerpt,
};
use crate::rate::Buckets;
use crate::registry::{Live, Registry};
use crate::replica::Replica;
use crate::running::{Alone, Deadline, Elapsed};
use crate::server::Extensions;
use crate::session::Sessions;
use crate::state::States;
use crate::{Answer, Dynamic, Operation, Principal, Reply, Request};

pub(crate) use self::crossing::{CANCELLING, Distant, Untold};
pub(crate) use self::subscriptions::Opening;

/// What was given by `.state(..)`, by type.
pub(crate) type Values = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// A built server without its transports. Cheap to clone; a process may hold ten.
#[derive(Clone)]
pub(crate) struct Dispatcher(Arc<Shared>);

/// What a server was built of.
pub(crate) struct Shared {
    pub(crate) info: Implementation,
    pub(crate) instructions: Option<String>,
    /// The components, and how they come and go.
    pub(crate) components: Live,
    /// Where changes are told and listened for.
    pub(crate) hub: Hub,
    pub(crate) chain: Vec<Link>,
    /// Where answers may be cached, under the server's own collections.
    pub(crate) cache: AnyStore,
    pub(crate) states: States,
    pub(crate) sessions: Sessions,
    /// What requests that asked something go on with.
    pub(crate) records: Records,
    /// Questions to clients of handshake sessions.
    pub(crate) questions: Pending,
    /// Pages that people were sent to.
    pub(crate) pages: Pages,
    /// Requests of handshake sessions that can be cancelled.
    pub(crate) flights: Flights,
    /// Streams of handshake sessions that can be resumed.
    pub(crate) streams: Streams,
    /// This process among those that share the store.
    pub(crate) replica: Replica,
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
    /// Of `subscriptions/listen`, which last.
    pub(crate) listening: Places,
    /// Of completions, which clients ask for as fast as people type.
    pub(crate) completing: Buckets,
    /// What other processes may be told to cancel.
    pub(crate) cancelling: Buckets,
    /// Extensions of the protocol that this server has.
    pub(crate) extensions: Extensions,
    /// Work that must not stop half-way and goes on though nobody waits for it.
    pub(crate) finishing: Alone,
}

impl Dispatcher {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Runs a request through every right, the chain, and the component at its end.
    ///
    /// Every `authorize` and the component's own check run first, so that a cached answer never outlives a right, and
    /// then what its headers got wrong is told, and what its client lacks. What panics on the way is answered by `Internal error`, and what hangs is given up like a handler.
    pub(crate) fn run(&self, mut request: Request) -> BoxFuture<Answer> {
        let registry = self.registry_of(&request);
        let bare = self.is_bare(&registry);
        request.registry = Some(registry);
        if matches!(request.operation, Operation::Listen { .. }) {
            return self.run_lasting(request);
        }
        let mismatch = request.mismatch.take();
        if bare {
            return mismatch.map_or_else(|| self.perform(request), |mismatch| failed(*mismatch));
        }
        let (this, seat) = (self.clone(), self.seat(&request));
        let run = async move {
            match (this.authorize(&request).await, mismatch) {
                (Err(refusal), _) => refusal.into(),
                (Ok(()), Some(mismatch)) => (*mismatch).into(),
                (Ok(()), None) => match this.registry_of(&request).lacking(&request) {
                    Some(failure) => failure.into(),
                    None => Next::first(this).run(request).await,
                },
            }
        };
        let (run, after) = (Box::pin(AssertUnwindSafe(run).catch_unwind()), self.0.handler_timeout);
        Box::pin(async move {
            match Seated::new(Deadline::new(run, after), seat).await {
                Ok(Ok(Ok(answer))) => answer,
                Ok(Ok(Err(_))) => panicked().into(),
                Ok(Err(Elapsed)) => took_too_long().into(),
                Err(no_place) => no_place.failure().into(),
            }
        })
    }

    /// What the store does for a session, for as long as a handler may take.
    fn in_time(&self, work: impl Future<Output = Answer> + Send + 'static) -> BoxFuture<Answer> {
        let timed = Deadline::new(Box::pin(work), self.0.handler_timeout);
        Box::pin(async move { timed.await.unwrap_or_else(|Elapsed| took_too_long().into()) })
    }

    /// Whether a request goes to its component straight away.
    fn is_bare(&self, registry: &Registry) -> bool {
        self.0.chain.is_empty() && !registry.has_checks()
    }

    fn seat(&self, request: &Request) -> Seat {
        let (principal, exchange) = (request.principal.clone(), request.exchange.clone());
        Seat { places: self.0.calls.clone(), principal, exchange }
    }

    /// A place for the handler of `request`, which middlewares around it may hold already.
    fn place(&self, request: &Request) -> Result<Held, NoPlace> {
        if self.is_bare(&self.registry_of(request)) {
            return self.0.calls.take(&request.principal).map(Held::Alone);
        }
        self.seat(request).take()
    }

    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        for link in &self.0.chain {
            link.authorize(request).await?;
        }
        self.registry_of(request).check(request).await
    }

    pub(crate) fn chain(&self) -> &[Link] {
        &self.0.chain
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn pending_questions(&self) -> &Pending {
        &self.0.questions
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.0.pages
    }

    pub(crate) fn cache(&self) -> &AnyStore {
        &self.0.cache
    }

    pub(crate) fn states(&self) -> &States {
        &self.0.states
    }

    /// Work that must not stop half-way: whoever ends this server waits for it, within a grace.
    pub(crate) fn finishing(&self) -> &Alone {
        &self.0.finishing
    }

    /// How long anything may take that a request waits for.
    pub(crate) fn handler_timeout(&self) -> Duration {
        self.0.handler_timeout
    }

    pub(crate) fn info(&self) -> &Implementation {
        &self.0.info
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.info.name
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// The components as they come and go.
    pub(crate) fn components(&self) -> &Live {
        &self.0.components
    }

    pub(crate) fn values(&self) -> &Values {
        &self.0.values
    }

    /// The components of this moment.
    pub(crate) fn registry(&self) -> Registry {
        self.0.components.now()
    }

    /// The components that this request sees.
    pub(crate) fn registry_of(&self, request: &Request) -> Registry {
        request.registry.clone().unwrap_or_else(|| self.registry())
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
        let registry = self.registry_of(&request);
        if !self.declares(&registry, &request.operation) {
            return failed(Failure::method_not_found(request.operation.method()));
        }
        match &request.operation {
            Operation::CallTool { name, .. } => match registry.tool(name) {
                Some(tool) => self.call(Arc::clone(tool), request),
                None => failed(Failure::invalid_params(format!("unknown tool: {}", excerpt(name)))),
            },
            Operation::ReadResource { .. } => self.read(request),
            Operation::GetPrompt { name, .. } => match registry.prompt(name) {
                Some(prompt) => self.prompt(Arc::clone(prompt), request),
                None => failed(Failure::invalid_params(format!("unknown prompt: {}", excerpt(name)))),
            },
            Operation::List { .. } => self.list(request),
            Operation::Discover => ready(self.discover()),
            Operation::Initialize { .. } => ready(self.initialize(&request)),
            Operation::Notification { .. } => ready(Answer::Done(Reply::Object(Json::EMPTY))),
            Operation::Other { method, .. } if &**method == "logging/setLevel" && self.0.logging => {
                self.set_level(request)
            }
            Operation::Other { method, .. } if &**method == "ping" => {
                ready(Answer::Done(Reply::Object(Json::EMPTY)))
            }
            Operation::Complete { .. } => self.complete(request),
            Operation::Listen { .. } => self.listen(request),
            Operation::Other { method, .. } if &**method == "resources/subscribe" => self.subscribe(request),
            Operation::Other { method, .. } if &**method == "resources/unsubscribe" => {
                self.unsubscribe(request)
            }
            operation @ Operation::Other { .. } => failed(Failure::method_not_found(operation.method())),
        }
    }

    fn list(&self, request: Request) -> BoxFuture<Answer> {
        let registry = self.registry_of(&request);
        let hints = Hints::new(0, self.scope(!registry.has_checks()));
        Box::pin(async move { registry.page(&request, hints).await })
    }

    /// Whether the capability that the operation belongs to is declared; a method of any other is unknown.
    fn declares(&self, registry: &Registry, operation: &Operation) -> bool {
        let kind = match operation {
            Operation::CallTool { .. } | Operation::List { kind: ListKind::Tools, .. } => Dynamic::TOOLS,
            Operation::GetPrompt { .. } | Operation::List { kind: ListKind::Prompts, .. } => Dynamic::PROMPTS,
            Operation::ReadResource { .. }
            | Operation::List { kind: ListKind::Resources | ListKind::ResourceTemplates, .. } => {
                Dynamic::RESOURCES
            }
            Operation::Complete { .. } => return registry.has_completions(),
            Operation::Other { method, .. }
                if matches!(&**method, "resources/subscribe" | "resources/unsubscribe") =>
            {
                Dynamic::RESOURCES
            }
            Operation::Listen { .. } => return self.tells(),
            _ => return true,
        };
        self.has(registry, kind)
    }

    /// Whether there are components of this kind, or may be later.
    fn has(&self, registry: &Registry, kind: Dynamic) -> bool {
        let registered = match kind {
            Dynamic::TOOLS => registry.has_tools(),
            Dynamic::PROMPTS => registry.has_prompts(),
            _ => registry.has_resources(),
        };
        registered || self.0.components.dynamic().contains(kind)
    }

    /// Whether there is anything that clients could be told unasked.
    pub(crate) fn tells(&self) -> bool {
        let registry = self.registry();
        !self.0.components.dynamic().is_empty() || registry.has_resources() || registry.sends_to_pages()
    }

    /// Whether anybody may share an answer that is the same for everybody who gets one.
    pub(crate) fn scope(&self, same_for_all: bool) -> CacheScope {
        if same_for_all && !self.0.authenticated && self.0.chain.is_empty() {
            CacheScope::Public
        } else {
            CacheScope::Private
        }
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("name", &self.0.info.name).finish_non_exhaustive()
    }
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

fn ready(answer: Answer) -> BoxFuture<Answer> {
    Box::pin(std::future::ready(answer))
}

fn failed(failure: Failure) -> BoxFuture<Answer> {
    ready(Answer::Failed(failure))
}
