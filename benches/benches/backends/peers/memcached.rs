//! The meta commands of Memcached, written by hand on one connection for each task: no driver that is kept up has them.
//! What a task pays there for a system call of its own, the store's tasks share on their one connection.
//!
//! `take` reads and then deletes what was read, and `update` looks before it writes, as the store does: 16 bytes in front
//! of the value are the version. Nothing is listed.

use std::net::{SocketAddr, TcpStream as Unready};

use bytes::Bytes;
use kv_core::{StoreExt as _, StoreUrl};
use kv_memcached::{MemcachedConfig, MemcachedStore};
use larder_benches::larder::{Larder, TTL};
use larder_benches::subject::{Conditional, Points, Subject};
use larder_benches::workload::{BATCH, Name, RawVersion, Values, new_version};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Failure, fresh, server};
use crate::operations::{self, Load};
use larder_benches::measure::Plan;

/// All of it fits into the 64 MiB that a server has unless it is told otherwise: what it lacks room for is gone.
const LOAD: Load = Load { keys: 2_000, taken: [48_000, 6_400], pages: &[] };

pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    let url = server("LARDER_TEST_MEMCACHED", "memcached")?;
    let mut config = MemcachedConfig::from_url(&mut StoreUrl::parse(&url)?)?;
    config.namespace = fresh("larder");
    let address = url.trim_start_matches("memcached://").parse()?;
    let larder = Larder(plan.block_on(MemcachedStore::open(config))?.erased());
    operations::compare(plan, "memcached", LOAD, &larder, &Raw::new(address, fresh("driver")));
    Ok(())
}

/// A clone has a connection of its own.
struct Raw {
    address: SocketAddr,
    /// Before each key, about as long as the store's.
    head: String,
    connection: Connection,
}

/// A runtime takes a connection in when it is first used.
enum Connection {
    Made(Unready),
    Used(BufReader<TcpStream>),
    Lost,
}

/// What `mg` found.
struct Found {
    cas: u64,
    value: Vec<u8>,
}

impl Clone for Raw {
    fn clone(&self) -> Self {
        Self::new(self.address, self.head.clone())
    }
}

impl Raw {
    fn new(address: SocketAddr, head: String) -> Self {
        let made = Unready::connect(address).expect("a server accepts");
        made.set_nodelay(true).expect("a connection takes options");
        made.set_nonblocking(true).expect("a connection takes options");
        Self { address, head, connection: Connection::Made(made) }
    }

    fn key(&self, number: u64) -> String {
        format!("{}:{}", self.head, Name::of(number).as_str())
    }

    fn stream(&mut self) -> &mut BufReader<TcpStream> {
        if matches!(self.connection, Connection::Made(_))
            && let Connection::Made(made) = std::mem::replace(&mut self.connection, Connection::Lost)
        {
            let used = TcpStream::from_std(made).expect("a runtime takes a connection in");
            self.connection = Connection::Used(BufReader::new(used));
        }
        match &mut self.connection {
            Connection::Used(used) => used,
            Connection::Made(_) | Connection::Lost => unreachable!("it was taken in"),
        }
    }

    async fn send(&mut self, commands: &[u8]) {
        self.stream().write_all(commands).await.expect("a request is sent");
    }

    /// A line of an answer, without its end.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream().read_line(&mut line).await.expect("an answer comes");
        line.truncate(line.trim_end().len());
        line
    }

    async fn found(&mut self) -> Option<Found> {
        let line = self.line().await;
        let mut words = line.split(' ');
        match words.next() {
            Some("EN") => return None,
            word => assert_eq!(word, Some("VA"), "{line}"),
        }
        let length: usize = words.next().and_then(|length| length.parse().ok()).expect("a length");
        let cas = words.find_map(|flag| flag.strip_prefix('c')?.parse().ok()).unwrap_or_default();
        let mut value = vec![0; length + 2];
        self.stream().read_exact(&mut value).await.expect("a value comes");
        value.truncate(length);
        Some(Found { cas, value })
    }

    async fn look(&mut self, number: u64) -> Option<Found> {
        let command = format!("mg {} c v\r\n", self.key(number));
        self.send(command.as_bytes()).await;
        self.found().await
    }

    async fn done(&mut self, command: &[u8]) {
        self.send(command).await;
        assert_eq!(self.line().await, "HD");
    }
}

/// The parts of the value are sent as one.
fn set(key: &str, parts: &[&[u8]], flags: &str) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut command = format!("ms {key} {length} {flags}\r\n").into_bytes();
    command.reserve(length + 2);
    for part in parts {
        command.extend_from_slice(part);
    }
    command.extend_from_slice(b"\r\n");
    command
}

impl Points for Raw {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        let command = format!("mg {} v\r\n", self.key(number));
        self.send(command.as_bytes()).await;
        self.found().await.map(|found| found.value)
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        let command = set(&self.key(number), &[value], "T0");
        self.done(&command).await;
    }
}

impl Subject for Raw {
    type Page = ();

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        let command = set(&self.key(number), &[value], &format!("T{}", TTL.as_secs()));
        self.done(&command).await;
    }

    async fn take(&mut self, number: u64) -> Option<Vec<u8>> {
        let found = self.look(number).await?;
        let command = format!("md {} C{}\r\n", self.key(number), found.cas);
        self.done(command.as_bytes()).await;
        Some(found.value)
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Vec<u8>>> {
        let command = |number: &u64| format!("mg {} v\r\n", self.key(*number));
        let commands: String = numbers.iter().map(command).collect();
        self.send(commands.as_bytes()).await;
        let mut values = Vec::with_capacity(BATCH);
        for _ in numbers {
            values.push(self.found().await.map(|found| found.value));
        }
        values
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        let mut commands = Vec::new();
        for number in numbers {
            commands.extend(set(&self.key(*number), &[values.of(*number)], "T0"));
        }
        self.send(&commands).await;
        for _ in numbers {
            assert_eq!(self.line().await, "HD");
        }
    }

    async fn page(&mut self, _: u64) {}

    fn listed((): &()) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    fn values((): &()) -> impl Iterator<Item = &[u8]> {
        std::iter::empty()
    }
}

impl Conditional for Raw {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        let command = set(&self.key(number), &[&version, value], "T0");
        self.done(&command).await;
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let found = self.look(number).await.expect("an entry is there");
        assert!(found.value.starts_with(&version), "nobody else wrote");
        let next = new_version();
        let command = set(&self.key(number), &[&next, value], &format!("T0 C{}", found.cas));
        self.done(&command).await;
        next
    }
}
