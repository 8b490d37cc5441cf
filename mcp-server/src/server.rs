//! What users build: a server, part by part.

mod extensions;
mod limits;

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{AnyStore, Clock, Consistency, Store, StoreExt as _};
use kv_memory::MemoryStore;

use crate::asking::{Keys, LEFT, Left, Pages, Pending, Records};
use crate::authenticate::Authenticator;
use crate::component::{IntoPrompt, IntoResource, IntoTool};
use crate::dispatch::{CANCELLING, Dispatcher, Shared, Values};
use crate::events::Streams;
use crate::flights::Flights;
use crate::hub::Hub;
use crate::middleware::{Components, Link};
use crate::places::Places;
use crate::protocol::{Icon, Implementation, Json};
use crate::rate::{Buckets, Rate};
use crate::registry::{Live, RegistryBuilder};
use crate::replica::Replica;
use crate::running::Alone;
use crate::session::Sessions;
use crate::state::States;
use crate::transport::{HttpOptions, TestClient};
use crate::{Authenticate, Dynamic, Error, Middleware, Result, Service};

pub(crate) use self::extensions::Extensions;
pub(crate) use self::limits::{LONGEST, Limits};

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
    extensions: Vec<(String, Json)>,
    chain: Vec<Link>,
    values: Values,
    stores: Stores,
    authenticator: Option<Authenticator>,
    secret: Option<Keys>,
    logging: bool,
    limits: Limits,
    http: HttpOptions,
    guard_stdout: bool,
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
            extensions: Vec::new(),
            chain: Vec::new(),
            values: Values::new(),
            stores: Stores::default(),
            authenticator: None,
            secret: None,
            logging: true,
            limits: Limits::default(),
            http: HttpOptions::default(),
            guard_stdout: true,
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
    pub fn tool<Kind>(mut self, tool: impl IntoTool<Kind>) -> Self {
        self.components.tool(tool.into_tool());
        self
    }

    /// Adds a resource or a resource template: what `#[resource(..)]` made, a [`Resource`](crate::Resource) or a
    /// [`ResourceTemplate`](crate::ResourceTemplate).
    pub fn resource<Kind>(mut self, resource: impl IntoResource<Kind>) -> Self {
        self.components.resource(resource.into_resource());
        self
    }

    /// Adds a prompt: what `#[prompt]` made, or a [`Prompt`](crate::Prompt).
    pub fn prompt<Kind>(mut self, prompt: impl IntoPrompt<Kind>) -> Self {
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

    /// Declares that this server has an extension of the protocol, such as `com.example/thing`, with its settings: an
    /// object, `{}` where there are none. What the extension does is yours, in a [`Middleware`] for methods of its own.
    ///
    /// Clients of 2026-07-28 are told by `server/discover`, those of a handshake at its answer where they named
    /// extensions themselves. [`Context::client_extension`](crate::Context::client_extension) tells what the client
    /// declared, without which you do what the protocol alone can, or refuse by
    /// [`Capability::Extension`](crate::Capability).
    pub fn extension(mut self, name: impl Into<String>, settings: impl Into<Json>) -> Self {
        self.extensions.push((name.into(), settings.into()));
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

    /// For how long a request over HTTP may go by what this process read of its session before, instead of asking the
    /// store each time. The default is zero: no copy is trusted.
    ///
    /// What it saves is one `get` for each request of a handshake session. What it costs, where several processes share
    /// the store: for so long a session that has ended at another replica may still be served at this one, until this one
    /// hears of the end, and a log level that was set there is not heard here. What this process does to a session takes
    /// effect at once. A copy lives a quarter of the idle timeout at most, whatever is set here.
    pub fn session_cache(mut self, life: Duration) -> Self {
        self.limits.sessions.copies = life;
        self
    }

    /// How long values that `ctx.state()` keeps for a user live after the last write. The default is 30 days.
    pub fn state_ttl(mut self, ttl: Duration) -> Self {
        self.limits.user_state = ttl;
        self
    }

    /// How long a session that a handler opened lives after the last write. The default is a day.
    pub fn opened_session_ttl(mut self, ttl: Duration) -> Self {
        self.limits.opened_sessions = ttl;
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

    /// How many completions one authenticated user may ask for per second in the long run, and four times as many at
    /// once. The default is 50, faster than anybody types. What is beyond is refused with -32600.
    ///
    /// Anonymous callers have ten times as many together, and so has whoever started the process; beyond that it is
    /// -32603.
    pub fn max_completions_per_second(mut self, completions: u32) -> Self {
        self.limits.completing = Rate::of_requests(completions);
        self
    }

    /// Allows a `Host` beside the loopback names: the name that people reach this server by. With a port it allows that
    /// port only. What is no name or address with or without a port is an error of [`Server::build`].
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.http.hosts.push(host.into());
        self
    }

    /// Allows every `Host`. Browsers can then reach a server on this machine by DNS rebinding.
    pub fn any_host(mut self) -> Self {
        self.http.any_host = true;
        self
    }

    /// Allows browsers on this origin, such as `https://app.example`: a scheme, a host, and a port that is not the
    /// scheme's own. Anything else is an error of [`Server::build`].
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.http.origins.push(origin.into().trim_end_matches('/').to_owned());
        self
    }

    /// How much of their answers over HTTP clients may leave unread, in bytes; smaller answers than 16 KiB do not count. The
    /// default is 256 MiB. A request of whoever leaves more is refused until it was read: with 429 where one authenticated
    /// user leaves more than a tenth, with 503 where users together do more than all.
    ///
    /// Anonymous callers have as much beside them. What is unread is in this process: what the kernel took is not counted.
    pub fn max_unread_bytes(mut self, bytes: usize) -> Self {
        self.http.max_unread_bytes = bytes;
        self
    }

    /// How long requests in flight may go on after the server was told to stop. The default is 10 seconds.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.http.grace = grace;
        self
    }

    /// Keeps stdout for the protocol while [`Server::run`] serves it, or not. The default is to keep it.
    ///
    /// Until `run` ends, what a handler prints goes to stderr, and so does what the processes that it starts write to the
    /// stdout that they inherit: descriptor 1 is stderr meanwhile. It is on Unix alone; elsewhere, and without it, a line
    /// that is printed stands between those of the protocol, where clients stumble over it. Turn it off where the program
    /// changes its descriptors itself.
    pub fn guard_stdout(mut self, guard: bool) -> Self {
        self.guard_stdout = guard;
        self
    }

    #[cfg(test)]
    pub(crate) fn http_options(mut self, change: impl FnOnce(&mut HttpOptions)) -> Self {
        change(&mut self.http);
        self
    }

    /// Serves stdin and stdout until stdin ends. Stdout is the protocol's alone, see [`Server::guard_stdout`].
    ///
    /// # Errors
    /// As for [`Server::build`], what reading and writing answers, and standard streams that are served already.
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

    /// Serves HTTP on a Unix socket at `path`, otherwise as [`Server::serve_http`]: for clients on this machine that run
    /// as the same user, and for proxies.
    ///
    /// The socket's file has the mode 0600; whoever else shall connect is given the right by its owner. One that a process
    /// left behind which lives no more is replaced, and it is removed at the end. Any `Host` comes in unless
    /// [`Server::allow_host`] names some; an `Origin` must be named by [`Server::allow_origin`], also a loopback one.
    ///
    /// # Errors
    /// As for [`Server::build`], and a path where another process serves, that holds something else than a socket, is longer
    /// than sockets may be (107 bytes on Linux), or cannot be written.
    #[cfg(unix)]
    pub async fn serve_unix(self, path: impl AsRef<std::path::Path> + Send) -> Result<()> {
        self.build()?.serve_unix(path).await
    }

    /// The MCP endpoint at `/mcp` as an axum router, to be mounted in any application. An `Extension<Principal>` of
    /// that application is who asks, unless [`Server::authenticate`] finds that out itself. Connection limits and
    /// timeouts are then the application's, and so is saying by which names it is reached: every `Host` that is not
    /// loopback is refused without [`Server::allow_host`] or [`Server::any_host`]. On a store that is shared the process is
    /// among the replicas until the router is dropped.
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
        self.http.check()?;
        self.components.require_values(&self.values)?;
        let registry = self.components.build()?;
        let extensions = extensions::checked(self.extensions)?;
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
        let (hub, replica, left) = (Hub::default(), Replica::new(&state), Left::new(LEFT));
        let dispatcher = Dispatcher::new(Shared {
            records: Records::new(&name, &state, keys, clock, left.clone()),
            questions: Pending::default(),
            pages: Pages::new(&state, hub.clone(), replica.clone(), left),
            flights: Flights::new(replica.clone()),
            streams: Streams::new(replica.clone(), &state, self.limits.handler_timeout),
            replica,
            info: self.info,
            instructions: self.instructions,
            components: Live::new(registry, self.dynamic, hub.clone()),
            hub,
            chain: self.chain,
            sessions: Sessions::new(state.clone(), self.limits.sessions),
            cache,
            states: States {
                store: state,
                session: self.limits.sessions.idle,
                user: self.limits.user_state,
                opened: self.limits.opened_sessions,
            },
            values: self.values,
            logging: self.logging,
            authenticated: self.authenticator.is_some(),
            handler_timeout: self.limits.handler_timeout,
            calls: Places::new(self.limits.calls),
            blocking: Places::new(self.limits.calls),
            listening: Places::new(self.limits.listening),
            completing: Buckets::new(self.limits.completing),
            cancelling: Buckets::new(CANCELLING),
            extensions,
            finishing: Alone::default(),
        });
        Ok(Service {
            dispatcher,
            authenticator: self.authenticator,
            http: self.http,
            guard_stdout: self.guard_stdout,
        })
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
