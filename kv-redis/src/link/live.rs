//! A connection that stands.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use kv_core::Result;
use kv_core::backend::Underway;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::task::AbortHandle;

use super::gather::Heard;
use super::patience::Patience;
use crate::error::{self, Fault};
use crate::server::{self, Facts};
use crate::wire;

/// To pack as many bytes takes longer than others need to queue theirs.
const LONG: usize = 64 << 10;

/// A connection that stood when it was handed out. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    connection: MultiplexedConnection,
    session: Arc<Session>,
    patience: Patience,
}

#[derive(Debug)]
struct Session {
    facts: Facts,
    death: Death,
    driver: AbortHandle,
    /// How long the server may be silent while an answer is waited for.
    response_timeout: Duration,
    heard: Heard,
    /// Also what callers who went away had sent.
    underway: Underway,
    since: Instant,
}

/// Whether the connection has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Death(Arc<AtomicBool>);

impl Death {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Live {
    pub(super) fn new(
        connection: MultiplexedConnection,
        driver: AbortHandle,
        death: Death,
        response_timeout: Duration,
        heard: Heard,
    ) -> Self {
        let (facts, underway, since) = (Facts::default(), Underway::default(), Instant::now());
        let session = Session { facts, death, driver, response_timeout, heard, underway, since };
        Self { connection, session: Arc::new(session), patience: Patience::here() }
    }

    /// Chooses the database and asks the server what it is.
    pub(super) async fn introduce(mut self, database: u16) -> Result<Self> {
        let mut questions = Pipeline::new();
        questions.cmd("HELLO").cmd("INFO").arg("server");
        if database != 0 {
            questions.cmd("SELECT").arg(database);
        }
        let answers = self.send_all(&questions).await.map_err(error::unconnected)?;
        if let Some(Value::ServerError(refusal)) = answers.get(2) {
            return Err(match refusal.code() {
                "ERR" => error::invalid("the server has no database of this number"),
                _ => error::refused(refusal),
            });
        }
        let facts = Facts::read(&answers)?;
        if let Some(session) = Arc::get_mut(&mut self.session) {
            session.facts = facts;
        }
        Ok(self)
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.session.facts
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.session.death.came()
    }

    /// Since when it stands.
    pub(super) fn age(&self) -> Duration {
        self.session.since.elapsed()
    }

    /// Lets nobody ask anything more; who waits for an answer still gets it.
    pub(super) fn retire(&self) {
        self.session.death.note();
    }

    /// Ends the connection for all who have it.
    pub(super) fn kill(&self) {
        self.session.death.note();
        self.session.driver.abort();
    }

    /// Sends one command.
    pub(crate) async fn send(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        let Self { connection, session, patience } = self;
        session.hear(length(cmd), patience, pin!(connection.send_packed_command(cmd))).await
    }

    /// Sends several commands; each has its own answer.
    pub(crate) async fn send_all(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let Self { connection, session, patience } = self;
        let sent = pipeline.cmd_iter().map(length).sum();
        let answers = pin!(connection.send_packed_commands(pipeline, 0, pipeline.len()));
        session.hear(sent, patience, answers).await
    }

    /// Asks for any answer at all.
    pub(super) async fn ping(&self) -> RedisResult<Value> {
        self.clone().send(&redis::cmd("PING")).await
    }

    /// Whether the server is a replica now; `None` if it does not say.
    pub(super) async fn is_replica(&self) -> RedisResult<Option<bool>> {
        let answer = self.clone().send(&redis::cmd("HELLO")).await?;
        Ok(server::is_replica(&answer))
    }

    /// Subscribes to channels.
    pub(crate) async fn subscribe(&self, channels: &[Vec<u8>]) -> Result<()> {
        let Self { mut connection, session, mut patience } = self.clone();
        session.hear(0, &mut patience, pin!(connection.subscribe(channels))).await.map_err(spoken)
    }

    /// Ends subscriptions.
    pub(crate) async fn unsubscribe(&self, channels: &[Vec<u8>]) -> Result<()> {
        let Self { mut connection, session, mut patience } = self.clone();
        session.hear(0, &mut patience, pin!(connection.unsubscribe(channels))).await.map_err(spoken)
    }

