//! One server that holds entries: reads go over the shared connection, and so do writes unless replicas are waited for.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{Arg, Cmd, Pipeline, Value};

use crate::cluster::Way;
use crate::error::{self, Fault};
use crate::link::{Address, Link, ServerClock, Target};
use crate::names::Names;
use crate::news::News;
use crate::wire::{self, Command};

/// Connections for writes that wait: `WAIT` holds up what comes behind it on its connection.
const WAITING_CONNECTIONS: usize = 8;

/// A server, by its id in the cluster; a server alone has none.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) address: Option<Address>,
    pub(crate) link: Link,
    replicated: Option<Replicated>,
}

/// How a store waits for replicas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) replicas: u8,
    pub(crate) within: Duration,
}

impl Node {
    pub(crate) fn new(
        id: String,
        address: Option<Address>,
        link: Link,
        wait: Option<Wait>,
        target: impl Fn() -> Target,
        names: &Names,
    ) -> Self {
        let lane = |_| {
            let news = Arc::new(News::new(names.clone()));
            Lane { link: link.beside(target(), news), turn: tokio::sync::Mutex::new(()) }
        };
        let replicated = wait.map(|wait| Replicated {
            lanes: (0..WAITING_CONNECTIONS).map(lane).collect(),
            next: AtomicUsize::new(0),
            wait,
        });
        Self { id, address, link, replicated }
    }

    /// Whether a write waits for replicas.
    pub(crate) const fn replicates(&self) -> bool {
        self.replicated.is_some()
    }

    /// Sends a command that changes nothing.
    pub(crate) async fn read(&self, command: &impl Command) -> Result<Value, Fault> {
        self.link.send(command).await
    }

    /// Sends a command that writes, and waits for replicas if the store does.
    pub(crate) async fn write(&self, command: &impl Command) -> Result<Value, Fault> {
        match &self.replicated {
            None => self.link.send(command).await,
            Some(replicated) => Box::pin(replicated.send_one(command)).await,
        }
    }

    /// Sends a command that follows a key which is about to be this node's.
    pub(crate) async fn ask(&self, command: &impl Command, way: Way) -> Result<Value, Fault> {
        let make = |clock: &ServerClock| {
            let mut pipeline = Pipeline::with_capacity(3);
            pipeline.cmd("ASKING").add_command(command.at(clock)?.into_owned());
            Ok(pipeline)
        };
        let answers = match (&self.replicated, way) {
            (Some(replicated), Way::Write) => replicated.send(1, make).await?,
            _ => self.link.send_made(make).await?,
        };
        said(answers.into_iter().nth(1))
    }

    /// The server's clock, as the connections to it have told it, that of the next write among them.
    pub(crate) async fn clock(&self) -> Result<&ServerClock, Fault> {
        let lane = self.replicated.as_ref().and_then(Replicated::coming);
        for link in iter::once(&self.link).chain(lane.map(|lane| &lane.link)) {
            if link.standing().is_none() {
                link.live().await.map_err(Fault::Unsent)?;
            }
        }
        Ok(self.link.clock())
    }

    /// Sends commands that change nothing; each has its own answer.
    pub(crate) async fn read_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
        self.link.send_all(pipeline).await
    }

    /// Sends commands that write; each has its own answer.
    pub(crate) async fn write_all(&self, pipeline: Pipeline) -> Result<Vec<Value>, Fault> {
        match &self.replicated {
            None => self.link.send_all(&pipeline).await,
            Some(replicated) => replicated.send(0, |_| Ok(pipeline)).await,
        }
    }

    pub(crate) fn close(&self) {
        self.link.close();
        for lane in self.replicated.iter().flat_map(|replicated| &replicated.lanes) {
            lane.link.close();
        }
    }
}

/// Connections on which a write and its `WAIT` go together.
#[derive(Debug)]
struct Replicated {
    lanes: Vec<Lane>,
    next: AtomicUsize,
    wait: Wait,
}

#[derive(Debug)]
struct Lane {
    link: Link,
    turn: tokio::sync::Mutex<()>,
}

/// Cuts a lane when its user goes away before the answer came: nobody else would notice that the server is silent, and
/// the `WAIT` that is left behind would hold up the next one.
struct Using<'a> {
    link: &'a Link,
    answered: bool,
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.link.cut();
        }
    }
}

impl Lane {
    async fn send(
        &self,
        make: impl FnOnce(&ServerClock) -> kv_core::Result<Pipeline>,
    ) -> Result<Vec<Value>, Fault> {
        let _turn = self.turn.lock().await;
        let mut using = Using { link: &self.link, answered: false };
        let answers = self.link.send_made(make).await;
        using.answered = true;
        answers
    }
}

