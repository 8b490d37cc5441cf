//! What `larder doctor` is told.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use kv_core::{Diagnose, Finding, Result};
use serde::Deserialize;

use crate::http::Http;
use crate::store::ElasticStore;

#[derive(Deserialize)]
struct Health {
    status: String,
    number_of_data_nodes: u64,
}

#[derive(Deserialize)]
struct Stats {
    nodes: HashMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    /// Milliseconds since the epoch.
    timestamp: u64,
    fs: Disks,
}

#[derive(Deserialize)]
struct Disks {
    total: Room,
}

#[derive(Deserialize)]
struct Room {
    total_in_bytes: u64,
    available_in_bytes: u64,
}

impl Diagnose for ElasticStore {
    async fn diagnose(&self) -> Vec<Finding> {
        let http = &self.inner().http;
        let mut findings = vec![Finding::good("server", self.inner().product.to_string())];
        findings.push(health(http).await.unwrap_or_else(|_| untold("cluster")));
        let asked = now_ms();
        match stats(http).await {
            Ok(stats) => findings.extend([clock(&stats, asked.midpoint(now_ms())), room(&stats)]),
            Err(_) => findings.push(untold("clock and disk")),
        }
        findings
    }
}

async fn health(http: &Http) -> Result<Finding> {
    let Health { status, number_of_data_nodes: nodes } = http.get("/_cluster/health").await?.json()?;
    Ok(match status.as_str() {
        "green" => Finding::good("cluster", format!("green, {nodes} nodes with data")),
        "yellow" => Finding::notice(
            "cluster",
            format!("yellow, {nodes} nodes with data"),
            "some copies of the data are on no node: when a node is lost, so may be acknowledged writes",
        ),
        _ => Finding::bad("cluster", "red", "some data cannot be read: look at the nodes that are missing"),
    })
}

async fn stats(http: &Http) -> Result<Node> {
    let path = "/_nodes/_local/stats/fs?filter_path=nodes.*.timestamp,nodes.*.fs.total";
    let stats: Stats = http.get(path).await?.json()?;
    stats.nodes.into_values().next().ok_or_else(crate::error::garbled)
}

fn clock(node: &Node, ours: u64) -> Finding {
    let ahead = i64::try_from(i128::from(node.timestamp) - i128::from(ours)).unwrap_or(i64::MAX);
    Finding::clock(ahead, true)
}

/// From 95 % on the servers refuse writes (`cluster.routing.allocation.disk.watermark.flood_stage`).
fn room(node: &Node) -> Finding {
    let Room { total_in_bytes: all, available_in_bytes: left } = node.fs.total;
    let found = format!("{left} of {all} bytes are free");
    if left < all / 20 {
        return Finding::bad("disk", found, "make room: below 5 % free the server refuses every write");
    }
    if left < all / 10 {
        return Finding::notice("disk", found, "make room: below 5 % free the server refuses every write");
    }
    Finding::good("disk", found)
}

fn untold(about: &'static str) -> Finding {
    Finding::notice(about, "the user may not ask", "give the user the privilege `monitor` to have it checked")
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Disks, Node, Room, clock, room};
    use kv_core::Verdict;

    fn node(timestamp: u64, available_in_bytes: u64) -> Node {
        Node { timestamp, fs: Disks { total: Room { total_in_bytes: 100, available_in_bytes } } }
    }

    #[test]
    fn a_disk_that_is_nearly_full_and_a_clock_that_is_off_are_told_of() {
        assert_eq!(room(&node(0, 50)).verdict, Verdict::Good);
        assert_eq!(room(&node(0, 8)).verdict, Verdict::Notice);
        assert_eq!(room(&node(0, 2)).verdict, Verdict::Bad);
        assert_eq!(clock(&node(10_000, 0), 10_010).verdict, Verdict::Good);
        assert_eq!(clock(&node(10_000, 0), 20_000).verdict, Verdict::Notice);
    }
}
