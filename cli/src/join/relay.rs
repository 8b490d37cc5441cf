//! The joiner's side: lines are copied between a client and whoever owns the store.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_server::MAX_MESSAGE;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, Stdout, split,
    stdin, stdout,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use super::tracking::Tracking;
use crate::stop::asked_to_stop;

/// How long answers may still arrive once the client has said all.
const GRACE: Duration = Duration::from_secs(3);
/// Lines of the client that may wait while nobody owns the store.
const WAITING: usize = 8;
/// So many bytes, without the newline, no owner takes as a line, even if the last of them is a carriage return.
const TOO_LONG: usize = MAX_MESSAGE + 2;

/// One client on stdin and stdout, and what must be known of it to go on with another owner.
#[derive(Debug)]
pub(super) struct Relay<O = Stdout> {
    input: mpsc::Receiver<Vec<u8>>,
    output: O,
    tracking: Mutex<Tracking>,
    /// Rings when the owner has answered our `initialize`.
    settled: Notify,
    /// Whether the process was asked to stop.
    stopping: watch::Receiver<bool>,
}

/// How it ended with one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client, or this process, is done.
    Over,
    /// The owner is gone.
    Lost,
}

impl Ended {
    pub(super) fn is_over(self) -> bool {
        self == Self::Over
    }
}

impl Relay<Stdout> {
    /// Reads stdin, and listens for signals, from now on.
    pub(super) fn new() -> Self {
        let (lines, input) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut stdin = BufReader::new(stdin());
            while let Some(line) = next_line_of_client(&mut stdin).await {
                if lines.send(line).await.is_err() {
                    break;
                }
            }
        });
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(async move {
            asked_to_stop().await;
            stop.send_replace(true);
        });
        Self::of(input, stdout(), stopping)
    }
}

impl<O: AsyncWrite + Send + Unpin> Relay<O> {
    fn of(input: mpsc::Receiver<Vec<u8>>, output: O, stopping: watch::Receiver<bool>) -> Self {
        Self { input, output, tracking: Mutex::default(), settled: Notify::new(), stopping }
    }

    /// Waits until the process is asked to stop.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<O> {
        stopped(self.stopping.clone())
    }

    /// Copies lines to and from `owner` until the client or the owner ends. Requests that the owner leaves behind are
    /// answered with an error.
    pub(super) async fn through(
        &mut self,
        owner: impl AsyncRead + AsyncWrite + Send + Unpin,
    ) -> io::Result<Ended> {
        let Self { input, output, tracking, settled, stopping } = self;
        let (from_owner, to_owner) = split(owner);
        let ended = {
            let up = up(input, to_owner, tracking, settled);
            let down = down(from_owner, output, tracking, settled);
            tokio::pin!(up, down);
            tokio::select! {
                // What was answered before it ended still arrives.
                ended = &mut up => match ended {
                    Ended::Over => timeout(GRACE, down).await.unwrap_or(Ok(())).map(|()| ended),
                    // However slowly the client reads: what follows must not stand in the middle of a line.
                    Ended::Lost => tokio::select! {
                        read = down => read.map(|()| ended),
                        () = stopped(stopping.clone()) => Ok(Ended::Over),
                    },
                },
                read = &mut down => read.map(|()| Ended::Lost),
                () = stopped(stopping.clone()) => Ok(Ended::Over),
            }
        };
        match ended {
            Ok(Ended::Lost) => {
                let lost = locked(tracking).lost().concat();
                tokio::select! {
                    told = tell(output, &lost) => told.map(|()| Ended::Lost),
                    () = stopped(stopping.clone()) => Ok(Ended::Over),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ended::Over), // the client has gone
            ended => ended,
        }
    }
}

/// From the client to the owner.
async fn up(
    input: &mut mpsc::Receiver<Vec<u8>>,
    mut owner: impl AsyncWrite + Unpin,
    tracking: &Mutex<Tracking>,
    settled: &Notify,
) -> Ended {
    if greet(&mut owner, tracking, settled).await.is_err() {
        return Ended::Lost;
    }
    while let Some(line) = input.recv().await {
        locked(tracking).sent(&line);
        if send(&mut owner, &line).await.is_err() {
            return Ended::Lost;
        }
    }
    let _ = owner.shutdown().await; // an owner that is gone has nothing left to answer
    Ended::Over
}

/// Shakes hands on the client's behalf with an owner that does not know it.
async fn greet(
    owner: &mut (impl AsyncWrite + Unpin),
    tracking: &Mutex<Tracking>,
    settled: &Notify,
) -> io::Result<()> {
    let replay = locked(tracking).replay();
    let Some(initialize) = replay.initialize else { return Ok(()) };
    send(owner, &initialize).await?;
    while replay.answered_to_us && !locked(tracking).is_settled() {
        settled.notified().await;
    }
    for line in replay.rest {
        send(owner, &line).await?;
    }
    Ok(())
}

/// From the owner to the client, until the owner ends; a line cut off by that is none. An error is the client's.
async fn down(
    owner: impl AsyncRead + Unpin,
    output: &mut (impl AsyncWrite + Unpin),
    tracking: &Mutex<Tracking>,
    settled: &Notify,
) -> io::Result<()> {
    let mut owner = BufReader::new(owner);
    while let Some(line) = next_line(&mut owner).await.filter(|line| line.ends_with(b"\n")) {
        let for_client = locked(tracking).received(&line);
        if for_client {
            tell(output, &line).await?;
        } else {
            settled.notify_one();
        }
    }
    Ok(())
}

