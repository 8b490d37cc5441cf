//! A stream that gathers what is written, and counts what is read.
//!
//! The driver's task is woken by the first of several tasks that have something to send, and the executor runs it at once, so
//! that it would write each request by itself. Here a write lets everybody who is ready to run go first, once; what they
//! sent meanwhile goes out with it, in one call of the system and one packet. Where nobody sends anything meanwhile, as
//! with one caller, the next writes go out at once: giving way costs more than it brings then. Nor does it bring anything
//! for what the kernel keeps back by itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// After giving way in vain again and again, it is tried once in so many writes.
const SELDOM: u8 = 64;

/// Writes a turn later than it was told, as long as that gathers something.
#[derive(Debug)]
pub(super) struct Gather<S> {
    stream: S,
    /// Shorter writes go out at once.
    fewest: usize,
    /// How much there was to write when the others got their turn.
    given_way: Option<usize>,
    /// So many writes go out at once before the others get a turn again.
    at_once: u8,
    /// How many that will be if the next turn is in vain.
    patience: u8,
    heard: Heard,
}

/// What a connection has brought and taken. The counts wrap, and are only compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read: AtomicUsize,
    writes: AtomicUsize,
}

impl Heard {
    /// Bytes that it has brought.
    pub(super) fn so_far(&self) -> usize {
        self.0.read.load(Ordering::Relaxed)
    }

    /// It takes something.
    pub(super) fn take(&self) {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has taken something.
    pub(super) fn taken(&self) -> usize {
        self.0.writes.load(Ordering::Relaxed)
    }
}

impl<S> Gather<S> {
    /// Writes of less than `fewest` bytes never wait.
    pub(super) const fn new(stream: S, fewest: usize, heard: Heard) -> Self {
        Self { stream, fewest, given_way: None, at_once: 0, patience: 1, heard }
    }

    /// Whether the others should go first.
    const fn gives_way(&mut self, bytes: usize) -> bool {
        match self.given_way {
            Some(before) => {
                // The same question again, after the turn or because the stream was full.
                if bytes > before {
                    (self.at_once, self.patience) = (0, 1);
                }
                false
            }
            None if bytes < self.fewest => false,
            None if self.at_once > 0 => {
                self.at_once -= 1;
                false
            }
            None => {
                self.given_way = Some(bytes);
                (self.at_once, self.patience) = (self.patience, doubled(self.patience));
                true
            }
        }
    }
}

const fn doubled(patience: u8) -> u8 {
    if patience < SELDOM { patience * 2 } else { SELDOM }
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        bytes: usize,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.gives_way(bytes) {
            cx.waker().wake_by_ref(); // a task that wakes itself comes last
            return Poll::Pending;
        }
        let written = write(Pin::new(&mut self.stream), cx);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.heard.take();
        }
        self.given_way = match &written {
            // The stream is full: what is left goes out as soon as it can, and tells nothing of the others.
            Poll::Pending => Some(usize::MAX),
            Poll::Ready(Ok(some)) if *some < bytes => Some(usize::MAX),
            Poll::Ready(_) => None,
        };
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard.0.read.fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, bytes.len(), |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.poll(cx, bytes, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use tokio::io::AsyncWriteExt as _;

    use super::{Gather, Heard};

    #[tokio::test]
    async fn a_write_lets_the_others_go_first_and_then_writes_all() {
        let (stream, mut other) = tokio::io::duplex(64);
        let mut gathering = Gather::new(stream, 0, Heard::default());
        {
            let mut write = Box::pin(gathering.write(b"one"));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(write.as_mut().poll(&mut cx).is_pending());
        }
        // Whoever comes again may bring more.
        assert_eq!(gathering.write(b"one two").await.unwrap(), 7);
        assert_eq!(tokio::io::AsyncReadExt::read(&mut other, &mut [0; 64]).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_write_that_finds_the_stream_full_waits_for_the_stream_alone() {
        let (stream, mut other) = tokio::io::duplex(4);
        let mut gathering = Gather::new(stream, 0, Heard::default());
        gathering.write_all(b"full").await.unwrap();
        gathering.at_once = 0;
        let mut write = Box::pin(gathering.write(b"more"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(write.as_mut().poll(&mut cx).is_pending(), "the others' turn");
        assert!(write.as_mut().poll(&mut cx).is_pending(), "nobody reads");
        tokio::io::AsyncReadExt::read_exact(&mut other, &mut [0; 4]).await.unwrap();
        assert!(matches!(write.as_mut().poll(&mut cx), Poll::Ready(Ok(4))));
    }

    #[tokio::test]
    async fn a_write_that_is_too_short_to_wait_goes_out_at_once() {
        let (stream, _other) = tokio::io::duplex(64);
        let mut gathering = Gather::new(stream, 4, Heard::default());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(Box::pin(gathering.write(b"one")).as_mut().poll(&mut cx), Poll::Ready(Ok(3))));
        assert!(Box::pin(gathering.write(b"four")).as_mut().poll(&mut cx).is_pending());
    }

    #[tokio::test]
    async fn the_rest_of_a_write_has_no_turn_of_its_own() {
        let (stream, mut other) = tokio::io::duplex(4);
        let mut gathering = Gather::new(stream, 6, Heard::default());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Box::pin(gathering.write(b"longer")).as_mut().poll(&mut cx).is_pending(), "the others' turn");
        assert!(matches!(Box::pin(gathering.write(b"longer")).as_mut().poll(&mut cx), Poll::Ready(Ok(4))));
        for rest in [b"er".as_slice(), b"er and more"] {
            assert!(Box::pin(gathering.write(rest)).as_mut().poll(&mut cx).is_pending(), "nobody reads");
        }
        tokio::io::AsyncReadExt::read_exact(&mut other, &mut [0; 4]).await.unwrap();
        let rest = Box::pin(gathering.write(b"er and more")).as_mut().poll(&mut cx);
        assert!(matches!(rest, Poll::Ready(Ok(4))));
    }

    #[test]
    fn who_gives_way_in_vain_does_so_seldom_until_it_brings_something() {
        let mut gather = Gather::new((), 0, Heard::default());
        let given = |gather: &mut Gather<()>, more: usize| {
            let gave = gather.gives_way(10);
            if gave {
                assert!(!gather.gives_way(10 + more), "the same write gave way twice");
            }
            gather.given_way = None;
            gave
        };
        let ways = (0..1_000).filter(|_| given(&mut gather, 0)).count();
        assert!((15..=25).contains(&ways), "{ways} of 1,000 in vain");
        while !given(&mut gather, 1) {}
        assert!((0..100).all(|_| given(&mut gather, 1)));
    }
}
