//! The server that the official conformance suite is run against, over stdio or `--http ADDR`.

use mcp_server::{Result, Server};

#[tokio::main]
async fn main() -> Result<()> {
    larder_examples::serve(Server::new("conformance")).await
}
