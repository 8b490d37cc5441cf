//! A connection that stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kv_core::Result;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::task::AbortHandle;

use crate::error::{self, Fault};
use crate::server::Facts;
use crate::wire;

/// A slow network carries so much in a millisecond: a long command gets more time by its length.
const BYTES_A_MS: usize = 4 << 10;
/// Shorter ones get none.
const LONG: usize = 256 << 10;

/// A connection that stood when it was handed out. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    connection: MultiplexedConnection,
    session: Arc<Session>,
}

#[derive(Debug)]
struct Session {
    facts: Facts,
    death: Death,
    driver: AbortHandle,
    response_timeout: Duration,
    since: Instant,
}

/// Whether the connection has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Death(Arc<AtomicBool>);

impl Death {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn came(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Live {
    pub(super) fn new(
        connection: MultiplexedConnection,
        driver: AbortHandle,
        death: Death,
        response_timeout: Duration,
    ) -> Self {
        let session =
            Session { facts: Facts::default(), death, driver, response_timeout, since: Instant::now() };
        Self { connection, session: Arc::new(session) }
    }

    /// Chooses the database and asks the server what it is.
    pub(super) async fn introduce(mut self, database: u16) -> Result<Self> {
        let mut questions = Pipeline::new();
        questions.cmd("HELLO").cmd("INFO").arg("server");
        if database != 0 {
            questions.cmd("SELECT").arg(database);
        }
        let answers = self.send_all(&questions).await.map_err(error::unreachable)?;
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

    /// Ends the connection for all who have it.
    pub(super) fn kill(&self) {
        self.session.death.note();
        self.session.driver.abort();
    }

    /// The driver's connection, set to wait for the answer to this command.
    pub(crate) fn patient_with(&mut self, cmd: &Cmd) -> &mut MultiplexedConnection {
        self.bear(length(cmd));
        &mut self.connection
    }

    pub(crate) async fn send(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        self.patient_with(cmd).send_packed_command(cmd).await
    }

    /// As [`Live::send`], for a command that carries or brings about so many bytes.
    pub(crate) async fn send_long(&mut self, cmd: &Cmd, bytes: usize) -> RedisResult<Value> {
        self.bear(bytes);
        self.connection.send_packed_command(cmd).await
    }

    pub(crate) async fn send_all(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        self.bear(pipeline.cmd_iter().map(length).sum());
        self.connection.send_packed_commands(pipeline, 0, pipeline.len()).await
    }

    /// Subscribes to channels.
    pub(crate) async fn subscribe(&self, channels: &[Vec<u8>]) -> Result<()> {
        self.connection.clone().subscribe(channels).await.map_err(spoken)
    }

    /// Ends subscriptions.
    pub(crate) async fn unsubscribe(&self, channels: &[Vec<u8>]) -> Result<()> {
        self.connection.clone().unsubscribe(channels).await.map_err(spoken)
    }

    /// Switches client tracking on or off.
    pub(crate) async fn track(&self, on: bool) -> Result<()> {
        let mut tracking = Cmd::new();
        tracking.arg("CLIENT").arg("TRACKING").arg(if on { "ON" } else { "OFF" });
        wire::was_set(&self.clone().send(&tracking).await.map_err(Fault::Lost)?).map(drop)
    }

    /// Sets the patience with the next answer. Each clone has its own.
    fn bear(&mut self, bytes: usize) {
        if bytes > LONG {
            let more = u64::try_from(bytes / BYTES_A_MS).unwrap_or(u64::MAX);
            self.connection.set_response_timeout(self.session.response_timeout + Duration::from_millis(more));
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
