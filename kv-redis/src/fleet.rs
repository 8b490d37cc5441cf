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
    pub(crate) error: Error,
}

/// A batch, divided by a map of the cluster.
#[derive(Debug)]
pub(crate) struct Division<T> {
    /// The map that it was made by.
    pub(crate) map: Option<Arc<Map>>,
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
                return Division { map: None, shares, homeless: Vec::new() };
            }
            Self::Cluster(cluster) => cluster,
        };
        let map = cluster.map();
        let (mut shares, mut homeless): (Vec<Share<T>>, _) = (Vec::new(), Vec::new());
        for part in batch {
            let Some(node) = map.owner_of(part.key()) else {
                homeless.push(Homeless { part, node: None, error: unowned() });
                continue;
            };
            match shares.iter_mut().find(|share| Arc::ptr_eq(&share.node, node)) {
                Some(share) => share.parts.push(part),
                None => shares.push(Share { node: Arc::clone(node), parts: vec![part] }),
            }
        }
        Division { map: Some(map), shares, homeless }
    }

    /// Of parts that were left homeless those that have another owner by now, and the others with what befell them.
    pub(crate) async fn rehomed<T: Part>(
        &self,
        map: Option<&Arc<Map>>,
        homeless: Vec<Homeless<T>>,
    ) -> (Vec<T>, Vec<(T, Error)>) {
        let (mut again, mut failed) = (Vec::new(), Vec::new());
        if homeless.is_empty() {
            return (again, failed);
        }
        if let Self::Cluster(cluster) = self {
            // Without a new map nobody has another owner.
            let _unanswered = cluster.refresh(map).await;
        }
        for Homeless { part, node, error } in homeless {
            let owner = match self {
                Self::One(_) => None,
                Self::Cluster(cluster) => cluster.owner(part.key()),
            };
            let is_other = |owner: &Arc<Node>| node.as_ref().is_none_or(|node| !Arc::ptr_eq(node, owner));
            if owner.as_ref().is_some_and(is_other) {
                again.push(part);
            } else {
                failed.push((part, error));
            }
        }
        (again, failed)
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

/// Whether the answer points to another node: the single command follows it.
pub(crate) fn moved(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(refusal) if matches!(error::code(refusal), "MOVED" | "ASK" | "READONLY" | "CLUSTERDOWN"))
}

fn unowned() -> Error {
    error::not_done(ErrorKind::Unavailable, "no node of the cluster owns this part of its keys")
}
