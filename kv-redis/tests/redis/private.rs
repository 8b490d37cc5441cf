//! Servers of a test's own, which it may kill, freeze and fill.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kv_core::testing::service;
use kv_redis::RedisConfig;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::place::config;

/// How long a server may take to start, or to notice something, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The programs that a server may run, by the variables that name them.
pub(crate) const PROGRAMS: [&str; 2] = ["LARDER_TEST_REDIS_SERVER", "LARDER_TEST_VALKEY_SERVER"];

/// A server that dies with the test.
pub(crate) struct Server {
    program: String,
    arguments: Vec<String>,
    pub(crate) port: u16,
    dir: TempDir,
    child: Option<Child>,
}

impl Server {
    /// A Redis with these settings besides its own; `None`, loudly, where there is no program.
    pub(crate) async fn start(arguments: &[&str]) -> Option<Self> {
        Self::of(PROGRAMS[0], arguments).await
    }

    /// The same of one of [`PROGRAMS`].
    pub(crate) async fn of(program: &str, arguments: &[&str]) -> Option<Self> {
        let program = service(program)?;
        let (dir, port) = (TempDir::new().unwrap(), free_port());
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { program, arguments, port, dir, child: None };
        while !server.started().await {
            server.port = free_port(); // somebody else was quicker
        }
        Some(server)
    }

    /// The same, with a replica that has what it has.
    pub(crate) async fn replicated(program: &str, arguments: &[&str]) -> Option<(Self, Self)> {
        let at_once = ["--repl-diskless-sync-delay", "0"];
        let master = Self::of(program, &[arguments, &at_once].concat()).await?;
        let of = ["--replicaof", "127.0.0.1", &master.port.to_string()];
        let replica = Self::of(program, &of).await?;
        replica.follows().await;
        Some((master, replica))
    }

    /// Starts it again on what it left behind.
    pub(crate) async fn restart(&mut self) {
        until("its port is free again", async || self.started().await).await;
    }

    /// Whether it answers, and not another one on its port.
    async fn started(&mut self) -> bool {
        let port = self.port.to_string();
        let dir = self.dir.path().display().to_string();
        let mut command = Command::new(&self.program);
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
            "--dir",
            &dir,
            "--save",
            "",
            "--loglevel",
            "warning",
        ]);
        command.args(&self.arguments);
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        self.ready().await;
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it where it stands, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let signal = if frozen { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits until it has what its master has.
    pub(crate) async fn follows(&self) {
        let mut connection = self.raw().await;
        until("the replica follows", async || {
            let info: String =
                redis::cmd("INFO").arg("replication").query_async(&mut connection).await.unwrap();
            info.contains("master_link_status:up")
        })
        .await;
    }

    /// Puts something where it saves that it cannot replace, or takes it away.
    pub(crate) fn obstruct(&self, obstructed: bool) {
        let file = self.dir.path().join("dump.rdb");
        if obstructed { std::fs::create_dir(file).unwrap() } else { std::fs::remove_dir(file).unwrap() }
    }

    /// A configuration for it.
    pub(crate) fn config(&self) -> RedisConfig {
        config(&format!("redis://127.0.0.1:{}", self.port), "test")
    }

    /// A connection past the store.
    pub(crate) async fn raw(&self) -> MultiplexedConnection {
        raw(self.port).await.unwrap()
    }

    /// Waits until somebody answers, or it has ended.
    async fn ready(&mut self) {
        let (port, child) = (self.port, &mut self.child);
        let mut ended =
            || child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
        until("the server answers", async || match raw(port).await {
            Ok(mut connection) => match redis::cmd("PING").exec_async(&mut connection).await {
                Ok(()) => true,
                Err(error) => error.code() == Some("NOAUTH"),
            },
            Err(_) => ended(),
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A sentinel that calls a master `main`; it dies with the test.
pub(crate) struct Sentinel {
    child: Child,
    _home: TempDir,
}

impl Sentinel {
    /// One that watches the master on this port, with these lines in its file, its own port among them; `None`, loudly, where
    /// there is no program. It may take a while until it knows the master.
    pub(crate) fn start(master: u16, lines: &[String]) -> Option<Self> {
        let program = service("LARDER_TEST_REDIS_SENTINEL_SERVER")?;
        let home = TempDir::new().unwrap();
        let own = [
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", home.path().display()),
            format!("sentinel monitor main 127.0.0.1 {master} 1"),
        ];
        let file = home.path().join("sentinel.conf");
        std::fs::write(&file, [&own, lines].concat().join("\n") + "\n").unwrap();
        let child = Command::new(program).arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Some(Self { child: child.unwrap(), _home: home })
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _dead = self.child.kill();
        let _dead = self.child.wait();
    }
}

/// A connection to a server of this machine.
pub(crate) async fn raw(port: u16) -> redis::RedisResult<MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/"))?;
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// Says a command, its words divided by spaces.
pub(crate) async fn say(connection: &mut MultiplexedConnection, words: &str) -> redis::Value {
    let mut cmd = redis::Cmd::new();
    for word in words.split(' ') {
        cmd.arg(word);
    }
    cmd.query_async(connection).await.unwrap_or_else(|error| panic!("{words}: {error}"))
}

/// How often the server was asked to execute the command.
pub(crate) async fn calls(connection: &mut MultiplexedConnection, name: &str) -> u32 {
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(connection).await.unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
    line.and_then(|line| line.split(',').next()).map_or(0, |count| count.parse().unwrap())
}

/// What the server has counted so far under this name.
pub(crate) async fn counted(connection: &mut MultiplexedConnection, name: &str) -> u64 {
    let stats: String = redis::cmd("INFO").arg("stats").query_async(connection).await.unwrap();
    let count = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    count.unwrap().parse().unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port that nobody listens on. Others may take it first; a cluster's second port stays below the highest.
pub(crate) fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if port < 55_000 {
            return port;
        }
    }
}
