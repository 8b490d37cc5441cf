//! One connection to one server, shared by all callers: requests go out in the order of their calls, answers come back
//! in the same order. So a write that was dropped lands before any later one over the same connection, or not at all.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use kv_core::backend::Underway;
use kv_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

use crate::dial::{Dialer, Ready, Wire, identity};
use crate::error;
use crate::wire::{Reply, take_reply};

/// Requests that wait are sent together, up to about so many bytes at once.
const SENT_AT_ONCE: usize = 64 << 10;
/// The server's first read, 16 KiB, at the pace that the slowest networks have: what it holds is all there.
const READ_AT_ONCE: Duration = Duration::from_millis(64);

/// Commands with an answer each.
struct Job {
    commands: Vec<u8>,
    answers: usize,
    reply: oneshot::Sender<Answers>,
}

/// The answers to the commands of a request, as far as they came, and why no more did.
pub(crate) struct Answers {
    pub(crate) replies: Vec<Reply>,
    pub(crate) error: Option<Error>,
}

impl Answers {
    fn none(error: Error) -> Self {
        Self { replies: Vec::new(), error: Some(error) }
    }
}

/// A connection that stood when it was handed out. What the server told over it, such as the number of an item, holds as
/// long as it stands: the server that a later one leads to may have begun to count anew.
#[derive(Clone)]
pub(crate) struct Connection(mpsc::UnboundedSender<Job>);

impl Connection {
    /// Sends commands in one piece and waits for the answers, of which there are as many. Gives the commands back if the
    /// connection has ended: then nothing was sent.
    pub(crate) async fn ask(&self, commands: Vec<u8>, answers: usize) -> Result<Answers, Vec<u8>> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Job { commands, answers, reply }).map_err(|unsent| unsent.0.commands)?;
        Ok(answer.await.unwrap_or_else(|_| Answers::none(lost())))
    }

    fn has_ended(&self) -> bool {
        self.0.is_closed()
    }
}

/// The way to one server. Reconnects when the connection has ended.
pub(crate) struct Link {
    dialer: Arc<Dialer>,
    server: (String, u16),
    standing: StdMutex<Option<Connection>>,
    dialling: Mutex<Option<Failed>>,
    item_size: AtomicUsize,
}

/// The last attempt to connect, if it failed.
struct Failed {
    began: Instant,
    error: Error,
}

impl Link {
    pub(crate) fn new(dialer: Arc<Dialer>, server: (String, u16)) -> Self {
        Self {
            dialer,
            server,
            standing: StdMutex::default(),
            dialling: Mutex::default(),
            item_size: AtomicUsize::new(0),
        }
    }

    /// The largest item that the server takes, its own bookkeeping included, as the last connection learnt it.
    pub(crate) fn item_size(&self) -> usize {
        self.item_size.load(Ordering::Relaxed)
    }

    /// What the server tells of itself, and what it is called here.
    pub(crate) async fn inspect(&self) -> (String, Result<Vec<(String, String)>>) {
        (identity(&self.server), self.dialer.inspect(&self.server).await)
    }

    /// Connects unless that was done.
    pub(crate) async fn connect(&self) -> Result<()> {
        self.connection().await.map(drop)
    }

    /// Sends commands in one piece and waits for the answers, of which there are as many.
    pub(crate) async fn ask(&self, commands: Vec<u8>, answers: usize) -> Answers {
        let asked = self.ask_somebody(commands, answers).await;
        asked.map_or_else(Answers::none, |(answers, _)| answers)
    }

    /// As `ask`, with the connection that the answers came over.
    pub(crate) async fn ask_somebody(
        &self,
        mut commands: Vec<u8>,
        answers: usize,
    ) -> Result<(Answers, Connection)> {
        // The connection may end between being found and being used; then nothing was sent.
        for _ in 0..2 {
            let connection = self.connection().await?;
            match connection.ask(commands, answers).await {
                Ok(answers) => return Ok((answers, connection)),
                Err(unsent) => commands = unsent,
            }
        }
        Err(error::not_sent())
    }

    /// Ends the connection once all that was asked has been answered.
    pub(crate) fn end(&self) {
        *self.standing() = None;
    }

