//! One connection through the proxy.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::{Loss, Lost, Mode, Route};

/// As much as is read at once.
const CHUNK: usize = 16 << 10;

/// Carries bytes both ways until both sides have ended, or a mode cuts the connection.
pub(super) async fn carry(mut client: TcpStream, route: Route) {
    let mut modes = route.modes.clone();
    let Ok(mut server) = TcpStream::connect(route.upstream).await else {
        reset(&client);
        return;
    };
    let ended = tokio::select! {
        biased; // nothing passes any more once it is cut
        _ = modes.wait_for(|mode| matches!(mode, Mode::Cut | Mode::Down)) => Err(cut()),
        ended = until_forgotten(&mut client, &mut server, &route) => ended,
    };
    if ended.is_err() {
        reset(&client);
        reset(&server);
    }
}

/// What is forgotten stays open.
async fn until_forgotten(client: &mut TcpStream, server: &mut TcpStream, route: &Route) -> io::Result<()> {
    tokio::select! {
        () = forgotten(route.modes.clone()) => pending().await,
        ended = both_ways(client, server, route) => ended,
    }
}

/// Returns once the mode is to forget what is open, but not for a connection that was made since.
async fn forgotten(mut modes: watch::Receiver<Mode>) {
    modes.mark_unchanged();
    while modes.changed().await.is_ok() {
        if matches!(*modes.borrow_and_update(), Mode::Forget) {
            return;
        }
    }
    pending::<()>().await;
}

/// Closing it sends a reset, not an end of stream.
fn reset(stream: &TcpStream) {
    // It fails where the other side was faster.
    let _ = stream.set_zero_linger();
}

fn cut() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

async fn both_ways(client: &mut TcpStream, server: &mut TcpStream, route: &Route) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let armed = AtomicBool::new(false);
    tokio::try_join!(
        requests(from_client, to_server, route, &armed),
        answers(from_server, to_client, route, &armed)
    )?;
    Ok(())
}

async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    route: &Route,
    armed: &AtomicBool,
) -> io::Result<()> {
    let mut modes = route.modes.clone();
    let mut buffer = vec![0; CHUNK];
    let mut search = Search::default();
    while let Some(bytes) = next(&mut from, &mut buffer).await? {
        if let Mode::Lose(loss) = &*modes.borrow()
            && search.finds(&loss.needle, bytes)
            && loss.claim()
        {
            if loss.lost == Lost::Request {
                route.lost.fetch_add(1, Ordering::SeqCst);
                return Err(cut());
            }
            armed.store(true, Ordering::SeqCst);
        }
        pass(bytes, &mut to, &mut modes).await?;
    }
    to.shutdown().await
}

async fn answers(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    route: &Route,
    armed: &AtomicBool,
) -> io::Result<()> {
    let mut modes = route.modes.clone();
    let mut closing = route.modes.clone();
    let mut buffer = vec![0; CHUNK];
    let mut passed = 0;
    loop {
        let bytes = tokio::select! {
            biased; // what comes when nothing more is to be said is not said, also where both are seen late
            _ = closing.wait_for(|mode| matches!(mode, Mode::HalfClose)) => break,
            bytes = next(&mut from, &mut buffer) => bytes?,
        };
        let Some(bytes) = bytes else { return to.shutdown().await };
        if armed.load(Ordering::SeqCst) {
            let from = loss_from(&modes);
            let rest = from.saturating_sub(passed).min(bytes.len());
            if rest < bytes.len() {
                to.write_all(bytes.get(..rest).unwrap_or_default()).await?;
                route.lost.fetch_add(1, Ordering::SeqCst);
                return Err(cut());
            }
            passed += bytes.len();
        }
        pass(bytes, &mut to, &mut modes).await?;
    }
    to.shutdown().await?;
    // The server goes on talking to nobody.
    while next(&mut from, &mut buffer).await?.is_some() {}
    Ok(())
}

/// From which byte the answer is lost, to a request that matched.
fn loss_from(modes: &watch::Receiver<Mode>) -> usize {
    match &*modes.borrow() {
        Mode::Lose(Loss { lost: Lost::Answer { from }, .. }) => *from,
        _ => 0,
    }
}

async fn next<'a>(from: &mut ReadHalf<'_>, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    let read = from.read(buffer).await?;
    Ok(buffer.get(..read).filter(|bytes| !bytes.is_empty()))
}

/// Writes `bytes` as slowly as the mode asks; a mode that changes meanwhile holds from the next piece on.
async fn pass(mut bytes: &[u8], to: &mut WriteHalf<'_>, modes: &mut watch::Receiver<Mode>) -> io::Result<()> {
    while !bytes.is_empty() {
        let mode = modes.borrow_and_update().clone();
        let piece = match mode {
            Mode::Stall => {
                modes.changed().await.map_err(|_| cut())?;
                continue;
            }
            Mode::Slow { piece, pause } => {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = modes.changed() => continue,
                }
                piece.clamp(1, bytes.len())
            }
            _ => bytes.len(),
        };
        let (now, later) = bytes.split_at(piece);
        to.write_all(now).await?;
        bytes = later;
    }
    Ok(())
}

/// Finds a needle that may lie across two reads.
#[derive(Debug, Default)]
struct Search {
    tail: Vec<u8>,
}

impl Search {
    fn finds(&mut self, needle: &[u8], bytes: &[u8]) -> bool {
        self.tail.extend_from_slice(bytes);
        let found = self.tail.windows(needle.len().max(1)).any(|window| window == needle);
        let kept = if found { 0 } else { self.tail.len().min(needle.len().saturating_sub(1)) };
        self.tail.drain(..self.tail.len() - kept);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_across_two_reads_and_once() {
        let mut search = Search::default();
        assert!(!search.finds(b"needle", b"hay nee"));
        assert!(search.finds(b"needle", b"dle hay"));
        assert!(!search.finds(b"needle", b" hay"));
        assert!(search.finds(b"needle", b"needle"));
    }
}
