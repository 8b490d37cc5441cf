//! One connection to one server, shared by all callers: requests go out in the order of their calls, answers come back
//! in the same order. So a write that was dropped lands before any later one of this store, or not at all.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use kv_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

use crate::dial::{Dialer, Ready, Wire, identity};
use crate::error;
use crate::wire::{Reply, take_reply};

/// Requests that wait are sent together, up to about so many bytes at once.
const SENT_AT_ONCE: usize = 64 << 10;

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

/// The way to one server. Reconnects when the connection has ended.
pub(crate) struct Link {
    dialer: Arc<Dialer>,
    server: (String, u16),
    jobs: StdMutex<Option<mpsc::UnboundedSender<Job>>>,
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
            jobs: StdMutex::default(),
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
        self.sender().await.map(drop)
    }

    /// Sends commands in one piece and waits for the answers, of which there are as many.
    pub(crate) async fn ask(&self, commands: Vec<u8>, answers: usize) -> Answers {
        let (reply, answer) = oneshot::channel();
        let mut job = Job { commands, answers, reply };
        // The connection may end between being found and being used; then nothing was sent.
        for _ in 0..2 {
            let sender = match self.sender().await {
                Ok(sender) => sender,
                Err(e) => return Answers::none(e),
            };
            match sender.send(job) {
                Ok(()) => return answer.await.unwrap_or_else(|_| Answers::none(lost())),
                Err(unsent) => job = unsent.0,
            }
        }
        Answers::none(error::not_sent())
    }

    /// Ends the connection once all that was asked has been answered.
    pub(crate) fn end(&self) {
        *self.jobs() = None;
    }

    fn jobs(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Option<mpsc::UnboundedSender<Job>> {
        self.jobs().as_ref().filter(|sender| !sender.is_closed()).cloned()
    }

    /// The connection there is, or a new one. Of many callers one connects and the others share what comes of it.
    async fn sender(&self) -> Result<mpsc::UnboundedSender<Job>> {
        if let Some(sender) = self.live() {
            return Ok(sender);
        }
        let asked = Instant::now();
        let mut last = self.dialling.lock().await;
        if let Some(sender) = self.live() {
            return Ok(sender);
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

    fn start(&self, Ready { wire, item_size }: Ready) -> mpsc::UnboundedSender<Job> {
        self.item_size.store(item_size, Ordering::Relaxed);
        let (sender, jobs) = mpsc::unbounded_channel();
        tokio::spawn(serve(wire, jobs, self.dialer.config().response_timeout));
        *self.jobs() = Some(sender.clone());
        sender
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Unexpected, "the task that holds the connection ended before it answered")
}

/// Who waits for how many answers, in the order of the requests that were sent.
#[derive(Default)]
struct Owed {
    waiting: StdMutex<VecDeque<Waiting>>,
    /// Set when nobody can ask any more.
    is_last: AtomicBool,
    changed: Notify,
}

struct Waiting {
    answers: usize,
    replies: Vec<Reply>,
    reply: oneshot::Sender<Answers>,
}

impl Owed {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.waiting().is_empty()
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
                && let Some(Waiting { replies, reply, .. }) = waiting.pop_front()
            {
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
                owed.waiting().push_back(Waiting { answers, replies: Vec::with_capacity(answers), reply });
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
        let arrived = if owed.is_empty() {
            if owed.is_last.load(Ordering::Acquire) {
                return error::closed();
            }
            tokio::select! {
                arrived = read.read_buf(&mut buffer) => arrived,
                () = owed.changed.notified() => continue,
            }
        } else {
            match tokio::time::timeout(patience, read.read_buf(&mut buffer)).await {
                Ok(arrived) => arrived,
                Err(_) => return error::silent(),
            }
        };
        match arrived {
            Ok(0) => return error::cut(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(e) => return error::cut(e),
        }
    }
}
