//! Streamable HTTP (2026-07-28, basic/transports/streamable-http, and its forerunners).

mod allowed;
mod answer;
mod bodies;
mod doorway;
mod get;
mod listener;
mod paced;
mod post;
mod resumable;
mod session;
mod sse;
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod unix;
mod unread;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, ORIGIN, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::FutureExt as _;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::authenticate::Authenticator;
use crate::dispatch::Dispatcher;
use crate::protocol::{Failure, Renderer, RequestId, code};
use crate::replica::Serving;
use crate::running::Alone;

use bodies::Bodies;
#[cfg(test)]
pub(super) use listener::MAX_HEAD;
pub(crate) use listener::{bind, serve, serve_until};
#[cfg(unix)]
pub(crate) use unix::serve_unix;
use unread::Unread;

/// The header that names a handshake session.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The settings of HTTP.
#[derive(Clone, Debug)]
pub(crate) struct HttpOptions {
    pub(crate) hosts: Vec<String>,
    pub(crate) any_host: bool,
    pub(crate) origins: Vec<String>,
    pub(crate) max_connections: usize,
    /// How long a request's head may take.
    pub(crate) header_timeout: Duration,
    /// How long a request's body may take.
    pub(crate) body_timeout: Duration,
    /// What the bodies over 16 KiB that are on their way, or whose requests still run, may take together.
    pub(crate) max_bodies_bytes: usize,
    /// What clients may leave unread of answers over 16 KiB, together: one user's is a tenth of it.
    pub(crate) max_unread_bytes: usize,
    /// How long a client may take nothing of what is written to it, or less than 16 KiB per second.
    pub(crate) write_timeout: Duration,
    /// After how long without an answer the answer becomes a stream: proxies cut silent ones.
    pub(crate) silence: Duration,
    /// How often a silent stream says that it is alive.
    pub(crate) keep_alive: Duration,
    /// How long requests in flight may go on after the server was told to stop.
    pub(crate) grace: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            any_host: false,
            origins: Vec::new(),
            max_connections: 10_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            max_bodies_bytes: 256 << 20,
            max_unread_bytes: 256 << 20,
            write_timeout: Duration::from_secs(30),
            silence: Duration::from_secs(5),
            keep_alive: Duration::from_secs(15),
            grace: Duration::from_secs(10),
        }
    }
}

/// What every request of one endpoint shares.
#[derive(Clone)]
pub(crate) struct Endpoint(Arc<Inner>);

struct Inner {
    dispatcher: Dispatcher,
    authenticator: Option<Authenticator>,
    options: HttpOptions,
    renderer: Renderer,
    bodies: Bodies,
    unread: Unread,
    stopping: tokio::sync::watch::Sender<Stopping>,
    /// Whether anybody was told that this server is ready: who asks wants to see that it is not any more.
    was_ready: AtomicBool,
    /// Requests that run on though their clients have gone.
    alone: Alone,
    /// Where nobody says that it has ended: it serves until it is dropped.
    mounted: OnceLock<Serving>,
}

/// How far the end of the server has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stopping {
    #[default]
    No,
    /// It says that it is not ready, and takes what comes until that was seen.
    Leaving,
    /// No new connections; requests in flight go on.
    Soon,
    /// Requests in flight are given up.
    Now,
}

impl Endpoint {
    pub(crate) fn new(
        dispatcher: Dispatcher,
        authenticator: Option<Authenticator>,
        options: HttpOptions,
    ) -> Self {
        let renderer = Renderer::new(dispatcher.info());
        let bodies = Bodies::new(options.max_bodies_bytes);
        let unread = Unread::new(options.max_unread_bytes);
        let (stopping, was_ready, alone, mounted) = Default::default();
        Self(Arc::new(Inner {
            dispatcher,
            authenticator,
            options,
            renderer,
            bodies,
            unread,
            stopping,
            was_ready,
            alone,
            mounted,
        }))
    }

    /// Has it serve for as long as anybody has it or its router.
    pub(crate) fn mounted(self, serving: Serving) -> Self {
        let _ = self.0.mounted.set(serving);
        self
    }

    /// The MCP endpoint at `/mcp`, to be mounted in any application.
    pub(crate) fn router(&self) -> Router {
        let this = self.clone();
        let serve = service_fn(move |request| mcp(this.clone(), request).map(Ok::<_, Infallible>));
        // Each request has the router copied, and CORS has much to copy.
        let to_browsers = Arc::new(self.cors().layer(serve));
        let this = self.clone();
        let entry = move |request: Request| {
            let (this, to_browsers) = (this.clone(), Arc::clone(&to_browsers));
            async move {
                // Browsers alone send it, and only they need to be told what scripts may do with the answer.
                if !request.headers().contains_key(ORIGIN) {
                    return mcp(this, request).await;
                }
                let (parts, body) = request.into_parts();
                if parts.method == Method::OPTIONS
                    && let Err(refusal) = this.check_place(&parts)
                {
                    return *refusal;
                }
                let request = Request::from_parts(parts, body);
                (*to_browsers).clone().oneshot(request).await.into_response()
            }
        };
        Router::new().route("/mcp", any(entry))
    }

    /// The endpoint with `/healthz` (the process lives) and `/readyz` (it takes requests).
    pub(crate) fn whole_router(&self) -> Router {
        let probes = Router::new().route("/healthz", get(healthy)).route("/readyz", get(ready));
        probes.with_state(self.clone()).merge(self.router())
    }

    /// Browsers of allowed origins may send what MCP needs, and read the session's id.
    fn cors(&self) -> CorsLayer {
        let this = self.clone();
        let allowed = move |_: &HeaderValue, parts: &Parts| doorway::origin_allowed(&this.0.options, parts);
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(allowed))
            .allow_methods([Method::POST, Method::GET, Method::DELETE])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([SESSION])
    }

    /// `allowed` is what this endpoint, or whoever asks, may use instead.
    fn not_allowed(&self, allowed: &'static str) -> Response {
        let failure = Failure::new(code::INVALID_REQUEST, format!("this endpoint takes {allowed} here"));
        let mut response = self.refuse(StatusCode::METHOD_NOT_ALLOWED, None, &failure);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        response
    }

    /// A refusal that does not last.
    fn refuse_for_now(&self, status: StatusCode, id: Option<&RequestId>, failure: &Failure) -> Response {
        let mut response = self.refuse(status, id, failure);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(answer::RETRY_AFTER.as_secs()));
        response
    }

    /// An error that concerns the transport, or a request that is refused before it is served.
    fn refuse(&self, status: StatusCode, id: Option<&RequestId>, failure: &Failure) -> Response {
        answer::json(status, self.0.renderer.error(id, failure))
    }
}

/// A `POST` is what clients send all the time: what others need is in boxes, so that its future is small.
async fn mcp(endpoint: Endpoint, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let verified = match endpoint.enter(&mut parts).await {
        Ok(verified) => verified,
        Err(refusal) => return *refusal,
    };
    let principal = verified.principal.clone();
    let response = match parts.method {
        Method::POST => endpoint.post(parts, body, verified).await,
        Method::DELETE => Box::pin(endpoint.end_session(&parts, &verified)).await,
        Method::GET => Box::pin(endpoint.get(parts, verified)).await,
        _ => endpoint.not_allowed("POST, GET, DELETE"),
    };
    endpoint.0.unread.counted(&principal, response)
}

async fn healthy() -> &'static str {
    "ok\n"
}

async fn ready(State(endpoint): State<Endpoint>) -> Response {
    if *endpoint.0.stopping.borrow() == Stopping::No {
        endpoint.0.was_ready.store(true, Ordering::Release);
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
    }
}
