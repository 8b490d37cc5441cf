//! What a scan walks over: the masters, which run of each it is, and which slots lie there.

use std::sync::Arc;

use futures_util::future::try_join_all;
use kv_core::{Error, ErrorKind, Result};

use crate::cluster::Cluster;
use crate::digest::Digest;
use crate::error::{self, nonsense};
use crate::fleet::Fleet;
use crate::link::Live;
use crate::node::Node;
use crate::server;
use crate::store::Inner;
use crate::wire;

/// The masters, each by a connection to one run of it. A server's own cursor means something in that run alone, and only
/// while the same slots lie there.
pub(super) struct Ground {
    pub(super) masters: Vec<(Arc<Node>, Live)>,
    pub(super) digest: u64,
}

impl Ground {
    /// Refuses to go on where another one was walked over.
    pub(super) fn is_that_of(&self, digest: u64) -> Result<()> {
        if self.digest == digest {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "the servers have changed since the listing began: start again"))
    }
}

impl Inner {
    /// The masters as they are now.
    pub(super) async fn ground(&self) -> Result<Ground> {
        let (masters, mut digest) = match &self.fleet {
            Fleet::One(node) => (vec![(Arc::clone(node), node.link.live().await?)], Digest::default()),
            Fleet::Cluster(cluster) => of_cluster(cluster).await?,
        };
        for (_, live) in &masters {
            digest.add(live.facts().run_id.as_deref().ok_or_else(unlisted)?.as_bytes());
        }
        Ok(Ground { masters, digest: digest.0 })
    }
}

async fn of_cluster(cluster: &Arc<Cluster>) -> Result<(Vec<(Arc<Node>, Live)>, Digest)> {
    cluster.refresh(Some(&cluster.map())).await?;
    let map = cluster.map();
    if !map.is_whole() {
        return Err(unsettled("some slots of the cluster have no owner: what lies there cannot be listed"));
    }
    let mut digest = Digest::default();
    digest.add(&map.digest.to_be_bytes());
    let asked = try_join_all(map.nodes.iter().map(|node| async move {
        let live = node.link.live().await?;
        let answer = node.link.send_on(live.clone(), &server::nodes()).await?;
        let said = wire::text(&answer).ok_or_else(nonsense)?;
        Ok::<_, Error>((Arc::clone(node), live, Holding::read(said)?))
    }));
    let mut masters = Vec::with_capacity(map.nodes.len());
    for (node, live, holding) in asked.await? {
        holding.settled()?;
        if !map.gives_exactly(&node, &holding.slots) {
            return Err(unsettled("slots have moved within the cluster: its nodes do not agree yet"));
        }
        digest.add(holding.epoch.as_bytes());
        masters.push((node, live));
    }
    Ok((masters, digest))
}

/// What a node says of itself in its answer to `CLUSTER NODES`.
#[derive(Debug, PartialEq, Eq)]
struct Holding {
    is_master: bool,
    /// A higher one comes with each change of owner, also with one that is taken back.
    epoch: String,
    /// The ranges that it owns.
    slots: Vec<(u16, u16)>,
    /// Whether a slot is on its way from or to it: its keys lie here and there.
    is_moving: bool,
}

impl Holding {
    /// From lines `id address flags master ping pong epoch state slot..`, of which the node's own shows each slot that
    /// moves as `[slot->-id]` or `[slot-<-id]`.
    fn read(said: &str) -> Result<Self> {
        let lines = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let has = |fields: &[&str], flag: &str| {
            fields.get(2).is_some_and(|flags| flags.split(',').any(|found| found == flag))
        };
        let own = lines.into_iter().find(|fields| has(fields, "myself")).ok_or_else(nonsense)?;
        let epoch = (*own.get(6).ok_or_else(nonsense)?).to_owned();
        let (moving, slots): (Vec<&str>, Vec<&str>) =
            own.iter().copied().skip(8).partition(|slot| slot.starts_with('['));
        Ok(Self {
            is_master: has(&own, "master"),
            epoch,
            slots: slots.into_iter().map(range).collect::<Option<_>>().ok_or_else(nonsense)?,
            is_moving: !moving.is_empty(),
        })
    }

    /// Refuses a node where a listing would miss entries.
    fn settled(&self) -> Result<()> {
        let message = if !self.is_master {
            "a master of the cluster became a replica: it cannot be listed just now"
        } else if self.is_moving {
            "slots are moving within the cluster: it cannot be listed until they have arrived"
        } else {
            return Ok(());
        };
        Err(unsettled(message))
    }
}

/// `7` or `5461-10922`.
fn range(slots: &str) -> Option<(u16, u16)> {
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn unsettled(message: &'static str) -> Error {
    error::not_done(ErrorKind::Unavailable, message)
}

fn unlisted() -> Error {
    error::not_done(ErrorKind::Denied, "to list, the user needs the right to INFO")
}

#[cfg(test)]
mod tests {
    use super::Holding;

    /// What one node says, in the form of <https://redis.io/docs/latest/commands/cluster-nodes/>.
    fn said(flags: &str, slots: &str) -> String {
        format!(
            "07c3 127.0.0.1:30004@31004,host4 slave e7d1 0 1426238317239 4 connected\n\
             67ed 127.0.0.1:30002@31002,host2 master - 0 1426238316232 2 connected 5461-10922 [7->-e7d1]\n\
             e7d1 127.0.0.1:30001@31001,host1 {flags} - 0 0 1 connected{slots}\n"
        )
    }

    #[test]
    fn a_node_tells_its_own_slots_and_those_that_move() {
        let whole = Holding::read(&said("myself,master", " 0-5460 5462")).unwrap();
        assert_eq!((whole.epoch.as_str(), whole.slots.as_slice()), ("1", &[(0, 5460), (5462, 5462)][..]));
        whole.settled().expect("what another node moves is told by that one");
        for moving in [" 0-5460 [93-<-67ed]", " 0-5460 [77->-67ed]"] {
            assert!(Holding::read(&said("myself,master", moving)).unwrap().settled().is_err(), "{moving}");
        }
        assert!(Holding::read(&said("myself,slave", "")).unwrap().settled().is_err());
        assert!(Holding::read(&said("master", "")).is_err() && Holding::read("").is_err());
    }
}
