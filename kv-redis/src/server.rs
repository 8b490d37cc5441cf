//! What a server says of itself.

use kv_core::Result;
use redis::{Cmd, Value};

use crate::error;
use crate::link::Link;
use crate::wire;

/// How the server works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Single,
    Cluster,
    Sentinel,
}

/// What is known of the server behind a connection: it stays so as long as the connection stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) mode: Mode,
    pub(crate) is_replica: bool,
    /// The name of this run of the server; `None` if the user may not ask.
    pub(crate) run_id: Option<String>,
}

impl Facts {
    /// From the answers to `HELLO` and `INFO server`.
    pub(crate) fn read(answers: &[Value]) -> Result<Self> {
        let hello = match answers.first() {
            Some(hello @ Value::Map(_)) => hello,
            Some(Value::ServerError(refusal)) => return Err(error::refused(refusal)),
            _ => return Err(error::nonsense()),
        };
        let said = |name| said(hello, name).unwrap_or_default();
        let info = answers.get(1).and_then(wire::text).unwrap_or_default();
        check_version(said("server"), said("version"), info)?;
        let mode = match said("mode") {
            "cluster" => Mode::Cluster,
            "sentinel" => Mode::Sentinel,
            _ => Mode::Single,
        };
        Ok(Self {
            mode,
            is_replica: is_replica(hello).unwrap_or_default(),
            run_id: line(info, "run_id").map(str::to_owned),
        })
    }
}

/// Whether the server that answered this to `HELLO` is a replica, if it says so. No user can be denied that question.
pub(crate) fn is_replica(hello: &Value) -> Option<bool> {
    said(hello, "role").map(|role| matches!(role, "replica" | "slave"))
}

/// What the answer to `HELLO` has under this name.
fn said<'a>(hello: &'a Value, name: &str) -> Option<&'a str> {
    let Value::Map(pairs) = hello else { return None };
    let pair = pairs.iter().find(|(key, _)| wire::text(key) == Some(name));
    pair.and_then(|(_, value)| wire::text(value))
}

/// What the settings of a server mean for the store; asked once, at open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Whether it drops live entries when its memory is full. True if it would not say.
    pub(crate) evicts: bool,
    /// The largest bulk string that it takes.
    pub(crate) bulk: usize,
}

impl Settings {
    pub(crate) async fn read(link: &Link) -> Result<Self> {
        let mut questions = redis::Pipeline::new();
        questions.cmd("INFO").arg("memory");
        questions.cmd("CONFIG").arg("GET").arg("maxmemory-policy");
        questions.cmd("CONFIG").arg("GET").arg("proto-max-bulk-len");
        let answers = link.send_all(&questions).await?;
        let info = answers.first().and_then(wire::text).and_then(|info| line(info, "maxmemory_policy"));
        let policy = info.or_else(|| setting(answers.get(1)?));
        let bulk = answers.get(2).and_then(setting).and_then(|text| text.parse().ok());
        Ok(Self {
            evicts: policy.is_none_or(|policy| policy != "noeviction"),
            bulk: bulk.unwrap_or(wire::LARGEST_STORED).min(wire::LARGEST_STORED),
        })
    }

    /// What holds for both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { evicts: self.evicts || other.evicts, bulk: self.bulk.min(other.bulk) }
    }
}

pub(crate) fn setting(answer: &Value) -> Option<&str> {
    match answer {
        Value::Map(pairs) => pairs.first().and_then(|(_, value)| wire::text(value)),
        Value::Array(parts) => parts.get(1).and_then(wire::text),
        _ => None,
    }
}

/// The value of a line `name:value` in the answer to `INFO`.
pub(crate) fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// Valkey calls itself Redis 7.2.4 in places, and says what it is in others.
fn check_version(server: &str, version: &str, info: &str) -> Result<()> {
    let valkey = line(info, "valkey_version").or(Some(version).filter(|_| server == "valkey"));
    let (product, version, oldest) = match valkey {
        Some(version) => ("Valkey", version, (7, 2)),
        None => ("Redis", version, (6, 2)),
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found >= oldest {
        return Ok(());
    }
    let shown: String = version.chars().take(20).flat_map(char::escape_debug).collect();
    Err(error::too_old(&format!("{product} {shown}")))
}

/// The command that asks which master owns which slots.
pub(crate) fn slots() -> Cmd {
    of_cluster("SLOTS")
}

/// The command that asks a node how its cluster is.
pub(crate) fn cluster_info() -> Cmd {
    of_cluster("INFO")
}

/// Whether a node takes requests, and the epoch of what it knows, by its answer to [`cluster_info`].
pub(crate) fn state_of_cluster(info: &Value) -> (bool, u64) {
    let said = |name| wire::text(info).and_then(|info| line(info, name));
    let epoch = said("cluster_current_epoch").and_then(|epoch| epoch.parse().ok());
    (said("cluster_state").is_none_or(|state| state == "ok"), epoch.unwrap_or_default())
}

/// The command that asks a node what it knows of all nodes.
pub(crate) fn nodes() -> Cmd {
    of_cluster("NODES")
}

fn of_cluster(question: &str) -> Cmd {
    let mut cmd = Cmd::new();
    cmd.arg("CLUSTER").arg(question);
    cmd
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::check_version;

    #[test]
    fn redis_from_6_2_and_valkey_from_7_2_will_do() {
        for (server, version, info) in [
            ("redis", "6.2.0", ""),
            ("redis", "7.0.15", "run_id:x"),
            ("redis", "8.4.1", ""),
            ("redis", "10.0", ""),
            ("valkey", "7.2.4", ""),
            ("valkey", "9.1.2", ""),
            ("redis", "7.2.4", "server_name:valkey\r\nvalkey_version:9.1.2\r\n"),
        ] {
            check_version(server, version, info).unwrap();
        }
        for (server, version) in
            [("redis", "6.0.16"), ("redis", "5.0"), ("valkey", "7.1.9"), ("redis", ""), ("", "x")]
        {
            let error = check_version(server, version, "").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{server} {version}");
            assert!(error.message().contains("6.2"), "{error}");
        }
    }
}
