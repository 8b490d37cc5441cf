//! Which server a link leads to, asked anew for each connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kv_core::{Error, ErrorKind, Result};
use redis::{Cmd, Value};

use super::{Address, Dial};
use crate::error;
use crate::server::{Facts, Mode};
use crate::wire;

/// Where a link leads.
#[derive(Debug)]
pub(crate) enum Target {
    /// Always there.
    At(Address),
    /// To a node of a cluster.
    Node(Address),
    /// To whichever server the sentinels call the master.
    Master(Sentinels),
    /// To any of these, the next one after each failure.
    AnyOf(Arc<AnyOf>),
}

/// Some servers of which any will do.
#[derive(Debug, Default)]
pub(crate) struct AnyOf(Mutex<Choice>);

#[derive(Debug, Default)]
struct Choice {
    addresses: Vec<Address>,
    /// The one that was named last.
    named: Option<Address>,
}

/// The sentinels, and what they watch.
#[derive(Debug)]
pub(crate) struct Sentinels {
    pub(crate) addresses: Vec<Address>,
    pub(crate) service: String,
    /// How to connect to a sentinel; the master has its own login.
    pub(crate) dial: Dial,
}

impl Target {
    /// The server to connect to.
    pub(super) async fn address(&self) -> Result<Address> {
        match self {
            Self::At(address) | Self::Node(address) => Ok(address.clone()),
            Self::Master(sentinels) => sentinels.master().await,
            Self::AnyOf(any) => any.next(),
        }
    }

    /// Whether the next connection may lead to another server.
    pub(super) const fn may_move(&self) -> bool {
        matches!(self, Self::Master(_) | Self::At(Address::Tcp(..)))
    }

    /// Whether the server of the last connection is one of those that it may lead to.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::AnyOf(any) => any.has_named(),
            Self::At(_) | Self::Node(_) | Self::Master(_) => true,
        }
    }

    /// Refuses a server of another kind.
    pub(super) fn check(&self, facts: &Facts) -> Result<()> {
        match (self, facts.mode) {
            (_, Mode::Sentinel) => Err(error::invalid(
                "this is a sentinel: write `redis+sentinel://host:26379/service/0` to use what it watches",
            )),
            (Self::At(_), Mode::Cluster) => {
                Err(error::invalid("this is a node of a cluster: write `redis+cluster://host:6379`"))
            }
            (Self::Node(_) | Self::AnyOf(_), Mode::Single) => {
                Err(error::invalid("this is no node of a cluster: write `redis://host:6379`"))
            }
            (Self::Master(_), _) if facts.is_replica => Err(error::not_done(
                ErrorKind::Unavailable,
                "the server that the sentinels name is a replica",
            )),
            _ => Ok(()),
        }
    }
}

impl AnyOf {
    pub(crate) fn set(&self, addresses: Vec<Address>) {
        self.choice().addresses = addresses;
    }

    fn next(&self) -> Result<Address> {
        let mut choice = self.choice();
        let Some(next) = choice.addresses.first().cloned() else {
            return Err(error::not_done(ErrorKind::Unavailable, "no node of the cluster is known"));
        };
        choice.addresses.rotate_left(1); // should it fail, another one is tried next
        choice.named = Some(next.clone());
        Ok(next)
    }

    /// Whether the one that was named last is among them still.
    fn has_named(&self) -> bool {
        let choice = self.choice();
        choice.named.as_ref().is_none_or(|named| choice.addresses.contains(named))
    }

    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sentinels {
    /// The master, as the first sentinel names it that knows one. All are asked at once: one that is silent holds nobody up.
    async fn master(&self) -> Result<Address> {
        let mut answers: FuturesUnordered<_> =
            self.addresses.iter().map(|address| self.ask(address)).collect();
        let mut telling: Option<Error> = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(master) => return Ok(master),
                // What one of them said tells more than that another one cannot be reached.
                Err(error) => telling = Some(telling.filter(|said| !is_silence(said)).unwrap_or(error)),
            }
        }
        Err(telling.unwrap_or_else(|| error::invalid("no sentinel is named")))
    }

    async fn ask(&self, sentinel: &Address) -> Result<Address> {
        let mut live = self.dial.open(sentinel, |_| {}).await?;
        let mut question = Cmd::new();
        question.arg("SENTINEL").arg("get-master-addr-by-name").arg(&self.service);
        match live.send(&question).await.map_err(error::unreachable)? {
            Value::Array(parts) => named(&parts).ok_or_else(error::nonsense),
            Value::Nil => Err(unknown()),
            Value::ServerError(refusal) => Err(error::refused(&refusal)),
            _ => Err(error::nonsense()),
        }
    }
}

fn named(parts: &[Value]) -> Option<Address> {
    let (host, port) = (wire::text(parts.first()?)?, wire::text(parts.get(1)?)?);
    Some(Address::Tcp(host.to_owned(), port.parse().ok()?))
}

fn is_silence(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
}

fn unknown() -> Error {
    error::invalid("the sentinels know no service of this name")
}
