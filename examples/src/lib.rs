//! What the example programs share: where they serve and what they keep, from their arguments.

use mcp_server::{Result, Server};

/// Serves `server` as the arguments say: `--http ADDR`, `--http unix:PATH` or `--stdio`, which is the default; with
/// `--store URL` it keeps sessions and state there instead of in memory.
///
/// # Errors
/// What opening the store, building and serving answers.
pub async fn serve(mut server: Server) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(url) = value_of(&arguments, "--store") {
        let opened = larder::open(url).await;
        let store =
            opened.map_err(|error| mcp_server::Error::new("--store cannot be opened").because(error))?;
        server = server.storage(store);
    }
    if !arguments.iter().any(|argument| argument == "--http") {
        return server.run().await;
    }
    let address = value_of(&arguments, "--http").unwrap_or("127.0.0.1:8000");
    match address.strip_prefix("unix:") {
        #[cfg(unix)]
        Some(path) => server.serve_unix(path).await,
        _ => server.serve_http(address).await,
    }
}

fn value_of<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}

/// What the README shows, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
