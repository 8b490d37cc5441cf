//! Larder's server with one tool.

use std::io;

use mcp_server::{Server, Service, tool};
use tokio::net::TcpListener;

/// Answers what it is told.
#[tool(read_only)]
async fn echo(
    /** what to answer */
    text: String,
) -> String {
    text
}

fn service() -> io::Result<Service> {
    Server::new("bench").tool(echo).build().map_err(io::Error::other)
}

pub(super) async fn http(listener: TcpListener) -> io::Result<()> {
    service()?.serve_listener(listener).await.map_err(io::Error::other)
}

pub(super) async fn stdio() -> io::Result<()> {
    service()?.serve_stdio().await.map_err(io::Error::other)
}
