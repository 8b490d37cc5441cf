//! Our own accept loop: a cap on connections, a time for the request's head, and an end that waits for no stream.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::doorway::CameIn;
use super::paced::Paced;
use super::{Endpoint, Stopping};
use crate::transport::stdio::stopped;
use crate::{Error, Result};

/// After how long accepting is tried again when it failed, as it does when file handles run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The largest head of a request, and how much is read ahead of whoever takes it.
pub(in crate::transport) const MAX_HEAD: usize = 64 << 10;
/// How long a server that is to stop says that it is not ready, before it takes no more connections.
const LEAVING: Duration = Duration::from_millis(250);
/// How long answers that say "shutting down" may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where connections come from.
pub(super) trait Door: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and where it came in, if that is known.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<CameIn>)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<CameIn>)> {
        let (stream, _) = Self::accept(self).await?;
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().ok().map(CameIn::Address);
        Ok((stream, local))
    }
}

/// Serves until the process is told to stop.
pub(crate) async fn serve(endpoint: Endpoint, listener: TcpListener) -> Result<()> {
    let stopped = stopped(); // heard from before the first connection is taken
    serve_until(endpoint, listener, stopped).await
}

/// Serves until `stopped`.
pub(crate) async fn serve_until(
    endpoint: Endpoint,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send,
) -> Result<()> {
    let address = listener.local_addr()?;
    warn_if_open(&endpoint, address);
    tracing::info!(%address, "serving MCP at http://{address}/mcp");
    serve_door(endpoint, listener, stopped).await;
    Ok(())
}

/// Serves what comes in by `door` until `stopped`; then no more comes in.
pub(super) async fn serve_door(
    endpoint: Endpoint,
    door: impl Door,
    stopped: impl Future<Output = ()> + Send,
) {
    let connections = GracefulShutdown::new();
    let serving = endpoint.0.dispatcher.replica().open();
    let left = async {
        stopped.await;
        leave(&endpoint).await;
    };
    tokio::select! {
        () = accept(&endpoint, &door, &connections) => {}
        () = left => {}
    }
    drop(door);
    stop(&endpoint, connections).await;
    endpoint.0.dispatcher.streams().flush().await;
    serving.close().await;
}

/// Whoever asks whether this server is ready is to see that it is not, before the door closes: until then clients are sent here.
async fn leave(endpoint: &Endpoint) {
    if endpoint.0.was_ready.load(Ordering::Acquire) {
        endpoint.0.stopping.send_replace(Stopping::Leaving);
        tokio::time::sleep(LEAVING).await;
    }
}

/// Requests in flight get their grace; then they are answered that the server is shutting down.
async fn stop(endpoint: &Endpoint, connections: GracefulShutdown) {
    endpoint.0.stopping.send_replace(Stopping::Soon);
    let streams = endpoint.0.dispatcher.streams();
    // Requests whose client has left, for a while or for good, are in flight too.
    let alone = &endpoint.0.alone;
    let closed = async {
        connections.shutdown().await; // from then on no more of them begin
        futures_util::future::join(streams.written(), alone.ended()).await;
        endpoint.0.dispatcher.finishing().ended().await;
    };
    tokio::pin!(closed);
    if tokio::time::timeout(endpoint.0.options.grace, &mut closed).await.is_err() {
        endpoint.0.stopping.send_replace(Stopping::Now);
        alone.give_up();
        let _ = tokio::time::timeout(LAST_WORDS, closed).await;
    }
}

async fn accept(endpoint: &Endpoint, door: &impl Door, connections: &GracefulShutdown) {
    let room = Arc::new(Semaphore::new(endpoint.0.options.max_connections));
    let router = endpoint.whole_router();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match door.accept().await {
            Ok((stream, came_in)) => {
                let serving = serve_connection(endpoint, &router, stream, came_in, connections);
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
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    came_in: Option<CameIn>,
    connections: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let service = router.clone().map_request(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        if let Some(came_in) = came_in {
            request.extensions_mut().insert(came_in);
        }
        request
    });
    let mut builder = http1::Builder::new();
    let options = &endpoint.0.options;
    builder.timer(TokioTimer::new()).header_read_timeout(options.header_timeout).max_buf_size(MAX_HEAD);
    let stream = Paced::new(stream, options.write_timeout); // who never reads would keep its place for ever
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let watched = connections.watch(connection);
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

fn warn_if_open(endpoint: &Endpoint, address: SocketAddr) {
    if is_open(endpoint.0.authenticator.is_some(), address.ip()) {
        tracing::warn!(%address, "everybody who reaches this address may use the server: it asks for no authentication");
    }
}

/// Whether others than this machine can reach an address at which nobody proves who it is.
fn is_open(asks_for_a_proof: bool, ip: IpAddr) -> bool {
    !asks_for_a_proof && !ip.to_canonical().is_loopback()
}

/// Binds `address`.
pub(crate) async fn bind(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::new(format!("{address:?} cannot be listened on: give another address, such as 127.0.0.1:8000"))
            .because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::is_open;

    #[test]
    fn an_address_that_others_reach_without_a_proof_is_warned_of() {
        for ip in ["0.0.0.0", "::", "10.0.0.1", "192.0.2.1", "::ffff:10.0.0.1"] {
            assert!(is_open(false, ip.parse().unwrap()) && !is_open(true, ip.parse().unwrap()), "{ip}");
        }
        for ip in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(!is_open(false, ip.parse().unwrap()), "{ip}");
        }
    }
}