impl Replicated {
    /// The lane of the next write, if nobody is quicker.
    fn coming(&self) -> Option<&Lane> {
        self.lanes.get(self.next.load(Ordering::Relaxed) % self.lanes.len().max(1))
    }

    async fn send_one(&self, command: &impl Command) -> Result<Value, Fault> {
        let make = |clock: &ServerClock| {
            let mut pipeline = Pipeline::with_capacity(2);
            pipeline.add_command(command.at(clock)?.into_owned());
            Ok(pipeline)
        };
        said(self.send(0, make).await?.into_iter().next())
    }

    /// Sends the commands with a `WAIT` behind them; the answers to the commands alone. The first `aside` of them write
    /// nothing, whatever is answered.
    async fn send(
        &self,
        aside: usize,
        make: impl FnOnce(&ServerClock) -> kv_core::Result<Pipeline>,
    ) -> Result<Vec<Value>, Fault> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len().max(1);
        let Some(lane) = self.lanes.get(number) else { return Err(Fault::Unconfirmed) };
        let mut deleted = Vec::new();
        let noting = |clock: &ServerClock| {
            let pipeline = make(clock)?;
            deleted = pipeline.cmd_iter().map(of_deletion).collect();
            Ok(pipeline)
        };
        let (answers, confirmed) = self.send_and_wait(lane, noting).await?;
        let none = |answer: &Value| matches!(answer, Value::Nil | Value::ServerError(_) | Value::Int(0));
        let wrote = !answers.iter().skip(aside).all(none);
        let absent = |(key, answer): (Option<Vec<u8>>, &Value)| key.filter(|_| *answer == Value::Int(0));
        if !wrote && let Some(key) = deleted.into_iter().zip(&answers).find_map(absent) {
            return self.confirm_absence(lane, &key, aside > 0).await.map(|()| answers);
        }
        match confirmed {
            Some(Value::Int(count)) if !wrote || self.are_enough(count) => Ok(answers),
            // A replica refuses to wait, too: what it says to the commands leads further.
            Some(Value::ServerError(_)) if !wrote && answers.iter().any(is_refusal) => Ok(answers),
            Some(Value::ServerError(refusal)) if !wrote => Err(Fault::Said(refusal)),
            _ => Err(Fault::Unconfirmed),
        }
    }

    /// Waits until replicas know that there is no such entry: somebody may have removed it and not have waited. `WAIT` asks
    /// for the last write of its own connection since Redis 7.2, and to remove nothing is no write.
    async fn confirm_absence(&self, lane: &Lane, key: &[u8], asks: bool) -> Result<(), Fault> {
        let make = |_: &ServerClock| {
            let mut pipeline = Pipeline::with_capacity(3);
            if asks {
                pipeline.cmd("ASKING");
            }
            pipeline.add_command(wire::remove_anew(key));
            Ok(pipeline)
        };
        let (answers, confirmed) = self.send_and_wait(lane, make).await?;
        match (answers.last(), confirmed) {
            (Some(Value::Int(_)), Some(Value::Int(count))) if self.are_enough(count) => Ok(()),
            _ => Err(Fault::Unconfirmed),
        }
    }

    /// The answers to the commands, and to the `WAIT` behind them.
    async fn send_and_wait(
        &self,
        lane: &Lane,
        make: impl FnOnce(&ServerClock) -> kv_core::Result<Pipeline>,
    ) -> Result<(Vec<Value>, Option<Value>), Fault> {
        let within = u64::try_from(self.wait.within.as_millis()).unwrap_or(u64::MAX);
        let waiting = |clock: &ServerClock| {
            let mut pipeline = make(clock)?;
            pipeline.cmd("WAIT").arg(self.wait.replicas).arg(within);
            Ok(pipeline)
        };
        let mut answers = lane.send(waiting).await?;
        let confirmed = answers.pop();
        Ok((answers, confirmed))
    }

    fn are_enough(&self, replicas: i64) -> bool {
        replicas >= i64::from(self.wait.replicas)
    }
}

/// The answer to a command that was sent among others.
fn said(answer: Option<Value>) -> Result<Value, Fault> {
    match answer {
        Some(Value::ServerError(refusal)) => Err(Fault::Said(refusal)),
        Some(answer) => Ok(answer),
        None => Err(Fault::Lost(error::unreadable())),
    }
}

/// The key, or the first one, of a command that acknowledges that something is gone, whoever removed it.
fn of_deletion(command: &Cmd) -> Option<Vec<u8>> {
    let mut arguments = command.args_iter();
    match (arguments.next(), arguments.next()) {
        (Some(Arg::Simple(b"UNLINK")), Some(Arg::Simple(key))) => Some(key.to_vec()),
        _ => None,
    }
}

const fn is_refusal(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(_))
}
