//! A connection whose other side has to go on reading.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How much of what waits the other side has to take per second, in bytes.
const LEAST: u32 = 16 << 10;

/// Ends a connection on which what is written waits too long: for as long as our `patience` lasts, and a second more for
/// each 16 KiB that the other side takes meanwhile. The kernel tells of what is taken in steps of a part of its buffer, which
/// may be a megabyte.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    patience: Duration,
    /// From when something waits until all of it is written.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) const fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }

    fn paced(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (&written, &mut self.waiting) {
            (Poll::Ready(Ok(bytes)), Some(timer)) => {
                let bytes = u32::try_from(*bytes).unwrap_or(u32::MAX);
                let earned = timer.deadline() + Duration::from_secs(1) * bytes / LEAST;
                timer.as_mut().reset(earned);
            }
            (Poll::Pending, waiting) => {
                let patience = self.patience;
                let timer = waiting.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
                std::task::ready!(timer.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            _ => {}
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.paced(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.paced(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Asked once all is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::{Instant, sleep};

    use super::{LEAST, Paced};

    const PATIENCE: Duration = Duration::from_secs(30);
    const NEARLY: Duration = Duration::from_secs(29);

    /// After how long an answer of 1 MiB is given up that is read by so many bytes at a time, one time in each `pause`.
    async fn given_up(bytes: usize, pause: Duration) -> Option<Duration> {
        let (ours, theirs) = tokio::io::duplex(4 << 10);
        let begun = Instant::now();
        let reader = tokio::spawn(read(theirs, bytes, pause));
        let mut paced = Paced::new(ours, PATIENCE);
        let written = paced.write_all(&vec![b'x'; 1 << 20]).await;
        reader.abort();
        written.err().map(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
            begun.elapsed()
        })
    }

    async fn read(mut stream: DuplexStream, bytes: usize, pause: Duration) {
        let mut buffer = vec![0; bytes];
        loop {
            sleep(pause).await;
            if stream.read_exact(&mut buffer).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up_after_the_patience() {
        let after = given_up(1, PATIENCE * 2).await.expect("an end");
        assert!(after >= PATIENCE && after < PATIENCE + Duration::from_secs(1), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_byte_now_and_then_is_given_up_too() {
        let after = given_up(1, NEARLY).await.expect("an end");
        assert!(after < PATIENCE * 2, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_and_fast_enough_gets_all_of_it() {
        assert_eq!(given_up(LEAST as usize, Duration::from_millis(990)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_begins_anew() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let mut paced = Paced::new(ours, PATIENCE);
        for _ in 0..10 {
            let write = async {
                paced.write_all(b"xx").await.unwrap();
                paced.flush().await.unwrap();
            };
            let read = async {
                sleep(NEARLY).await;
                theirs.read_exact(&mut [0; 2]).await.unwrap();
            };
            tokio::join!(write, read);
        }
    }
}
