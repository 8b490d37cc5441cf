//! The servers, each as small as it can be.

mod bare;
mod larder;
mod sdk;

use std::io::{self, Write as _};
use std::thread;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use self::larder::Larder;

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Larder's server.
    Larder,
    /// The same with a log and a cache that always has the answer.
    LarderObserved,
    /// The same with a thousand tools, whose list is asked for.
    LarderTools,
    /// The same with a thousand tools, of which one is called.
    LarderAmong,
    /// A bare axum handler, or a bare loop over lines.
    Bare,
    /// rmcp as its documentation has it, answering in JSON and without sessions.
    Rmcp,
    /// The same with sessions, where it answers as it likes.
    RmcpSessions,
    /// turbomcp, a program of `benches/peers`.
    Turbomcp,
    /// rust-mcp-sdk, another.
    RustMcpSdk,
    /// Python's FastMCP, another.
    FastMcp,
    /// The same with a log and a cache that always has the answer.
    FastMcpObserved,
}

const ALL: [Kind; 11] = [
    Kind::Larder,
    Kind::LarderObserved,
    Kind::LarderTools,
    Kind::LarderAmong,
    Kind::Bare,
    Kind::Rmcp,
    Kind::RmcpSessions,
    Kind::Turbomcp,
    Kind::RustMcpSdk,
    Kind::FastMcp,
    Kind::FastMcpObserved,
];

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Larder => "larder",
            Self::LarderObserved => "larder-observed",
            Self::LarderTools => "larder-tools",
            Self::LarderAmong => "larder-among-1000",
            Self::Bare => "bare",
            Self::Rmcp => "rmcp",
            Self::RmcpSessions => "rmcp-sessions",
            Self::Turbomcp => "turbomcp",
            Self::RustMcpSdk => "rust-mcp-sdk",
            Self::FastMcp => "fastmcp",
            Self::FastMcpObserved => "fastmcp-observed",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Bare)
    }

    /// Whether it is a program of its own, in the folder that `LARDER_BENCH_PEERS` names.
    pub(crate) const fn is_peer(self) -> bool {
        matches!(self, Self::Turbomcp | Self::RustMcpSdk | Self::FastMcp | Self::FastMcpObserved)
    }
}

/// One worker: what is compared is work per call, not how it spreads over cores.
fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Serves HTTP on a free port, says which, and ends with its input.
pub(crate) fn serve_http(kind: Kind, size: usize) -> io::Result<()> {
    thread::spawn(|| {
        drop(io::copy(&mut io::stdin(), &mut io::sink())); // an error is an end as well
        std::process::exit(0);
    });
    runtime()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        match kind {
            Kind::Larder => larder::http(listener, Larder::Plain).await,
            Kind::LarderObserved => larder::http(listener, Larder::Observed).await,
            Kind::LarderTools | Kind::LarderAmong => larder::http(listener, Larder::Tools).await,
            Kind::Bare => bare::http(listener, size).await,
            Kind::Rmcp => sdk::http(listener, false).await,
            Kind::RmcpSessions => sdk::http(listener, true).await,
            Kind::Turbomcp | Kind::RustMcpSdk | Kind::FastMcp | Kind::FastMcpObserved => Err(not_here(kind)),
        }
    })
}

/// Serves stdin and stdout until stdin ends.
pub(crate) fn serve_stdio(kind: Kind) -> io::Result<()> {
    match kind {
        Kind::Larder | Kind::LarderObserved | Kind::LarderTools | Kind::LarderAmong => {
            runtime()?.block_on(larder::stdio())
        }
        Kind::Bare => bare::stdio(),
        Kind::Rmcp | Kind::RmcpSessions => runtime()?.block_on(sdk::stdio()),
        Kind::Turbomcp | Kind::RustMcpSdk | Kind::FastMcp | Kind::FastMcpObserved => Err(not_here(kind)),
    }
}

fn not_here(kind: Kind) -> io::Error {
    io::Error::other(format!("{} is a program of its own, in benches/peers", kind.name()))
}