    fn standing(&self) -> MutexGuard<'_, Option<Connection>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Option<Connection> {
        self.standing().as_ref().filter(|connection| !connection.has_ended()).cloned()
    }

    /// The connection there is, or a new one. Of many callers one connects and the others share what comes of it.
    async fn connection(&self) -> Result<Connection> {
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        let asked = Instant::now();
        let mut last = self.dialling.lock().await;
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        if let Some(failed) = last.as_ref().filter(|failed| failed.began >= asked) {
            return Err(failed.error.clone());
        }
        let began = Instant::now();
        match self.dialer.dial(&self.server).await {
            Ok(ready) => {
                *last = None;
                Ok(self.start(ready))
            }
            Err(error) => {
                *last = Some(Failed { began, error: error.clone() });
                Err(error)
            }
        }
    }

    fn start(&self, Ready { wire, item_size }: Ready) -> Connection {
        self.item_size.store(item_size, Ordering::Relaxed);
        let (sender, jobs) = mpsc::unbounded_channel();
        tokio::spawn(serve(wire, jobs, self.dialer.config().response_timeout));
        let connection = Connection(sender);
        *self.standing() = Some(connection.clone());
        connection
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Unexpected, "the task that holds the connection ended before it answered")
}

/// Who waits for how many answers, in the order of the requests that were sent.
#[derive(Default)]
struct Owed {
    waiting: StdMutex<VecDeque<Waiting>>,
    underway: Underway,
    /// Set when nobody can ask any more.
    is_last: AtomicBool,
    changed: Notify,
}

struct Waiting {
    answers: usize,
    /// Where its commands end among all that was sent.
    place: u64,
    replies: Vec<Reply>,
    reply: oneshot::Sender<Answers>,
}

impl Owed {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the server may have to wait for what it says next; `None` while nothing is awaited. It says nothing of an
    /// item before it has all of it, nor of what it read together with the item's beginning.
    fn time_to_arrive(&self) -> Option<Duration> {
        let waiting = self.waiting();
        let time = |one: &Waiting| self.underway.time_to(one.place);
        let first = waiting.partition_point(|one| time(one) <= READ_AT_ONCE);
        waiting.get(first).or(waiting.back()).map(time)
    }

