//! A connection over any pair of byte streams, such as a socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::lines::Connection;
use super::splitter::{Line, Splitter};
use crate::protocol::{Failure, code};

/// How long requests in flight may go on after the input has ended.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// After this time what is answered is told line by line: some handler among those of a chunk is slow.
const MAX_UNTOLD: Duration = Duration::from_millis(1);
/// Answers are written together up to so many bytes.
const MAX_WRITE: usize = 64 << 10;

/// Serves one connection until its input ends and everything is answered.
pub(crate) async fn serve(
    connection: Arc<Connection>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    let read = async {
        let read = read(&connection, input).await;
        connection.end(GRACE).await;
        read
    };
    let (read, written) = tokio::join!(read, write(&connection, output));
    read.and(written)
}

async fn read(connection: &Arc<Connection>, mut input: impl AsyncRead + Unpin) -> std::io::Result<()> {
    let mut splitter = Splitter::default();
    while input.read_buf(splitter.buffer()).await? > 0 {
        feed(connection, &mut splitter);
        connection.outgoing().has_room().await;
        if connection.outgoing().is_closed() {
            return Ok(());
        }
    }
    feed_last(connection, &mut splitter);
    Ok(())
}

/// The input has ended: its last line may lack a newline.
pub(crate) fn feed_last(connection: &Arc<Connection>, splitter: &mut Splitter) {
    splitter.add(b"\n");
    feed(connection, splitter);
}

/// Hands every whole line to the connection. What is answered at once is written together: to wake the writer costs more
/// than a small answer, so it is done once.
pub(crate) fn feed(connection: &Arc<Connection>, splitter: &mut Splitter) {
    let begun = Instant::now();
    let mut rings = false;
    while let Some(line) = splitter.next() {
        match line {
            Line::Whole(line) => connection.receive_quietly(&line),
            Line::TooLong => {
                connection.refuse(&Failure::new(code::INVALID_REQUEST, "a message may have at most 4 MiB"));
            }
        }
        rings = rings || begun.elapsed() > MAX_UNTOLD;
        if rings {
            connection.outgoing().ring();
        }
    }
    connection.outgoing().ring();
}

async fn write(connection: &Connection, mut output: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    let written = async {
        while let Some(bytes) = next_write(connection).await {
            output.write_all(&bytes).await?;
            output.flush().await?;
        }
        output.shutdown().await
    };
    let written = written.await;
    connection.outgoing().close(); // nobody reads: no more answers, and the reader stops at its next line
    written
}

/// All lines that wait, each with its newline, up to 64 KiB; `None` once all is written.
pub(crate) async fn next_write(connection: &Connection) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    let mut next = Some(connection.outgoing().next().await?);
    while let Some(line) = next {
        bytes.extend_from_slice(&line);
        bytes.extend_from_slice(b"\n");
        next = if bytes.len() < MAX_WRITE { connection.outgoing().pop() } else { None };
    }
    Some(bytes.freeze())
}
