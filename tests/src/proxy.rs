//! A TCP proxy that misbehaves on demand, to stand between a client and its server.
//!
//! Modes change while connections are open and act on those at once.

mod carry;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::carry::carry;

/// How a [`Proxy`] treats what passes through it.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Every connection is reset; a new one is accepted and reset.
    Cut,
    /// Every connection is reset, and nobody listens any more: new ones are refused.
    Down,
    /// Connections stay open and new ones are accepted, but no byte passes. What was held back passes later.
    Stall,
    /// At most `piece` bytes pass at a time, each time after a pause.
    Slow {
        /// Bytes.
        piece: usize,
        /// Before each piece, in both directions.
        pause: Duration,
    },
    /// The server has nothing more to say: the client reads the end of the stream, though its requests still arrive. A connection
    /// that was closed by half stays so.
    HalfClose,
    /// On connections that are open no byte passes any more, for good, and neither side is told: a firewall has forgotten
    /// them. New ones pass.
    Forget,
    /// What matches is lost; everything else passes.
    Lose(Loss),
}

/// Which request is lost, or its answer, and how often. The connection is reset with it.
#[derive(Clone, Debug)]
pub struct Loss {
    needle: Arc<[u8]>,
    lost: Lost,
    left: Arc<AtomicU32>,
}

/// What gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The request: the server never sees it, or not its end.
    Request,
    /// The answer, from this byte on: the server has executed the request.
    Answer {
        /// So many bytes of it still pass.
        from: usize,
    },
}

impl Loss {
    /// Concerns requests that hold `needle`, `times` of them.
    pub fn new(lost: Lost, needle: impl AsRef<[u8]>, times: u32) -> Self {
        Self { needle: needle.as_ref().into(), lost, left: Arc::new(AtomicU32::new(times)) }
    }

    /// Claims one of the times.
    fn claim(&self) -> bool {
        let claim = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, claim).is_ok()
    }
}

/// The proxy itself. It ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    modes: watch::Sender<Mode>,
    lost: Arc<AtomicU32>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback, and passes everything on to `upstream`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let modes = watch::Sender::new(Mode::Pass);
        let lost = Arc::default();
        let route = Route { upstream, modes: modes.subscribe(), lost: Arc::clone(&lost) };
        let serving = tokio::spawn(serve(listener, address, route));
        Ok(Self { address, modes, lost, serving })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the mode, also for connections that are open.
    pub fn set(&self, mode: Mode) {
        self.modes.send_replace(mode);
    }

    /// How many requests or answers were lost, as [`Mode::Lose`] asked.
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What every connection is given.
#[derive(Clone, Debug)]
struct Route {
    upstream: SocketAddr,
    modes: watch::Receiver<Mode>,
    lost: Arc<AtomicU32>,
}

/// Accepts until it is aborted, which ends the connections too.
async fn serve(listener: TcpListener, address: SocketAddr, mut route: Route) {
    let mut connections = JoinSet::new();
    let mut listening = Some(listener);
    loop {
        while connections.try_join_next().is_some() {}
        let down = matches!(*route.modes.borrow_and_update(), Mode::Down);
        if down {
            listening = None;
        } else if listening.is_none() {
            listening = TcpListener::bind(address).await.ok();
        }
        tokio::select! {
            changed = route.modes.changed() => if changed.is_err() { return },
            client = accept(listening.as_ref()) => if let Ok(client) = client {
                connections.spawn(carry(client, route.clone()));
            },
            () = tokio::time::sleep(Duration::from_millis(20)), if listening.is_none() && !down => {}
        }
    }
}

async fn accept(listening: Option<&TcpListener>) -> io::Result<tokio::net::TcpStream> {
    match listening {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
