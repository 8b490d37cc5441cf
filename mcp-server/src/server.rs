//! What users build: a server, part by part.

mod limits;

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{AnyStore, Clock, Consistency, Store, StoreExt as _};
use kv_memory::MemoryStore;

use crate::asking::{Keys, Pending, Records};
use crate::authenticate::Authenticator;
use crate::component::{IntoPrompt, IntoResource, IntoTool};
use crate::dispatch::{Dispatcher, Shared, Values};
use crate::hub::Hub;
use crate::middleware::{Components, Link};
use crate::places::Places;
use crate::protocol::{Icon, Implementation};
use crate::registry::{Live, RegistryBuilder};
use crate::session::Sessions;
use crate::state::States;
use crate::transport::{Flights, HttpOptions, TestClient};
use crate::{Authenticate, Dynamic, Error, Middleware, Result, Service};

pub(crate) use self::limits::LONGEST;
use self::limits::Limits;

/// An MCP server, built part by part and then run.
///
/// Without a store it keeps sessions, state and cached answers in memory, without ever evicting; they end with the
/// process. What is registered twice, misnamed or asks for state that nobody gave fails when the server is built,
/// by name.
#[must_use = "a server does nothing until it is run"]
pub struct Server {
    info: Implementation,
    instructions: Option<String>,
    components: RegistryBuilder,
    dynamic: Dynamic,
    chain: Vec<Link>,
    values: Values,
    stores: Stores,
    authenticator: Option<Authenticator>,
    secret: Option<Keys>,
    logging: bool,
    limits: Limits,
    http: HttpOptions,
}

#[derive(Default)]
struct Stores {
    all: Option<AnyStore>,
    cache: Option<AnyStore>,
    state: Option<AnyStore>,
}

