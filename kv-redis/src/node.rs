//! One server that holds entries: reads go over the shared connection, and so do writes unless replicas are waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use crate::error::Fault;
use crate::link::{Address, Dial, Link, Target};
use crate::names::Names;
use crate::news::News;

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
        dial: &Arc<Dial>,
        names: &Names,
    ) -> Self {
        let replicated = wait.map(|wait| Replicated {
            lanes: (0..WAITING_CONNECTIONS)
                .map(|_| {
                    let news = Arc::new(News::new(names.clone()));
                    Lane {
                        link: Link::new(target(), Arc::clone(dial), news, false),
                        turn: tokio::sync::Mutex::new(()),
                    }
                })
                .collect(),
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
    pub(crate) async fn read(&self, cmd: &Cmd) -> Result<Value, Fault> {
        self.link.send(cmd).await
    }

    /// Sends a command that writes, and waits for replicas if the store does.
    pub(crate) async fn write(&self, cmd: &Cmd) -> Result<Value, Fault> {
        match &self.replicated {
            None => self.link.send(cmd).await,
            Some(replicated) => Box::pin(replicated.send_one(cmd)).await,
        }
    }

    /// Sends commands that change nothing; each has its own answer.
    pub(crate) async fn read_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
        self.link.send_all(pipeline).await
    }

    /// Sends commands that write; each has its own answer.
    pub(crate) async fn write_all(&self, pipeline: &mut Pipeline) -> Result<Vec<Value>, Fault> {
        match &self.replicated {
            None => self.link.send_all(pipeline).await,
            Some(replicated) => replicated.send(pipeline).await,
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
    async fn send(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
        let _turn = self.turn.lock().await;
        let mut using = Using { link: &self.link, answered: false };
        let answers = self.link.send_all(pipeline).await;
        using.answered = true;
        answers
    }
}

impl Replicated {
    async fn send_one(&self, cmd: &Cmd) -> Result<Value, Fault> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(cmd.clone());
        let answer = self.send(&mut pipeline).await?.into_iter().next();
        match answer.unwrap_or(Value::Nil) {
            Value::ServerError(refusal) => Err(Fault::Said(refusal)),
            answer => Ok(answer),
        }
    }

    /// Sends the commands with a `WAIT` behind them; the answers to the commands alone.
    async fn send(&self, pipeline: &mut Pipeline) -> Result<Vec<Value>, Fault> {
        let Wait { replicas, within } = self.wait;
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        pipeline.cmd("WAIT").arg(replicas).arg(within);
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len().max(1);
        let Some(lane) = self.lanes.get(number) else { return Err(Fault::Unconfirmed) };
        let mut answers = lane.send(pipeline).await?;
        let confirmed = answers.pop();
        let wrote = answers
            .iter()
            .any(|answer| !matches!(answer, Value::Nil | Value::ServerError(_) | Value::Int(0)));
        match confirmed {
            Some(Value::Int(count)) if !wrote || count >= i64::from(replicas) => Ok(answers),
            // A replica refuses to wait, too: what it says to the commands leads further.
            Some(Value::ServerError(_)) if !wrote && answers.iter().any(is_refusal) => Ok(answers),
            Some(Value::ServerError(refusal)) if !wrote => Err(Fault::Said(refusal)),
            _ => Err(Fault::Unconfirmed),
        }
    }
}

const fn is_refusal(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(_))
}