async fn tell(client: &mut (impl AsyncWrite + Unpin), lines: &[u8]) -> io::Result<()> {
    client.write_all(lines).await?;
    client.flush().await
}

async fn send(owner: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> io::Result<()> {
    owner.write_all(line).await?;
    if !line.ends_with(b"\n") {
        owner.write_all(b"\n").await?;
    }
    owner.flush().await
}

/// The next line, which may lack its end if it is the last; `None` at the end and when reading fails, which is the
/// same to us.
async fn next_line(input: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let read = input.read_until(b'\n', &mut line).await.ok()?;
    (read > 0).then_some(line)
}

/// As [`next_line`], of a client, of whom anything may come. Of a line that is longer than an owner takes only so much is
/// kept that the owner sees it, and refuses it.
async fn next_line_of_client(input: &mut (impl AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let read = input.fill_buf().await.ok()?;
        let end = read.iter().position(|byte| *byte == b'\n');
        let (seen, room) = (end.unwrap_or(read.len()), TOO_LONG.saturating_sub(line.len()));
        line.extend(read.iter().take(seen.min(room)));
        let (is_over, used) = (end.is_some() || read.is_empty(), seen + usize::from(end.is_some()));
        input.consume(used);
        if end.is_some() {
            line.push(b'\n');
        }
        if is_over {
            return (!line.is_empty()).then_some(line);
        }
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn locked(tracking: &Mutex<Tracking>) -> MutexGuard<'_, Tracking> {
    tracking.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex};
    use tokio::sync::{mpsc, watch};
    use tokio::task::JoinHandle;
    use tokio::time::sleep;

    use super::{Ended, Relay, TOO_LONG, WAITING, next_line_of_client};

    /// Longer than anything here is patient with.
    const LONG: Duration = Duration::from_secs(3_600);

    /// A relay between a client and an owner that are both played.
    struct Played {
        client: DuplexStream,
        to_owner: mpsc::Sender<Vec<u8>>,
        owner: DuplexStream,
        relaying: JoinHandle<Ended>,
        _stop: watch::Sender<bool>,
    }

    fn played() -> Played {
        let (to_owner, input) = mpsc::channel(WAITING);
        let (client, output) = duplex(64);
        let (owner, joined) = duplex(1 << 20);
        let (stop, stopping) = watch::channel(false);
        let mut relay = Relay::of(input, output, stopping);
        let relaying = tokio::spawn(async move { relay.through(joined).await.unwrap() });
        Played { client, to_owner, owner, relaying, _stop: stop }
    }

    fn request(id: u32) -> Vec<u8> {
        format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).into_bytes()
    }

    fn answer(id: u32, text: &str) -> Vec<u8> {
        format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "result": { "text": text } })).into_bytes()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_whole_lines_when_its_owner_dies() {
        let Played { mut client, to_owner, mut owner, relaying, _stop } = played();
        to_owner.send(request(1)).await.unwrap();
        to_owner.send(request(2)).await.unwrap();
        let mut asked = vec![0; 2 * request(1).len()];
        owner.read_exact(&mut asked).await.unwrap();
        owner.write_all(&answer(1, &"x".repeat(100_000))).await.unwrap();
        owner.write_all(&answer(2, "cut off")[..20]).await.unwrap();
        drop(owner);
        to_owner.send(request(3)).await.unwrap(); // by which the relay sees that the owner is gone
        sleep(LONG).await;
        let mut seen = String::new();
        client.read_to_string(&mut seen).await.unwrap();
        assert_eq!(relaying.await.unwrap(), Ended::Lost);
        let seen: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&seen[0]["id"], seen[0]["result"]["text"].as_str().unwrap().len()), (&json!(1), 100_000));
        let mut lost: Vec<_> =
            seen[1..].iter().map(|answer| (&answer["id"], &answer["error"]["code"])).collect();
        lost.sort_by_key(|(id, _)| id.as_u64());
        assert_eq!(lost, [(&json!(2), &json!(-32_603)), (&json!(3), &json!(-32_603))]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_that_answers_slowly_is_waited_for_and_asked_once() {
        let Played { mut client, to_owner, mut owner, relaying, _stop } = played();
        to_owner.send(request(1)).await.unwrap();
        sleep(LONG).await;
        let slow = answer(1, "at last");
        owner.write_all(&slow).await.unwrap();
        let mut seen = vec![0; slow.len()];
        client.read_exact(&mut seen).await.unwrap();
        assert_eq!(seen, slow);
        assert!(!relaying.is_finished());
        drop(to_owner);
        let mut asked = Vec::new();
        owner.read_to_end(&mut asked).await.unwrap();
        assert_eq!(asked, request(1));
        drop(owner);
        assert_eq!(relaying.await.unwrap(), Ended::Over);
    }

    #[tokio::test]
    async fn a_line_takes_no_more_memory_than_an_owner_would_read() {
        let longest = "y".repeat(TOO_LONG - 2);
        let text = format!("\nfirst\n{}\n{longest}\r\nlast", "x".repeat(5 * TOO_LONG));
        let mut input = BufReader::new(text.as_bytes());
        let mut lengths = Vec::new();
        while let Some(line) = next_line_of_client(&mut input).await {
            assert!(line.capacity() <= 2 * TOO_LONG);
            lengths.push(line.len());
        }
        assert_eq!(lengths, [1, 6, TOO_LONG + 1, longest.len() + 2, 4]);
    }
}
