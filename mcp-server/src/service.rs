//! A built server, and the transports that it may have.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::authenticate::Authenticator;
use crate::dispatch::Dispatcher;
use crate::transport::{self, Connection, Endpoint, HttpOptions, TestClient};
use crate::{Catalog, Pages, Principal, Result};

/// A server that was built and lacks only a transport. Cheap to clone: it may have several at once, which share its
/// components, sessions and limits.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) authenticator: Option<Authenticator>,
    pub(crate) http: HttpOptions,
    pub(crate) guard_stdout: bool,
}

impl Service {
    /// Serves stdin and stdout until stdin ends, as whoever started the process; see
    /// [`Server::guard_stdout`](crate::Server::guard_stdout).
    ///
    /// # Errors
    /// What reading and writing answers, and standard streams that are served already.
    pub async fn serve_stdio(&self) -> Result<()> {
        self.among_replicas(transport::stdio::serve(self.connection(), self.guard_stdout)).await
    }

    /// Serves one connection that carries a message a line, such as a socket, as whoever started the process. It
    /// ends with its input.
    ///
    /// # Errors
    /// What reading and writing answers.
    pub async fn serve_lines(
        &self,
        input: impl AsyncRead + Send + Unpin,
        output: impl AsyncWrite + Send + Unpin,
    ) -> Result<()> {
        Ok(self.among_replicas(transport::stream::serve(self.connection(), input, output)).await?)
    }

    /// Serves HTTP on `address`; see [`Server::serve_http`](crate::Server::serve_http).
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn serve_http(&self, address: impl AsRef<str> + Send) -> Result<()> {
        let listener = transport::bind(address.as_ref()).await?;
        self.serve_listener(listener).await
    }

    /// Serves HTTP on a listener that is bound already.
    ///
    /// # Errors
    /// The listener does not know its address.
    pub async fn serve_listener(&self, listener: TcpListener) -> Result<()> {
        transport::serve(self.endpoint(), listener).await
    }

    /// As [`Service::serve_listener`], until `stopped` is ready instead of until the process is told to stop.
    ///
    /// # Errors
    /// The listener does not know its address.
    pub async fn serve_listener_until(
        &self,
        listener: TcpListener,
        stopped: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        transport::serve_until(self.endpoint(), listener, stopped).await
    }

    /// Serves HTTP on a Unix socket; see [`Server::serve_unix`](crate::Server::serve_unix).
    ///
    /// # Errors
    /// The path cannot be listened on.
    #[cfg(unix)]
    pub async fn serve_unix(&self, path: impl AsRef<std::path::Path> + Send) -> Result<()> {
        transport::serve_unix(self.endpoint(), path.as_ref()).await
    }

    /// The MCP endpoint as an axum router; see [`Server::into_router`](crate::Server::into_router).
    pub fn router(&self) -> axum::Router {
        self.endpoint().mounted(self.dispatcher.replica().open()).router()
    }

    /// The components of this server, which come and go while it runs.
    pub fn components(&self) -> Catalog {
        Catalog::new(self.dispatcher.clone())
    }

    /// Tells every client that subscribed to the resource of this URI, and may read it, that it has another content.
    /// Never waits; updates that follow each other faster than a client reads are told to it once. On a store that is
    /// shared, clients of the other processes are told too.
    pub fn resource_updated(&self, uri: &str) {
        self.dispatcher.resource_updated(uri);
    }

    /// The pages that people were sent to by [`Context::elicit_page`](crate::Context::elicit_page), for whoever serves them.
    pub fn pages(&self) -> Pages {
        self.dispatcher.pages().clone()
    }

    /// A client in this process, for tests.
    pub fn test_client(&self) -> TestClient {
        TestClient::new(self.dispatcher.clone())
    }

    pub(crate) fn connection(&self) -> Arc<Connection> {
        Connection::new(self.dispatcher.clone(), Principal::local())
    }

    /// Serves, and takes this process away from among those that share its store when the last that serves has ended.
    async fn among_replicas<T>(&self, serving: impl Future<Output = T>) -> T {
        let among = self.dispatcher.replica().open();
        let served = serving.await;
        among.close().await;
        served
    }

    fn endpoint(&self) -> Endpoint {
        let (dispatcher, authenticator) = (self.dispatcher.clone(), self.authenticator.clone());
        Endpoint::new(dispatcher, authenticator, self.http.clone())
    }
}
