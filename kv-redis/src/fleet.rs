//! All servers that hold entries: one, or the masters of a cluster.
//!
//! What is rare is boxed, so that the future of an operation on one server stays small: `AnyStore` moves it to the heap.

use std::sync::Arc;

use kv_core::{ErrorKind, Result};
use redis::{Cmd, Value};

use crate::cluster::{Cluster, Way};
use crate::error::{self, Fault};
use crate::link::{Link, Live};
use crate::node::Node;

/// One server, or the masters of a cluster.
#[derive(Debug)]
pub(crate) enum Fleet {
    One(Arc<Node>),
    Cluster(Box<Cluster>),
}

/// What of a batch one node is asked.
#[derive(Debug)]
pub(crate) struct Share<T> {
    pub(crate) node: Arc<Node>,
    pub(crate) parts: Vec<T>,
}

impl Fleet {
    /// Sends a command of one key to who owns it.
    pub(crate) async fn send(&self, key: &[u8], cmd: &Cmd, way: Way) -> Result<Value, Fault> {
        // The straight way, with nothing between the operation's future and the driver's.
        if let Some((link, mut live)) = self.ready(way) {
            let answer = live.patient_with(cmd).send_packed_command(cmd).await;
            return link.judge(&live, answer);
        }
        Box::pin(self.seek(key, cmd, way)).await
    }

    /// A connection that is there already, where there is no choice of them.
    fn ready(&self, way: Way) -> Option<(&Link, Live)> {
        match self {
            Self::One(node) if way == Way::Read || !node.replicates() => {
                node.link.standing().map(|live| (&node.link, live))
            }
            Self::One(_) | Self::Cluster(_) => None,
        }
    }

    async fn seek(&self, key: &[u8], cmd: &Cmd, way: Way) -> Result<Value, Fault> {
        match (self, way) {
            (Self::One(node), Way::Read) => node.read(cmd).await,
            (Self::One(node), Way::Write) => node.write(cmd).await,
            (Self::Cluster(cluster), way) => cluster.send(key, cmd, way).await,
        }
    }

    /// The clock of the server that judges this key, in milliseconds since the epoch.
    pub(crate) fn server_ms(&self, key: &[u8]) -> u64 {
        match self {
            Self::One(node) => node.link.clock().now_ms(),
            Self::Cluster(cluster) => cluster.owner(key).map_or(0, |node| node.link.clock().now_ms()),
        }
    }

    /// Divides a batch among the nodes that own its keys, the order kept within each.
    pub(crate) fn divide<T>(&self, batch: Vec<T>, key: impl Fn(&T) -> &[u8]) -> Result<Vec<Share<T>>> {
        let cluster = match self {
            Self::One(node) => return Ok(vec![Share { node: Arc::clone(node), parts: batch }]),
            Self::Cluster(cluster) => cluster,
        };
        let mut shares: Vec<Share<T>> = Vec::new();
        for part in batch {
            let node = cluster.owner(key(&part)).ok_or_else(unowned)?;
            match shares.iter_mut().find(|share| Arc::ptr_eq(&share.node, &node)) {
                Some(share) => share.parts.push(part),
                None => shares.push(Share { node, parts: vec![part] }),
            }
        }
        Ok(shares)
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
    matches!(answer, Value::ServerError(refusal) if matches!(refusal.code(), "MOVED" | "ASK" | "READONLY" | "CLUSTERDOWN"))
}

fn unowned() -> kv_core::Error {
    error::not_done(ErrorKind::Unavailable, "no node of the cluster owns this part of its keys")
}
