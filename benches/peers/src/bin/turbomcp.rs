//! turbomcp with one tool, as its documentation has it.

use std::io;

use larder_bench_peers::{announce, end_with_stdin, free_port, on_stdio, runtime};
use turbomcp::prelude::*;

#[derive(Clone)]
struct Bench;

#[server(name = "bench", version = "0.1.0")]
impl Bench {
    /// Answers what it is told.
    #[tool]
    async fn echo(&self, text: String) -> String {
        text
    }
}

fn main() -> io::Result<()> {
    if on_stdio() {
        return runtime()?.block_on(async { Bench.run_stdio().await.map_err(io::Error::other) });
    }
    end_with_stdin();
    runtime()?.block_on(async {
        let address = free_port().await?;
        let server = tokio::spawn(async move { Bench.run_http(&address.to_string()).await });
        announce(address).await?;
        server.await?.map_err(io::Error::other)
    })
}
