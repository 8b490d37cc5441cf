//! The owner's side: each connection is one more stdio client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_server::Service;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy, duplex};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::greeting::{self, FirstLine, Scope};
use super::socket::{self, Listening};

/// How long those who have joined may still be answered once the owner ends.
const GRACE: Duration = Duration::from_secs(3);
/// After how long accepting is tried again when it failed.
const AGAIN: Duration = Duration::from_millis(100);
const BUFFER: usize = 64 << 10;
/// The first line is a greeting only if it is not longer.
const MAX_GREETING: u64 = 256;

/// The socket on which an owner lets others join.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    closing: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Door {
    /// Lets others join the owner of `dir`, opened as `url`; `None`, with a warning, if it cannot be listened there.
    pub(crate) async fn open(dir: &Path, url: &str, service: &Service) -> Option<Self> {
        let scope = match Scope::of(url).await {
            Ok(scope) => scope,
            Err(error) => {
                tracing::warn!(%error, dir = %dir.display(), "other MCP clients cannot join this server");
                return None;
            }
        };
        match socket::listen(dir) {
            Ok(Listening { listener, path, owner }) => {
                let (closing, closed) = watch::channel(false);
                let host = Host { service: service.clone(), scope, owner, closed };
                let serving = tokio::spawn(host.serve(listener));
                Some(Self { path, closing, serving })
            }
            Err(error) => {
                tracing::warn!(%error, dir = %dir.display(), "other MCP clients cannot join this server");
                None
            }
        }
    }

    /// Lets nobody in any more, answers what is in flight, and sends everybody away.
    pub(crate) async fn close(self) {
        socket::remove(&self.path);
        self.closing.send_replace(true);
        let _ = timeout(GRACE, self.serving).await; // who does not read its answers keeps nobody
    }
}

/// What every connection shares.
#[derive(Clone)]
struct Host {
    service: Service,
    scope: Scope,
    /// The user who runs this process.
    owner: u32,
    closed: watch::Receiver<bool>,
}

impl Host {
    async fn serve(mut self, listener: UnixListener) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if socket::is_trusted(&stream, self.owner) => {
                        clients.spawn(self.clone().serve_client(stream));
                    }
                    Ok(_) => tracing::warn!("another user tried to join and was sent away"),
                    Err(error) => {
                        tracing::warn!(%error, "a client that wanted to join was not let in");
                        sleep(AGAIN).await;
                    }
                },
                Some(_) = clients.join_next() => {}
                _ = self.closed.changed() => break,
            }
        }
        drop(listener);
        while clients.join_next().await.is_some() {}
    }

    /// Serves one client until it or this process ends. What it has sent until then is answered.
    async fn serve_client(mut self, stream: UnixStream) {
        let (from_client, mut to_client) = stream.into_split();
        let mut from_client = BufReader::with_capacity(BUFFER, from_client);
        let Some(first) = self.welcome(&mut from_client, &mut to_client).await else { return };
        let (input, mut sink) = duplex(BUFFER);
        let reading = async move {
            tokio::select! {
                _ = async { sink.write_all(&first).await?; copy(&mut from_client, &mut sink).await } => {}
                _ = self.closed.changed() => {}
            }
            drop(sink); // the end of the client's input
        };
        let (served, ()) = tokio::join!(self.service.serve_lines(input, to_client), reading);
        if let Err(error) = served {
            tracing::debug!(%error, "a client that had joined went away");
        }
    }

    /// Answers a greeting. What was read and belongs to the protocol; `None` if the client is not to be served.
    async fn welcome(
        &mut self,
        from_client: &mut BufReader<OwnedReadHalf>,
        to_client: &mut OwnedWriteHalf,
    ) -> Option<Vec<u8>> {
        let mut first = Vec::new();
        let mut start = from_client.take(MAX_GREETING);
        tokio::select! {
            read = start.read_until(b'\n', &mut first) => drop(read.ok()?),
            _ = self.closed.changed() => return None,
        }
        let FirstLine::Greeting { answer, serve } = greeting::receive(&first, &self.scope) else {
            return Some(first);
        };
        to_client.write_all(&answer).await.ok()?;
        serve.then(Vec::new)
    }
}
