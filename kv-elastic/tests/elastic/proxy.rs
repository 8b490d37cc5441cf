//! The way to the server, and what can happen on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Way {
    /// It goes through, both ways.
    Open,
    /// Requests reach the server; of the answer nothing comes back, and the connection is cut.
    AnswersLost,
    /// Requests reach the server; nothing comes back, and nothing is cut.
    AnswersStalled,
}

/// A stretch of the way, on an address of its own.
pub(crate) struct Proxy {
    pub(crate) host: String,
    way: Arc<AtomicU8>,
    cut: watch::Sender<()>,
    accepting: AbortHandle,
}

impl Proxy {
    pub(crate) async fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, upstream)
    }

    fn on(listener: TcpListener, upstream: &str) -> Self {
        let host = listener.local_addr().unwrap().to_string();
        let way = Arc::new(AtomicU8::new(Way::Open as u8));
        let (cut, cuts) = watch::channel(());
        let (upstream, shared) = (upstream.to_owned(), Arc::clone(&way));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&upstream).await else { continue };
                tokio::spawn(carry(client, server, Arc::clone(&shared), cuts.clone()));
            }
        });
        Self { host, way, cut, accepting: accepting.abort_handle() }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.store(way as u8, Ordering::SeqCst);
    }

    /// Cuts all connections; nobody answers on the address any more.
    pub(crate) fn vanish(self) -> String {
        self.accepting.abort();
        self.cut.send_replace(());
        self.host.clone()
    }

    /// Answers again on an address that vanished.
    pub(crate) async fn back(host: &str, upstream: &str) -> Self {
        loop {
            if let Ok(listener) = TcpListener::bind(host).await {
                return Self::on(listener, upstream);
            }
            tokio::task::yield_now().await; // the one before is on its way out
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut.send_replace(());
    }
}

async fn carry(client: TcpStream, server: TcpStream, way: Arc<AtomicU8>, mut cut: watch::Receiver<()>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    cut.mark_unchanged();
    let requests = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let answers = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = from_server.read(&mut buffer).await?;
            match way.load(Ordering::SeqCst) {
                lost if lost == Way::AnswersLost as u8 => return Ok(()),
                stalled if stalled == Way::AnswersStalled as u8 => std::future::pending().await,
                _ if read == 0 => return Ok::<(), std::io::Error>(()),
                _ => to_client.write_all(buffer.get(..read).unwrap_or_default()).await?,
            }
        }
    };
    tokio::select! {
        _ = requests => {}
        _ = answers => {}
        _ = cut.changed() => {}
    }
}
