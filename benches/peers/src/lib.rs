//! What each peer's program needs: a runtime with one worker, a port, the end with stdin.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// One worker: what is compared is work per call, not how it spreads over cores.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Ends the process when its input ends.
pub fn end_with_stdin() {
    thread::spawn(|| {
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        std::process::exit(0);
    });
}

/// A port that was free a moment ago: these servers bind by themselves.
pub async fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").await?.local_addr()
}

/// Says where the server is, once it answers.
pub async fn announce(address: SocketAddr) -> io::Result<()> {
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_ok() {
            writeln!(io::stdout(), "{address}")?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(io::Error::other(format!("nothing listens on {address}")))
}

/// Whether this is to be served on stdio.
pub fn on_stdio() -> bool {
    std::env::args().any(|argument| argument == "serve-stdio")
}
