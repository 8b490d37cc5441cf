//! A connection over any pair of byte streams, such as a socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::lines::Connection;
use super::outgoing::Room;
use super::splitter::{Line, Splitter};
use crate::protocol::{Failure, code};

/// How long requests in flight may go on after the input has ended.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// How long answers wait for others to be written with, while more lines are at hand.
const TOGETHER: Duration = Duration::from_micros(200);
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
    loop {
        let ended = input.read_buf(splitter.buffer()).await? == 0;
        if ended {
            end(&mut splitter);
        }
        while feed(connection, &mut splitter) == Fed::Full {
            connection.outgoing().has_room().await;
        }
        if ended || connection.outgoing().is_closed() {
            return Ok(());
        }
    }
}

/// The input has ended: its last line may lack a newline.
pub(crate) fn end(splitter: &mut Splitter) {
    splitter.add(b"\n");
}

/// How far lines were handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// All that were whole, or nobody takes answers any more.
    All,
    /// Too much waits to be written: there may be more of them.
    Full,
}

/// Hands whole lines to the connection, until too much waits to be written: a few lines can ask for much. What is answered
/// within a moment is written together: to wake the writer costs more than a small answer. It is no longer than that, so
/// that the client works on the first answers while the last are made.
pub(crate) fn feed(connection: &Arc<Connection>, splitter: &mut Splitter) -> Fed {
    let (mut rang, out) = (Instant::now(), connection.outgoing());
    let fed = loop {
        match out.room() {
            Room::Free => {}
            Room::Full => break Fed::Full,
            Room::Closed => break Fed::All,
        }
        match splitter.next() {
            Some(Line::Whole(line)) => connection.receive_quietly(&line),
            Some(Line::TooLong) => {
                connection.refuse(&Failure::new(code::INVALID_REQUEST, "a message may have at most 4 MiB"));
            }
            None => break Fed::All,
        }
        if rang.elapsed() > TOGETHER {
            out.ring();
            rang = Instant::now();
        }
    };
    out.ring();
    fed
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

/// The next lines to write, up to 64 KiB of them; `None` once all is written.
pub(crate) async fn next_write(connection: &Connection) -> Option<Bytes> {
    connection.outgoing().next_lines(MAX_WRITE).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::{Fed, Room, Splitter, feed};
    use crate::{Resource, Server};

    #[tokio::test]
    async fn of_lines_that_came_together_no_more_are_served_than_there_is_room_for_answers() {
        let ran = Arc::new(AtomicUsize::new(0));
        let runs = Arc::clone(&ran);
        let large = Resource::new("r://large", move |_, _| {
            runs.fetch_add(1, Ordering::SeqCst);
            std::future::ready("x".repeat(1 << 20))
        });
        let connection = Server::new("s").resource(large).build().unwrap().connection();
        let mut splitter = Splitter::default();
        for id in 0..100 {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            let params = json!({ "uri": "r://large", "_meta": meta });
            let read = json!({ "jsonrpc": "2.0", "id": id, "method": "resources/read", "params": params });
            splitter.add(format!("{read}\n").as_bytes());
        }
        let mut answered = 0;
        while feed(&connection, &mut splitter) == Fed::Full {
            assert!(ran.load(Ordering::SeqCst) <= answered + 9, "8 MiB and one more");
            while connection.outgoing().room() == Room::Full {
                answered += usize::from(connection.outgoing().pop().is_some());
            }
        }
        assert_eq!(ran.load(Ordering::SeqCst), 100);
    }
}