    /// Switches client tracking on or off.
    pub(crate) async fn track(&self, on: bool) -> Result<()> {
        let mut tracking = Cmd::new();
        tracking.arg("CLIENT").arg("TRACKING").arg(if on { "ON" } else { "OFF" });
        wire::was_set(&self.clone().send(&tracking).await.map_err(Fault::Lost)?).map(drop)
    }
}

impl Session {
    /// The answer to what has so many bytes, unless the server says nothing at all for too long. A long answer takes as
    /// long as it keeps coming in, and so does what waits behind it; what is sent behind something long has its time, too, as
    /// long as that goes on being sent.
    async fn hear<T>(
        &self,
        sent: usize,
        patience: &mut Patience,
        mut answer: Pin<&mut impl Future<Output = RedisResult<T>>>,
    ) -> RedisResult<T> {
        // A long request is packed and queued by its first poll, unless the driver's queue is full: who is queued meanwhile
        // is before it.
        if sent >= LONG
            && let Poll::Ready(answer) = futures_util::poll!(tokio::task::unconstrained(answer.as_mut()))
        {
            return answer;
        }
        let place = self.underway.enter(sent);
        let mut silent = Duration::ZERO;
        loop {
            let (heard, taken) = (self.heard.so_far(), self.heard.taken());
            let arrival = self.underway.time_to(place);
            let time = self.response_timeout.saturating_add(Underway::standstill(arrival));
            if let Some(answer) = patience.within(time, answer.as_mut()).await {
                if answer.is_ok() {
                    self.underway.answered(place);
                }
                return answer;
            }
            silent = if self.heard.so_far() == heard { silent.saturating_add(time) } else { Duration::ZERO };
            let is_late = silent >= self.response_timeout.saturating_add(arrival);
            if !silent.is_zero() && (is_late || self.heard.taken() == taken) {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The bytes that a command carries.
fn length(cmd: &Cmd) -> usize {
    let lengths = cmd.args_iter().map(|argument| match argument {
        redis::Arg::Simple(bytes) => bytes.len(),
        _ => 8,
    });
    lengths.sum()
}

/// The driver hands the server's refusal of a subscription out as its own error.
fn spoken(error: redis::RedisError) -> kv_core::Error {
    match redis::ServerError::try_from(error) {
        Ok(refusal) => error::refused(&refusal),
        Err(error) => error::lost(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::{Duration, Instant};

    use super::{Death, Facts, Heard, LONG, Patience, Session, Underway};

    fn session() -> Session {
        Session {
            facts: Facts::default(),
            death: Death::default(),
            driver: tokio::spawn(async {}).abort_handle(),
            response_timeout: Duration::from_secs(1),
            heard: Heard::default(),
            underway: Underway::default(),
            since: Instant::now(),
        }
    }

    /// How long an answer that never comes is waited for behind 100 MiB, of which the kernel takes some each second for so long.
    async fn waited(taken_for: u64) -> Duration {
        let (session, begun) = (session(), tokio::time::Instant::now());
        session.underway.enter(100 << 20);
        let heard = session.heard.clone();
        let taking = tokio::spawn(async move {
            for _ in 0..taken_for {
                tokio::time::sleep(Duration::from_secs(1)).await;
                heard.take();
            }
        });
        let never = pin!(std::future::pending::<redis::RedisResult<()>>());
        assert!(session.hear(0, &mut Patience::here(), never).await.unwrap_err().is_timeout());
        taking.abort();
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn behind_much_that_is_not_sent_any_more_nobody_waits_for_long() {
        assert!(waited(0).await < Duration::from_secs(20), "a kernel keeps back 4 MiB");
        let long = waited(60).await;
        assert!(long > Duration::from_secs(60) && long < Duration::from_secs(100), "{long:?}");
        let whole = waited(1_000).await;
        assert!(whole > Duration::from_secs(400) && whole < Duration::from_secs(440), "{whole:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_queued_while_a_long_request_is_packed_does_not_answer_for_it() {
        let session = session();
        let short = Cell::new(None);
        let answer = poll_fn(|_| {
            short.set(short.get().or_else(|| Some(session.underway.enter(100))));
            Poll::<redis::RedisResult<()>>::Pending
        });
        let error = session.hear(LONG, &mut Patience::here(), pin!(answer)).await.unwrap_err();
        assert!(error.is_timeout());
        session.underway.answered(short.get().unwrap());
        let last = session.underway.enter(100);
        assert!(session.underway.time_to(last) > Duration::ZERO, "it waits behind the long one");
    }
}
