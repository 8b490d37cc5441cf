//! Larder's server, and what else it does in each of its rows.

use std::io;

use mcp_server::{Context, Logging, ResponseCache, Server, Service, Tool, tool};
use tokio::net::TcpListener;

use crate::message::TOOLS;

/// What the server does beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Larder {
    /// Nothing.
    Plain,
    /// A JSON line for each request, with the time it took, and every answer from the cache.
    Observed,
    /// A thousand tools, `echo` among them.
    Tools,
}

/// Answers what it is told.
#[tool(read_only)]
async fn echo(
    /** what to answer */
    text: String,
) -> String {
    text
}

/// The same, and its answer may be a minute old. Public, since callers of the bench are anonymous and have no session.
#[tool(name = "echo", read_only, cache = "60s", public)]
async fn cached_echo(
    /** what to answer */
    text: String,
) -> String {
    text
}

fn service(larder: Larder) -> io::Result<Service> {
    // Room for the sessions that are counted.
    let server = Server::new("bench").max_sessions(20_000).max_sessions_per_user(20_000);
    let server = match larder {
        Larder::Plain => server.tool(echo),
        Larder::Observed => server.tool(cached_echo).with(Logging::new()).with(ResponseCache::new()),
        Larder::Tools => (1..TOOLS).map(numbered).fold(server.tool(echo), Server::tool),
    };
    server.build().map_err(io::Error::other)
}

/// One of many, with a schema as usual tools have it.
fn numbered(number: usize) -> Tool {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Arguments {
        /// what to answer
        text: String,
    }
    let answer = |_: Context, Arguments { text }| async move { text };
    Tool::typed(format!("tool{number:04}"), answer).description("Answers what it is told.").read_only(true)
}

/// Lines of JSON into nothing, written by a thread of their own.
fn log() -> tracing_appender::non_blocking::WorkerGuard {
    let (writer, guard) = tracing_appender::non_blocking(io::sink());
    tracing_subscriber::fmt().json().with_writer(writer).init();
    guard
}

pub(super) async fn http(listener: TcpListener, larder: Larder) -> io::Result<()> {
    let _log = (larder == Larder::Observed).then(log);
    service(larder)?.serve_listener(listener).await.map_err(io::Error::other)
}

pub(super) async fn stdio() -> io::Result<()> {
    service(Larder::Plain)?.serve_stdio().await.map_err(io::Error::other)
}