    fn last(&self) {
        self.is_last.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Hands out all answers that have arrived whole; one that nobody asked for is an error.
    fn hand_out(&self, buffer: &mut BytesMut) -> Result<()> {
        while !buffer.is_empty() {
            let mut waiting = self.waiting();
            let first = waiting.front_mut().ok_or_else(error::unexpected)?;
            let Some(reply) = take_reply(buffer)? else { break };
            first.replies.push(reply);
            if first.replies.len() == first.answers
                && let Some(Waiting { replies, reply, place, .. }) = waiting.pop_front()
            {
                self.underway.answered(place);
                drop(reply.send(Answers { replies, error: None })); // nobody waits for a dropped request
            }
        }
        Ok(())
    }
}

/// Holds a connection until it fails, or nobody can ask any more and all is answered.
async fn serve(wire: Box<dyn Wire>, mut jobs: mpsc::UnboundedReceiver<Job>, patience: Duration) {
    let (read, write) = tokio::io::split(wire);
    let owed = Owed::default();
    let error = tokio::select! {
        error = receive(read, &owed, patience) => error,
        // Once nobody can ask any more, what is owed still comes.
        Err(error) = send(write, &mut jobs, &owed) => error,
    };
    for Waiting { replies, reply, .. } in std::mem::take(&mut *owed.waiting()) {
        drop(reply.send(Answers { replies, error: Some(error.clone()) }));
    }
    jobs.close();
    while let Ok(job) = jobs.try_recv() {
        drop(job.reply.send(Answers::none(error::not_sent())));
    }
}

/// Sends what is asked, until nobody can ask any more.
async fn send(
    mut write: WriteHalf<Box<dyn Wire>>,
    jobs: &mut mpsc::UnboundedReceiver<Job>,
    owed: &Owed,
) -> Result<()> {
    let mut out = Vec::new();
    while let Some(job) = jobs.recv().await {
        let mut next = Some(job);
        while let Some(Job { commands, answers, reply }) = next {
            if !reply.is_closed() {
                out.extend_from_slice(&commands);
                let (place, replies) = (owed.underway.enter(commands.len()), Vec::with_capacity(answers));
                owed.waiting().push_back(Waiting { answers, place, replies, reply });
            }
            next = if out.len() < SENT_AT_ONCE { jobs.try_recv().ok() } else { None };
        }
        owed.changed.notify_one();
        write.write_all(&out).await.map_err(error::cut)?;
        write.flush().await.map_err(error::cut)?;
        out.clear();
        out.shrink_to(SENT_AT_ONCE);
    }
    owed.last();
    Ok(())
}

/// Reads answers and hands them to those who wait, until the connection ends. It is read while nothing is owed too, so
/// that its end is seen before anybody uses it again.
async fn receive(mut read: ReadHalf<Box<dyn Wire>>, owed: &Owed, patience: Duration) -> Error {
    let mut buffer = BytesMut::with_capacity(8 << 10);
    loop {
        if let Err(error) = owed.hand_out(&mut buffer) {
            return error;
        }
        let arrived = if owed.time_to_arrive().is_some() {
            match in_time(read.read_buf(&mut buffer), owed, patience).await {
                Some(arrived) => arrived,
                None => return error::silent(),
            }
        } else {
            if owed.is_last.load(Ordering::Acquire) {
                return error::closed();
            }
            tokio::select! {
                arrived = read.read_buf(&mut buffer) => arrived,
                () = owed.changed.notified() => continue,
            }
        };
        match arrived {
            Ok(0) => return error::cut(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(e) => return error::cut(e),
        }
    }
}

/// What arrives, unless nothing does for longer than the server may be silent. What is sent meanwhile may hold up what was
/// owed before.
async fn in_time<T>(arrives: impl Future<Output = T>, owed: &Owed, patience: Duration) -> Option<T> {
    let (mut arrives, since) = (pin!(arrives), tokio::time::Instant::now());
    loop {
        let limit = patience.saturating_add(owed.time_to_arrive().unwrap_or_default());
        let left = limit.saturating_sub(since.elapsed());
        if left.is_zero() {
            return None;
        }
        if let Ok(arrived) = tokio::time::timeout(left, arrives.as_mut()).await {
            return Some(arrived);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::sleep;

    use super::{Owed, Waiting, in_time};

    const PATIENCE: Duration = Duration::from_secs(2);

    fn asks(owed: &Owed, bytes: usize) {
        let (place, (reply, _)) = (owed.underway.enter(bytes), oneshot::channel());
        owed.waiting().push_back(Waiting { answers: 1, place, replies: Vec::new(), reply });
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_already_has_the_time_of_a_long_item_that_is_sent_meanwhile() {
        for (answer_ms, arrives) in [(1_900, true), (3_500, true), (4_500, false)] {
            let owed = Owed::default();
            asks(&owed, 40);
            let later = async {
                sleep(Duration::from_millis(1)).await;
                asks(&owed, 512_000);
            };
            let answer = sleep(Duration::from_millis(answer_ms));
            let (arrived, ()) = tokio::join!(in_time(answer, &owed, PATIENCE), later);
            assert_eq!(arrived.is_some(), arrives, "after {answer_ms} ms");
        }
        let owed = Owed::default();
        asks(&owed, 40);
        assert_eq!(in_time(sleep(PATIENCE * 2), &owed, PATIENCE).await, None);
    }

    #[test]
    fn what_came_with_the_beginning_of_a_long_item_waits_for_its_end() {
        let owed = Owed::default();
        assert_eq!(owed.time_to_arrive(), None);
        asks(&owed, 40);
        assert_eq!(owed.time_to_arrive(), Some(Duration::ZERO));
        asks(&owed, 5_120);
        asks(&owed, 512_000);
        asks(&owed, 512_000);
        assert_eq!(
            owed.time_to_arrive(),
            Some(Duration::from_millis(2_020)),
            "of the first long one, not of all"
        );
    }
}
