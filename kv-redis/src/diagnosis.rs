//! What `larder doctor` is told.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kv_core::{Diagnose, Finding};
use redis::Pipeline;

use crate::fleet::Fleet;
use crate::link::Address;
use crate::node::Node;
use crate::server::{line, setting};
use crate::store::RedisStore;
use crate::wire;

impl Diagnose for RedisStore {
    async fn diagnose(&self) -> Vec<Finding> {
        let nodes = match self.fleet() {
            Fleet::One(node) => vec![Arc::clone(node)],
            Fleet::Cluster(cluster) => cluster.map().nodes.clone(),
        };
        let mut findings = Vec::new();
        for node in nodes {
            match of_node(&node).await {
                Some(found) => findings.extend(found),
                None => findings.push(Finding::bad(
                    "server",
                    format!("{} does not answer", shown(&node)),
                    "is it running, and may this machine reach it?",
                )),
            }
        }
        findings
    }
}

async fn of_node(node: &Node) -> Option<Vec<Finding>> {
    let mut questions = Pipeline::new();
    questions.cmd("INFO");
    questions.cmd("CONFIG").arg("GET").arg("appendfsync");
    let asked = now_ms();
    let answers = node.link.send_all(&questions).await.ok()?;
    let Some(info) = answers.first().and_then(wire::text) else {
        let advice = "nothing can be told of its settings: give the user `+info` to have them checked";
        return Some(vec![Finding::notice(
            "server",
            format!("{}: the user may not ask INFO", shown(node)),
            advice,
        )]);
    };
    let fsync = answers.get(1).and_then(setting);
    Some(vec![server(node, info), eviction(info), memory(info), durability(info, fsync), clock(info, asked)])
}

fn server(node: &Node, info: &str) -> Finding {
    let (product, version) = match line(info, "valkey_version") {
        Some(version) => ("Valkey", version),
        None => ("Redis", line(info, "redis_version").unwrap_or("of an unknown version")),
    };
    let replicas = line(info, "connected_slaves").unwrap_or("0");
    Finding::good("server", format!("{}: {product} {version}, {replicas} replicas", shown(node)))
}

fn eviction(info: &str) -> Finding {
    match line(info, "maxmemory_policy") {
        Some("noeviction") => Finding::good("eviction policy", "noeviction: no live entry is dropped"),
        policy => Finding::notice(
            "eviction policy",
            format!("{}: live entries are dropped when memory is full", policy.unwrap_or("unknown")),
            "good for a cache; for sessions and tokens set `maxmemory-policy noeviction`",
        ),
    }
}

fn memory(info: &str) -> Finding {
    let bytes = |name| line(info, name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let (used, most) = (bytes("used_memory"), bytes("maxmemory"));
    if most == 0 {
        let advice = "set `maxmemory` below what the machine has, so that writes are refused as `full` before the \
                      system ends the server";
        return Finding::notice("memory", format!("{used} bytes used, without a limit"), advice);
    }
    let found = format!("{used} of {most} bytes used");
    let is_nearly_full = used > most / 10 * 9;
    // Those that drop only what has a lifetime find nothing to drop one day.
    if is_nearly_full && line(info, "maxmemory_policy").is_some_and(|policy| policy.starts_with("allkeys-")) {
        let advice = "raise `maxmemory` if entries are missed; for sessions and tokens set `maxmemory-policy noeviction`";
        return Finding::notice("memory", format!("{found}: room is made by dropping live entries"), advice);
    }
    if is_nearly_full {
        return Finding::bad(
            "memory",
            found,
            "make room or raise `maxmemory`: writes are about to be refused",
        );
    }
    Finding::good("memory", found)
}

fn durability(info: &str, fsync: Option<&str>) -> Finding {
    let advice = "a restart or a failover may undo the last acknowledged writes: `appendonly yes` with `appendfsync \
                  always` keeps them over a crash, `?wait=1` with a replica makes losing them in a failover rare";
    match (line(info, "aof_enabled"), fsync) {
        (Some("1"), Some("always")) => {
            Finding::good("durability", "every write is synced (appendfsync always)")
        }
        (Some("1"), fsync) => {
            let fsync = fsync.unwrap_or("unknown");
            Finding::notice("durability", format!("append-only file, appendfsync {fsync}"), advice)
        }
        _ => Finding::notice(
            "durability",
            "no append-only file: a crash loses all since the last snapshot",
            advice,
        ),
    }
}

fn clock(info: &str, asked: u64) -> Finding {
    let server =
        line(info, "server_time_usec").and_then(|text| text.parse::<u64>().ok()).map(|usec| usec / 1_000);
    match server {
        Some(server) => {
            let halfway = asked.midpoint(now_ms());
            let ahead = i64::try_from(i128::from(server) - i128::from(halfway)).unwrap_or(i64::MAX);
            Finding::clock(ahead, false)
        }
        None => Finding::good("clock", "the server does not tell its time; it judges expiry by itself"),
    }
}

fn shown(node: &Node) -> String {
    match &node.address {
        Some(Address::Tcp(host, port)) => format!("{host}:{port}"), // several nodes may share a host
        _ => node.link.host().unwrap_or("the server").to_owned(),
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use kv_core::Verdict;

    use super::{clock, durability, eviction, memory, now_ms};

    #[test]
    fn settings_that_lose_entries_are_told_of() {
        assert_eq!(eviction("maxmemory_policy:noeviction\r\n").verdict, Verdict::Good);
        assert_eq!(eviction("maxmemory_policy:allkeys-lru\r\n").verdict, Verdict::Notice);
        assert_eq!(memory("used_memory:10\r\nmaxmemory:0\r\n").verdict, Verdict::Notice);
        assert_eq!(memory("used_memory:10\r\nmaxmemory:100\r\n").verdict, Verdict::Good);
        let full = "used_memory:99\r\nmaxmemory:100\r\n";
        assert_eq!(memory(full).verdict, Verdict::Bad);
        assert_eq!(memory(&format!("{full}maxmemory_policy:noeviction\r\n")).verdict, Verdict::Bad);
        assert_eq!(memory(&format!("{full}maxmemory_policy:allkeys-lru\r\n")).verdict, Verdict::Notice);
        assert_eq!(memory(&format!("{full}maxmemory_policy:volatile-lru\r\n")).verdict, Verdict::Bad);
        assert_eq!(durability("aof_enabled:1\r\n", Some("always")).verdict, Verdict::Good);
        assert_eq!(durability("aof_enabled:1\r\n", Some("everysec")).verdict, Verdict::Notice);
        assert_eq!(durability("aof_enabled:0\r\n", Some("always")).verdict, Verdict::Notice);
    }

    #[test]
    fn a_server_whose_clock_is_off_is_told_of_in_the_right_direction() {
        let server = |ahead: i64| {
            let asked = now_ms();
            let told = asked.saturating_add_signed(ahead) * 1_000;
            clock(&format!("server_time_usec:{told}\r\n"), asked)
        };
        assert_eq!(server(0).verdict, Verdict::Good);
        for (ahead, direction) in [(60_000, "ahead of"), (-60_000, "behind")] {
            let finding = server(ahead);
            assert_eq!(finding.verdict, Verdict::Notice);
            assert!(finding.found.contains(direction), "{finding:?}");
        }
    }
}
