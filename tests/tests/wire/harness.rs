//! One cell of the table: a revision over a transport, and how a server is reached there.

use std::fmt;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;

use larder_tests::effects::Effects;
use larder_tests::fixture;
use mcp_server::protocol::Revision;
use mcp_server::{Server, Service};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::client::Client;
use crate::lines::Lines;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    /// A message a line, over a pair of pipes: what stdio is.
    Lines,
    /// The standard streams of a process for each client, which serves the fixture.
    Process,
    /// Streamable HTTP, over TCP.
    Http,
    /// The client in the same process.
    Memory,
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Harness {
    pub(crate) revision: Revision,
    pub(crate) transport: Transport,
}

/// Why a behaviour was not shown in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotShown {
    /// The revision or the transport has no such thing.
    NotApplicable(&'static str),
}

/// Of the process no test changes the server, holds it in its hands, or stops its clock.
pub(crate) const IN_THIS_PROCESS: NotShown =
    NotShown::NotApplicable("a process of its own serves the fixture as it is");

/// How a behaviour ends that was not broken.
pub(crate) type Shown = Result<(), NotShown>;

impl Harness {
    pub(crate) const TRANSPORTS: [Transport; 4] =
        [Transport::Lines, Transport::Process, Transport::Http, Transport::Memory];

    pub(crate) fn is_stateless(self) -> bool {
        self.revision.is_stateless()
    }

    pub(crate) fn is_http(self) -> bool {
        self.transport == Transport::Http
    }

    /// Whether results have structured content (2025-06-18 and later).
    pub(crate) fn is_structured(self) -> bool {
        !matches!(self.revision, Revision::V2024_11_05 | Revision::V2025_03_26)
    }

    pub(crate) fn only_http(self) -> Shown {
        only(self.is_http(), "a matter of HTTP")
    }

    pub(crate) fn only_lines(self) -> Shown {
        only(matches!(self.transport, Transport::Lines | Transport::Process), "a matter of lines")
    }

    pub(crate) fn only_in_this_process(self) -> Shown {
        if self.transport == Transport::Process { Err(IN_THIS_PROCESS) } else { Ok(()) }
    }

    pub(crate) fn only_stateless(self) -> Shown {
        only(self.is_stateless(), "a matter of 2026-07-28")
    }

    pub(crate) fn only_handshake(self) -> Shown {
        only(!self.is_stateless(), "a matter of revisions with a handshake")
    }

    /// The fixture, served; what its handlers do is in the effects.
    pub(crate) async fn fixture(self) -> (Site, Effects) {
        if self.transport != Transport::Process {
            return self.fixture_with(|server| server).await;
        }
        let dir = Arc::new(TempDir::new().unwrap());
        let effects = Effects::in_dir(dir.path());
        (Site { harness: self, served: Served::ByProcesses(dir), address: None }, effects)
    }

    /// The fixture with other settings.
    pub(crate) async fn fixture_with(self, change: impl FnOnce(Server) -> Server) -> (Site, Effects) {
        let (server, effects) = fixture::server();
        (self.serve(change(server)).await, effects)
    }

    /// A client of the fixture.
    pub(crate) async fn client(self) -> (Client, Effects) {
        let (site, effects) = self.fixture().await;
        (site.client().await, effects)
    }

    /// Ends the behaviour where the server is in another process.
    pub(crate) async fn serve(self, server: Server) -> Site {
        self.only_in_this_process().unwrap_or_else(|not_shown| resume_unwind(Box::new(not_shown)));
        let service = server.build().unwrap();
        let address = if self.is_http() { Some(listen(&service).await) } else { None };
        Site { harness: self, served: Served::Here(service), address }
    }
}

/// Where it is not applicable, the row says why.
pub(crate) fn only(applicable: bool, why: &'static str) -> Shown {
    if applicable { Ok(()) } else { Err(NotShown::NotApplicable(why)) }
}

async fn listen(service: &Service) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = service.clone();
    tokio::spawn(async move { service.serve_listener(listener).await.unwrap() });
    address
}

/// A server that is reached in the way of its cell.
pub(crate) struct Site {
    pub(crate) harness: Harness,
    served: Served,
    address: Option<SocketAddr>,
}

enum Served {
    Here(Service),
    /// Each client has one of its own; what their handlers do is in the directory.
    ByProcesses(Arc<TempDir>),
}

impl Site {
    /// The server itself. Ends the behaviour where it is in another process.
    pub(crate) fn service(&self) -> &Service {
        match &self.served {
            Served::Here(service) => service,
            Served::ByProcesses(_) => resume_unwind(Box::new(IN_THIS_PROCESS)),
        }
    }

    /// Where HTTP is served.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    /// A client that has shaken hands, where its revision asks for that.
    pub(crate) async fn client(&self) -> Client {
        self.client_of(json!({}), None).await
    }

    /// A client with these capabilities, and perhaps a token.
    pub(crate) async fn client_of(&self, capabilities: Value, token: Option<&str>) -> Client {
        let mut client = self.stranger(capabilities, token);
        client.shake_hands().await;
        client
    }

    /// A client that has said nothing yet.
    pub(crate) fn stranger(&self, capabilities: Value, token: Option<&str>) -> Client {
        let lines = match (&self.served, self.harness.transport) {
            (Served::ByProcesses(dir), _) => Some(Lines::of_a_process(dir)),
            (Served::Here(_), Transport::Http) => None,
            (Served::Here(service), Transport::Memory) => {
                let client = service.test_client().revision(self.harness.revision);
                Some(Lines::in_memory(client.capabilities(capabilities.clone())))
            }
            (Served::Here(service), _) => Some(Lines::over_pipes(service)),
        };
        Client::new(self.harness, lines, self.address, capabilities, token)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lines => "lines",
            Self::Process => "a process",
            Self::Http => "HTTP",
            Self::Memory => "memory",
        })
    }
}
