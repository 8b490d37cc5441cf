//! The fixture in a process of its own: on stdio, or with `--http` on a free port that it prints.

use std::io::Write as _;
use std::time::Duration;

use mcp_server::Result;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let service = larder_tests::fixture::server().0.shutdown_grace(Duration::from_millis(300)).build()?;
    if !std::env::args().any(|argument| argument == "--http") {
        return service.serve_stdio().await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    service.serve_listener(listener).await
}
