//! The chain around every request: what it looks like from outside, and how it is run.

mod cache;
mod logging;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::dispatch::Dispatcher;
use crate::protocol::{Failure, code};
use crate::registry::Registry;
use crate::{Answer, Context, Request, Result};

pub use cache::{CacheStatistics, Cached, ResponseCache, StatisticsReader};
pub use logging::Logging;

/// A future that owns all it needs: it can be moved into a body, detached, shared or run again.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// As [`BoxFuture`], but it may borrow.
pub(crate) type Borrowed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that stands around every request. The first one added is the outermost.
///
/// It never sees a stream: a request goes in, one answer comes out. HTTP matters (CORS, body limits, compression)
/// are layers of the router instead.
pub trait Middleware: Send + Sync + 'static {
    /// Decides whether the request may go on. Runs before any [`Middleware::handle`], and before a cached answer is
    /// used, so that a withdrawn right takes effect at once. It may ask a store or a policy server.
    ///
    /// It is also asked, as for `resources/read`, before a client subscribes to a resource and before it is told of each
    /// update.
    fn authorize(&self, request: &Request) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = request;
        std::future::ready(Ok(()))
    }

    /// What is wrong with its settings: asked once, when the server is built.
    ///
    /// # Errors
    /// Names the setting and what it may be.
    fn check(&self, components: &Components<'_>) -> Result<()> {
        let _ = components;
        Ok(())
    }

    /// Handles the request, usually by running `next` and looking at what comes out.
    fn handle(&self, request: Request, next: Next) -> impl Future<Output = Answer> + Send {
        next.run(request)
    }
}

/// What a server is made of, for middlewares whose settings name components.
#[derive(Debug)]
pub struct Components<'a>(pub(crate) &'a Registry);

impl Components<'_> {
    /// Whether there is a tool of this name.
    pub fn has_tool(&self, name: &str) -> bool {
        self.0.tool(name).is_some()
    }

    /// Whether a resource or a template answers to this URI.
    pub fn has_resource(&self, uri: &str) -> bool {
        self.0.resource(uri).is_some()
    }

    /// Whether there is a prompt of this name.
    pub fn has_prompt(&self, name: &str) -> bool {
        self.0.prompt(name).is_some()
    }
}

/// Why a request may not go on, as the client sees it.
#[derive(Clone, Debug)]
pub struct Refusal(Failure);

impl Refusal {
    /// A refusal with a sentence for the client: it says what is missing, not what is hidden.
    pub fn new(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self(Failure::new(code::INVALID_REQUEST, message))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.0)
    }
}

/// What stands further in. Cheap to clone: a retry runs it twice.
#[derive(Clone)]
pub struct Next {
    dispatcher: Dispatcher,
    position: usize,
}

impl Next {
    pub(crate) const fn first(dispatcher: Dispatcher) -> Self {
        Self { dispatcher, position: 0 }
    }

    pub(crate) const fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// What a handler would know of `request`: its state, and the way of notifications to its client.
    pub fn context(&self, request: &Request) -> Context {
        Context::new(request.clone(), self.dispatcher.clone(), false)
    }

    /// Runs the rest of the chain, and the component at its end.
    pub fn run(mut self, request: Request) -> impl Future<Output = Answer> + Send + 'static {
        let middleware = self.dispatcher.chain().get(self.position).cloned();
        self.position += 1;
        match middleware {
            Some(middleware) => middleware.0.handle(Box::new(request), self),
            None => self.dispatcher.perform(request),
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("position", &self.position).finish_non_exhaustive()
    }
}

/// One middleware of the chain, its type erased.
#[derive(Clone)]
pub(crate) struct Link(Arc<dyn Erased>);

impl Link {
    pub(crate) fn new(middleware: impl Middleware) -> Self {
        Self(Arc::new(middleware))
    }

    pub(crate) fn check(&self, components: &Components<'_>) -> Result<()> {
        self.0.check(components)
    }

    pub(crate) async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        self.0.authorize(request).await
    }
}

/// The object-safe mirror of [`Middleware`].
trait Erased: Send + Sync {
    fn check(&self, components: &Components<'_>) -> Result<()>;
    fn authorize<'a>(&'a self, request: &'a Request) -> Borrowed<'a, Result<(), Refusal>>;
    /// The request in a box: the future of a middleware holds it twice otherwise.
    fn handle(self: Arc<Self>, request: Box<Request>, next: Next) -> BoxFuture<Answer>;
}

impl<M: Middleware> Erased for M {
    fn check(&self, components: &Components<'_>) -> Result<()> {
        Middleware::check(self, components)
    }

    fn authorize<'a>(&'a self, request: &'a Request) -> Borrowed<'a, Result<(), Refusal>> {
        Box::pin(Middleware::authorize(self, request))
    }

    fn handle(self: Arc<Self>, request: Box<Request>, next: Next) -> BoxFuture<Answer> {
        Box::pin(async move { Middleware::handle(&*self, *request, next).await })
    }
}