impl Server {
    /// A server of this name, with nothing in it yet.
    ///
    /// The name also keeps its entries apart from other servers' on one store.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            info: Implementation::new(name, "0.1.0"),
            instructions: None,
            components: RegistryBuilder::default(),
            dynamic: Dynamic::NONE,
            chain: Vec::new(),
            values: Values::new(),
            stores: Stores::default(),
            authenticator: None,
            secret: None,
            logging: true,
            limits: Limits::default(),
            http: HttpOptions::default(),
        }
    }

    /// Sets the version that clients are told; without, `0.1.0`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.info.version = version.into();
        self
    }

    /// Sets the name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.info.title = Some(title.into());
        self
    }

    /// Sets where people read more.
    pub fn website(mut self, url: impl Into<String>) -> Self {
        self.info.website_url = Some(url.into());
        self
    }

    /// Adds an icon.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.info.icons.push(icon);
        self
    }

    /// Sets what a model is told about using this server.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Keeps sessions, state and cached answers in this store, each under collections that begin with the server's
    /// name. The server never closes it.
    pub fn storage(mut self, store: impl Store) -> Self {
        self.stores.all = Some(AnyStore::new(store));
        self
    }

    /// Keeps cached answers in a store of their own. It may evict.
    pub fn cache_storage(mut self, store: impl Store) -> Self {
        self.stores.cache = Some(AnyStore::new(store));
        self
    }

    /// Keeps sessions and state in a store of their own. It must not evict.
    pub fn state_storage(mut self, store: impl Store) -> Self {
        self.stores.state = Some(AnyStore::new(store));
        self
    }

    /// Adds a tool: what `#[tool]` made, or a [`Tool`](crate::Tool).
    pub fn tool(mut self, tool: impl IntoTool) -> Self {
        self.components.tool(tool.into_tool());
        self
    }

    /// Adds a resource or a resource template: what `#[resource(..)]` made, a [`Resource`](crate::Resource) or a
    /// [`ResourceTemplate`](crate::ResourceTemplate).
    pub fn resource(mut self, resource: impl IntoResource) -> Self {
        self.components.resource(resource.into_resource());
        self
    }

    /// Adds a prompt: what `#[prompt]` made, or a [`Prompt`](crate::Prompt).
    pub fn prompt(mut self, prompt: impl IntoPrompt) -> Self {
        self.components.prompt(prompt.into_prompt());
        self
    }

    /// Lets components of these kinds come and go while the server runs, by
    /// [`Service::components`](crate::Service::components) and [`Context::components`](crate::Context::components).
    /// Clients are then told that these lists may change, and when they do. Called twice, it adds up.
    pub fn dynamic(mut self, kinds: Dynamic) -> Self {
        self.dynamic |= kinds;
        self
    }

    /// Adds a middleware. The first one added is the outermost.
    pub fn with(mut self, middleware: impl Middleware) -> Self {
        self.chain.push(Link::new(middleware));
        self
    }

    /// Finds out who sends an HTTP request. Without it, everybody on HTTP is anonymous.
    pub fn authenticate(mut self, authenticate: impl Authenticate) -> Self {
        self.authenticator = Some(Authenticator::new(authenticate));
        self
    }

    /// Seals what clients carry between the rounds of a request that asks (`requestState`) with a key made of this secret,
    /// the same on every replica: 32 random bytes or more. Without it the server makes a key in the store of its state,
    /// which is replaced daily; who can read that store can then forge what handlers take for earlier answers.
    pub fn secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(Keys::given(secret.as_ref()));
        self
    }

    /// Gives handlers a value that they ask for by `State<T>`.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.values.insert(TypeId::of::<T>(), Arc::new(value));
        self
    }

    /// Sends log messages of handlers to clients, or not. The default is to send them.
    pub fn client_logging(mut self, logging: bool) -> Self {
        self.logging = logging;
        self
    }

    /// At most so many items on a page of a list; without, a list is one page.
    pub fn page_size(mut self, items: usize) -> Self {
        self.components.page_size(items);
        self
    }

    /// After how long without a request a handshake session ends. The default is 30 minutes.
    pub fn session_idle_timeout(mut self, idle: Duration) -> Self {
        self.limits.sessions.idle = idle;
        self
    }

    /// How many handshake sessions this process serves at once. The default is 10,000.
    ///
    /// So many may be those of authenticated users. Anonymous callers have as many beside them, and so has whoever
    /// started the process: nobody can take the place of callers of another kind.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.limits.sessions.all = sessions;
        self
    }

    /// How many of those sessions one authenticated user may have, so that nobody alone locks the others out. The
    /// default is a tenth of [`Server::max_sessions`].
    pub fn max_sessions_per_user(mut self, sessions: usize) -> Self {
        self.limits.sessions.one = Some(sessions);
        self
    }

    /// How long values that `ctx.state()` keeps for a user live after the last write. The default is 30 days.
    pub fn state_ttl(mut self, ttl: Duration) -> Self {
        self.limits.user_state = ttl;
        self
    }

    /// After how long a handler is given up, or all that middlewares do around it. The default is 10 minutes.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.limits.handler_timeout = timeout;
        self
    }

    /// How many requests are at work at once, in a handler or waiting in a middleware; a request beyond is refused. The
    /// default is 1,024. Of handlers that are not `async` as many again may still stand on their threads when nobody
    /// waits for them any more.
    ///
    /// So many may be those of authenticated users. Anonymous callers have as many beside them, and so has whoever
    /// started the process: nobody can take the place of callers of another kind.
    pub fn max_concurrent_calls(mut self, calls: usize) -> Self {
        self.limits.calls.all = calls;
        self
    }

    /// How many of those requests one authenticated user may have at work, so that nobody's slow calls alone lock the
    /// others out. The default is a tenth of [`Server::max_concurrent_calls`].
    pub fn max_concurrent_calls_per_user(mut self, calls: usize) -> Self {
        self.limits.calls.one = Some(calls);
        self
    }

    /// How many `subscriptions/listen` are open at once. The default is 1,024.
    ///
    /// So many may be those of authenticated users. Anonymous callers have as many beside them, and so has whoever
    /// started the process. The stream of a handshake session is bounded by its session, which has one.
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.limits.listening.all = subscriptions;
        self
    }

    /// How many of those one authenticated user may have open. The default is a tenth of
    /// [`Server::max_subscriptions`].
    pub fn max_subscriptions_per_user(mut self, subscriptions: usize) -> Self {
        self.limits.listening.one = Some(subscriptions);
        self
    }

    /// Allows a `Host` beside the loopback names: the name that people reach this server by. With a port it allows that
    /// port only.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.http.hosts.push(host.into());
        self
    }

    /// Allows every `Host`. Browsers can then reach a server on this machine by DNS rebinding.
    pub fn any_host(mut self) -> Self {
        self.http.any_host = true;
        self
    }

    /// Allows browsers on this origin, such as `https://app.example`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.http.origins.push(origin.into().trim_end_matches('/').to_owned());
        self
    }

    /// How long requests in flight may go on after the server was told to stop. The default is 10 seconds.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.http.grace = grace;
        self
    }

    #[cfg(test)]
    pub(crate) fn http_options(mut self, change: impl FnOnce(&mut HttpOptions)) -> Self {
        change(&mut self.http);
        self
    }

    /// Serves stdin and stdout until stdin ends.
    ///
    /// # Errors
    /// As for [`Server::build`], and what reading and writing answers.
    pub async fn run(self) -> Result<()> {
        self.build()?.serve_stdio().await
    }

    /// Serves HTTP on `address`, such as `127.0.0.1:8000`: MCP at `/mcp`, with `/healthz` and `/readyz`. It ends on
    /// Ctrl-C or a termination signal, once what is in flight is answered.
    ///
    /// # Errors
    /// As for [`Server::build`], and an address that cannot be listened on.
    pub async fn serve_http(self, address: impl AsRef<str> + Send) -> Result<()> {
        self.build()?.serve_http(address).await
    }

    /// The MCP endpoint at `/mcp` as an axum router, to be mounted in any application. An `Extension<Principal>` of
    /// that application is who asks, unless [`Server::authenticate`] finds that out itself. Connection limits and
    /// timeouts are then the application's, and so is saying by which names it is reached: every `Host` that is not
    /// loopback is refused without [`Server::allow_host`] or [`Server::any_host`].
    ///
    /// # Errors
    /// As for [`Server::build`].
    pub fn into_router(self) -> Result<axum::Router> {
        Ok(self.build()?.router())
    }

    /// A client in this process, for tests.
    ///
    /// # Errors
    /// As for [`Server::build`].
    pub fn test_client(self) -> Result<TestClient> {
        Ok(self.build()?.test_client())
    }

    /// Builds the server.
    ///
    /// # Errors
    /// Says by name what is registered twice, misnamed or incomplete, and which store cannot bear what for.
    pub fn build(self) -> Result<Service> {
        self.limits.check()?;
        self.components.require_values(&self.values)?;
        let registry = self.components.build()?;
        for link in &self.chain {
            link.check(&Components(&registry))?;
        }
        let default = self.stores.all.unwrap_or_else(memory);
        let state = self.stores.state.unwrap_or_else(|| default.clone());
        check_state_store(&state)?;
        let name = self.info.name.clone();
        let cache = self.stores.cache.unwrap_or(default).prefixed(&name).erased();
        let state = state.prefixed(&name).erased();
        let clock = Clock::system();
        let keys = self.secret.unwrap_or_else(|| Keys::in_store(&state, clock.clone()));
        let hub = Hub::default();
        let dispatcher = Dispatcher::new(Shared {
            records: Records::new(&name, &state, keys, clock),
            questions: Pending::default(),
            info: self.info,
            instructions: self.instructions,
            components: Live::new(registry, self.dynamic, hub.clone()),
            hub,
            chain: self.chain,
            sessions: Sessions::new(state.clone(), self.limits.sessions),
            cache,
            states: States { store: state, session: self.limits.sessions.idle, user: self.limits.user_state },
            values: self.values,
            logging: self.logging,
            authenticated: self.authenticator.is_some(),
            handler_timeout: self.limits.handler_timeout,
            calls: Places::new(self.limits.calls),
            blocking: Places::new(self.limits.calls),
            listening: Places::new(self.limits.listening),
        });
        let (authenticator, http, flights) = (self.authenticator, self.http, Flights::default());
        Ok(Service { dispatcher, authenticator, http, flights })
    }
}

fn memory() -> AnyStore {
    AnyStore::new(MemoryStore::new())
}

/// Sessions and state must not vanish while they live.
fn check_state_store(store: &AnyStore) -> Result<()> {
    let capabilities = store.capabilities();
    if capabilities.evicts {
        return Err(Error::new(format!(
            "the {} store may evict entries, and sessions and state must not vanish: give another one by \
             .state_storage(..), or remove on_full=evict",
            capabilities.backend
        )));
    }
    if capabilities.consistency == Consistency::BestEffort {
        return Err(Error::new(format!(
            "the {} store promises no consistency, and sessions and state need it: give another one by \
             .state_storage(..)",
            capabilities.backend
        )));
    }
    Ok(())
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.info.name).finish_non_exhaustive()
    }
}
