//! All servers that hold entries: one, or the masters of a cluster.

use std::sync::Arc;

use kv_core::{ErrorKind, Result};
use redis::{Cmd, Value};

use crate::cluster::{Cluster, Way};
use crate::error::{self, Fault};
use crate::node::Node;
use crate::wire::Script;

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
    /// Sends a command of one key that changes nothing.
    pub(crate) async fn read(&self, key: &[u8], cmd: &Cmd) -> Result<Value, Fault> {
        match self {
            Self::One(node) => node.read(cmd).await,
            Self::Cluster(cluster) => cluster.send(key, cmd, Way::Read).await,
        }
    }

    /// Sends a command of one key that writes.
    pub(crate) async fn write(&self, key: &[u8], cmd: &Cmd) -> Result<Value, Fault> {
        match self {
            Self::One(node) => node.write(cmd).await,
            Self::Cluster(cluster) => cluster.send(key, cmd, Way::Write).await,
        }
    }

    /// Runs a script of one key; a server that does not know it is told.
    pub(crate) async fn run(&self, script: &Script, key: &[u8], arguments: &[&[u8]]) -> Result<Value, Fault> {
        match self.write(key, &script.call(true, key, arguments)).await {
            Err(Fault::Said(refusal)) if refusal.code() == "NOSCRIPT" => {
                self.write(key, &script.call(false, key, arguments)).await
            }
            outcome => outcome,
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
