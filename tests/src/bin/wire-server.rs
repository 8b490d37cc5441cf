//! The fixture in a process of its own: on stdio, or with `--http` on a free port that it prints. What its handlers do is
//! shown in the directory behind `--effects`. With `--strays` it prints where only the protocol belongs, and with `--shared`
//! nothing keeps it from there.

use std::io::{Write as _, stdout};
use std::process::Command;
use std::time::Duration;

use larder_tests::effects::Effects;
use larder_tests::fixture;
use mcp_server::{Result, Server, Service, tool};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dir = arguments.iter().skip_while(|argument| *argument != "--effects").nth(1);
    let effects = dir.map(Effects::in_dir).unwrap_or_default();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let server = fixture::server_with(&effects).shutdown_grace(Duration::from_millis(300));
    if has("--strays") {
        return straying(server.tool(stray).tool(again).guard_stdout(!has("--shared")).build()?).await;
    }
    let service = server.build()?;
    if !has("--http") {
        return service.serve_stdio().await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(stdout(), "{}", listener.local_addr()?)?;
    service.serve_listener(listener).await
}

/// Serves the standard streams between things that others print.
async fn straying(service: Service) -> Result<()> {
    write!(stdout(), "begun before;")?;
    service.serve_stdio().await?;
    writeln!(stdout(), "printed behind")?;
    Ok(())
}

/// Prints by itself, and by a child that inherits its stdout.
#[tool]
fn stray() -> std::io::Result<bool> {
    writeln!(stdout(), "printed by a tool")?;
    write!(stdout(), "without an end;")?;
    Ok(Command::new("sh").args(["-c", "echo printed by a child"]).status()?.success())
}

/// Serves the standard streams that are served.
#[tool]
async fn again() -> String {
    Server::new("another").run().await.map_or_else(|error| error.to_string(), |()| "served".to_owned())
}
