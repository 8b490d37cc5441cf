//! Our own accept loop: a cap on connections, a time for the request's head, and an end that waits for no stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use super::doorway::LocalAddress;
use super::{Endpoint, Stopping};
use crate::transport::stdio::stopped;
use crate::{Error, Result};

/// After how long accepting is tried again when it failed, as it does when file handles run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The largest head of a request, and how much is read ahead of whoever takes it.
const MAX_HEAD: usize = 64 << 10;
/// How long answers that say "shutting down" may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until the process is told to stop.
pub(crate) async fn serve(endpoint: Endpoint, listener: TcpListener) -> Result<()> {
    let address = listener.local_addr()?;
    warn_if_open(&endpoint, address);
    tracing::info!(%address, "serving MCP at http://{address}/mcp");
    let connections = GracefulShutdown::new();
    let stopped = stopped(); // heard from before the first connection is taken
    tokio::select! {
        () = accept(&endpoint, &listener, &connections) => {}
        () = stopped => {}
    }
    drop(listener);
    stop(&endpoint, connections).await;
    Ok(())
}

/// Requests in flight get their grace; then they are answered that the server is shutting down.
async fn stop(endpoint: &Endpoint, connections: GracefulShutdown) {
    endpoint.0.stopping.send_replace(Stopping::Soon);
    let closed = connections.shutdown();
    tokio::pin!(closed);
    if tokio::time::timeout(endpoint.0.options.grace, &mut closed).await.is_err() {
        endpoint.0.stopping.send_replace(Stopping::Now);
        let _ = tokio::time::timeout(LAST_WORDS, closed).await;
    }
}

async fn accept(endpoint: &Endpoint, listener: &TcpListener, connections: &GracefulShutdown) {
    let room = Arc::new(Semaphore::new(endpoint.0.options.max_connections));
    let router = endpoint.whole_router();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = serve_connection(endpoint, &router, stream, connections);
                tokio::spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

fn serve_connection(
    endpoint: &Endpoint,
    router: &Router,
    stream: TcpStream,
    connections: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().ok().map(LocalAddress);
    let service = router.clone().map_request(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        if let Some(local) = local {
            request.extensions_mut().insert(local);
        }
        request
    });
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    let options = &endpoint.0.options;
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(MAX_HEAD);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(options.write_timeout)); // who never reads would keep its place for ever
    let connection =
        builder.serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
    let watched = connections.watch(connection.into_owned());
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

fn warn_if_open(endpoint: &Endpoint, address: SocketAddr) {
    if endpoint.0.authenticator.is_none() && !address.ip().to_canonical().is_loopback() {
        tracing::warn!(%address, "everybody who reaches this address may use the server: it asks for no authentication");
    }
}

/// Binds `address`.
pub(crate) async fn bind(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::new(format!("{address:?} cannot be listened on: give another address, such as 127.0.0.1:8000"))
            .because(error)
    })
}
