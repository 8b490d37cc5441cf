//! All servers that hold entries: one, or the masters of a cluster.
//!
//! What is rare is boxed, so that the future of an operation on one server stays small: `AnyStore` moves it to the heap.

use std::sync::Arc;

use kv_core::{Error, ErrorKind};
use redis::Value;

use crate::cluster::{Cluster, Map, Way};
use crate::error::{self, Fault};
use crate::link::{Link, Live, ServerClock};
use crate::node::Node;
use crate::wire::Command;

/// One server, or the masters of a cluster.
#[derive(Debug)]
pub(crate) enum Fleet {
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

/// What of a batch one node is asked.
#[derive(Debug)]
pub(crate) struct Share<T> {
    pub(crate) node: Arc<Node>,
    pub(crate) parts: Vec<T>,
}

/// A part of a batch: what it asks of one key.
pub(crate) trait Part {
    fn key(&self) -> &[u8];

    /// Its place in the batch.
    fn place(&self) -> usize;
}

/// A part that was not executed, and why: nobody owns its key, or its node is not there or no owner any more.
#[derive(Debug)]
pub(crate) struct Homeless<T> {
    pub(crate) part: T,
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) fault: Fault,
}

/// What leads to the servers.
#[derive(Debug)]
pub(crate) enum Lead {
    /// The connection to a server alone, by the number of attempts to make one.
    Connection(u64),
    /// The map of the cluster.
    Map(Arc<Map>),
}

/// A batch, divided among the servers.
#[derive(Debug)]
pub(crate) struct Division<T> {
    /// What it was made by.
    pub(crate) lead: Lead,
    pub(crate) shares: Vec<Share<T>>,
    pub(crate) homeless: Vec<Homeless<T>>,
}

impl Fleet {
    /// Sends a command of one key to who owns it.
    pub(crate) async fn send(&self, key: &[u8], command: &impl Command, way: Way) -> Result<Value, Fault> {
        // The straight way, with nothing between the operation's future and the driver's.
        if let Some((link, mut live)) = self.ready(way) {
            let cmd = command.at(link.clock()).map_err(Fault::Unsent)?;
            let awaited = link.awaited();
            let answer = live.send(&cmd).await;
            return awaited.judge(live, answer);
        }
        Box::pin(self.seek(key, command, way)).await
    }

    /// A connection that is there already, where there is no choice of them.
    fn ready(&self, way: Way) -> Option<(&Link, Live)> {
        match self {
            Self::One(node) if way == Way::Read || !node.replicates() => {
                node.link.lent().map(|live| (&node.link, live))
            }
            Self::One(_) | Self::Cluster(_) => None,
        }
    }

    async fn seek(&self, key: &[u8], command: &impl Command, way: Way) -> Result<Value, Fault> {
        match (self, way) {
            (Self::One(node), Way::Read) => node.read(command).await,
            (Self::One(node), Way::Write) => node.write(command).await,
            (Self::Cluster(cluster), way) => cluster.send(key, command, way).await,
        }
    }

    /// The clock of the server that judges this key, in milliseconds since the epoch. Where nobody owns the key any more, it
    /// is the clock of this machine.
    pub(crate) fn server_ms(&self, key: &[u8]) -> u64 {
        match self {
            Self::One(node) => node.link.clock().now_ms(),
            Self::Cluster(cluster) => match cluster.owner(key) {
                Some(node) => node.link.clock().now_ms(),
                None => ServerClock::unread().now_ms(),
            },
        }
    }

    /// Divides a batch among the nodes that own its keys, the order kept within each.
    pub(crate) fn divide<T: Part>(&self, batch: Vec<T>) -> Division<T> {
        let cluster = match self {
            Self::One(node) => {
                let shares = vec![Share { node: Arc::clone(node), parts: batch }];
                return Division { shares, ..Division::by(self.lead()) };
            }
            Self::Cluster(cluster) => cluster,
        };
        let map = cluster.map();
        let mut division = Division::by(Lead::Map(Arc::clone(&map)));
        for part in batch {
            match map.owner_of(part.key()) {
                Some(node) => division.give(node, part),
                None => division.homeless.push(Homeless { part, node: None, fault: unowned() }),
            }
        }
        division
    }

    /// Of parts that were left homeless those that may be asked for elsewhere by now, divided anew, and the others with what
    /// befell them.
    pub(crate) async fn rehomed<T: Part>(
        &self,
        lead: &Lead,
        homeless: Vec<Homeless<T>>,
    ) -> (Division<T>, Vec<(T, Error)>) {
        if let (Self::Cluster(cluster), Lead::Map(map)) = (self, lead)
            && !homeless.is_empty()
        {
            // Without a new map there is only what the nodes point to.
            let _unanswered = cluster.refresh(Some(map)).await;
        }
        let (mut again, mut failed) = (Division::by(self.lead()), Vec::new());
        for Homeless { part, node, fault } in homeless {
            match self.next(lead, part.key(), node.as_ref(), &fault) {
                Some(next) => again.give(&next, part),
                None => failed.push((part, fault.into())),
            }
        }
        (again, failed)
    }

    /// Who is to be asked for what this node did not do: the one that it points to, another owner, or whoever is there once
    /// a replica was left.
    fn next(&self, lead: &Lead, key: &[u8], node: Option<&Arc<Node>>, fault: &Fault) -> Option<Arc<Node>> {
        let refusal = match fault {
            Fault::Said(refusal) => Some(refusal),
            Fault::Unsent(_) | Fault::Lost(_) | Fault::Unconfirmed => None,
        };
        match self {
            Self::One(one) => {
                let is_same = matches!(lead, Lead::Connection(number) if *number == one.link.attempts());
                let was_left = !is_same || one.link.standing().is_none();
                (refusal.is_some() && was_left).then(|| Arc::clone(one))
            }
            Self::Cluster(cluster) => {
                let pointed = node.zip(refusal).and_then(|(node, refusal)| cluster.pointed(refusal, node));
                let is_other = |owner: &Arc<Node>| node.is_none_or(|node| !Arc::ptr_eq(node, owner));
                pointed.or_else(|| cluster.owner(key).filter(is_other))
            }
        }
    }

    fn lead(&self) -> Lead {
        match self {
            Self::One(node) => Lead::Connection(node.link.attempts()),
            Self::Cluster(cluster) => Lead::Map(cluster.map()),
        }
    }

    /// Whether a command may have keys of its own choice.
    pub(crate) const fn is_one(&self) -> bool {
        matches!(self, Self::One(_))
    }

    pub(crate) fn close(&self) {
        match self {
            Self::One(node) => node.close(),
            Self::Cluster(cluster) => cluster.close(),
        }
    }
}

impl<T> Division<T> {
    const fn by(lead: Lead) -> Self {
        Self { lead, shares: Vec::new(), homeless: Vec::new() }
    }

    fn give(&mut self, node: &Arc<Node>, part: T) {
        match self.shares.iter_mut().find(|share| Arc::ptr_eq(&share.node, node)) {
            Some(share) => share.parts.push(part),
            None => self.shares.push(Share { node: Arc::clone(node), parts: vec![part] }),
        }
    }
}

fn unowned() -> Fault {
    let message = "no node of the cluster owns this part of its keys";
    Fault::Unsent(error::not_done(ErrorKind::Unavailable, message))
}
