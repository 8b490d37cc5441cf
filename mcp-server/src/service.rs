//! A built server, and the transports that it may have.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::authenticate::Authenticator;
use crate::dispatch::Dispatcher;
use crate::hub::Change;
use crate::transport::{self, Connection, Endpoint, Flights, HttpOptions, TestClient};
use crate::{Catalog, Principal, Result};

/// A server that was built and lacks only a transport. Cheap to clone: it may have several at once, which share its
/// components, sessions and limits.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) authenticator: Option<Authenticator>,
    pub(crate) http: HttpOptions,
    /// A request that came in by one endpoint can be cancelled by another.
    pub(crate) flights: Flights,
}

impl Service {
    /// Serves stdin and stdout until stdin ends, as whoever started the process.
    ///
    /// # Errors
    /// What reading and writing answers.
    pub async fn serve_stdio(&self) -> Result<()> {
        transport::stdio::serve(self.connection()).await
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
        Ok(transport::stream::serve(self.connection(), input, output).await?)
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

    /// The MCP endpoint as an axum router; see [`Server::into_router`](crate::Server::into_router).
    pub fn router(&self) -> axum::Router {
        self.endpoint().router()
    }

    /// The components of this server, which come and go while it runs.
    pub fn components(&self) -> Catalog {
        Catalog::new(self.dispatcher.clone())
    }

    /// Tells every client that subscribed to the resource of this URI, and may read it, that it has another content.
    /// Never waits; updates that follow each other faster than a client reads are told to it once.
    pub fn resource_updated(&self, uri: &str) {
        self.dispatcher.hub().publish(&Change::Updated(uri.into()));
    }

    /// A client in this process, for tests.
    pub fn test_client(&self) -> TestClient {
        TestClient::new(self.dispatcher.clone())
    }

    pub(crate) fn connection(&self) -> Arc<Connection> {
        Connection::new(self.dispatcher.clone(), Principal::local())
    }

    fn endpoint(&self) -> Endpoint {
        let (dispatcher, authenticator) = (self.dispatcher.clone(), self.authenticator.clone());
        Endpoint::new(dispatcher, authenticator, self.http.clone(), self.flights.clone())
    }
}
