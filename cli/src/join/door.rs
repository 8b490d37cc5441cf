//! The owner's side: each connection is one more stdio client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_server::Service;
use tokio::io::{copy, duplex};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::socket::{self, Listening};

/// How long those who have joined may still be answered once the owner ends.
const GRACE: Duration = Duration::from_secs(3);
/// After how long accepting is tried again when it failed.
const AGAIN: Duration = Duration::from_millis(100);
const BUFFER: usize = 64 << 10;

/// The socket on which an owner lets others join.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    closing: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Door {
    /// Lets others join the owner of `dir`; `None`, with a warning, if it cannot be listened there.
    pub(crate) fn open(dir: &Path, service: &Service) -> Option<Self> {
        match socket::listen(dir) {
            Ok(Listening { listener, path, owner }) => {
                let (closing, closed) = watch::channel(false);
                let serving = tokio::spawn(serve(listener, owner, service.clone(), closed));
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

async fn serve(listener: UnixListener, owner: u32, service: Service, mut closed: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if socket::is_trusted(&stream, owner) => {
                    clients.spawn(serve_client(stream, service.clone(), closed.clone()));
                }
                Ok(_) => tracing::warn!("another user tried to join and was sent away"),
                Err(error) => {
                    tracing::warn!(%error, "a client that wanted to join was not let in");
                    sleep(AGAIN).await;
                }
            },
            Some(_) = clients.join_next() => {}
            _ = closed.changed() => break,
        }
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
}

/// Serves one client until it or this process ends. What it has sent until then is answered.
async fn serve_client(stream: UnixStream, service: Service, mut closed: watch::Receiver<bool>) {
    let (mut from_client, to_client) = stream.into_split();
    let (input, mut sink) = duplex(BUFFER);
    let reading = async move {
        tokio::select! {
            _ = copy(&mut from_client, &mut sink) => {}
            _ = closed.changed() => {}
        }
        drop(sink); // the end of the client's input
    };
    let (served, ()) = tokio::join!(service.serve_lines(input, to_client), reading);
    if let Err(error) = served {
        tracing::debug!(%error, "a client that had joined went away");
    }
}
