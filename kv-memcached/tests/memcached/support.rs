//! What these tests share: a server of their own, and a way to look into it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kv_core::testing::service;
use kv_core::{Clock, Entry, Key, NewEntry, PutMode, Result, Store, Version};
use kv_memcached::{MemcachedConfig, MemcachedStore};

/// Long enough for anything that must happen on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server of our own; it ends with this.
pub(crate) struct Server {
    child: Child,
    program: String,
    options: Vec<String>,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server with these options; `None`, loudly, where there is no program and nothing requires one.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let program = service("LARDER_TEST_MEMCACHED_SERVER")?;
        let port = free_port();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let child = spawn(&program, &options, port);
        Some(Self { child, program, options, port })
    }

    /// Kills it and starts it anew on the same port, empty.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.program, &self.options, self.port);
    }

    /// Restarts it with other options.
    pub(crate) fn restart_with(&mut self, options: &[&str]) {
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
        self.restart();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap(); // SIGKILL
        self.child.wait().unwrap();
    }

    /// Sends it a signal, such as CONT.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Stops it. On a busy machine it goes on for a moment after the signal.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
        let (until, id) = (Instant::now() + PATIENCE, self.child.id().to_string());
        let state = || Command::new("ps").args(["-o", "state=", "-p", &id]).output().unwrap().stdout;
        while !state().starts_with(b"T") {
            assert!(Instant::now() < until, "it does not stop");
        }
    }

    pub(crate) fn config(&self) -> MemcachedConfig {
        MemcachedConfig::new([("127.0.0.1".to_owned(), self.port)])
    }

    pub(crate) async fn open(&self) -> MemcachedStore {
        MemcachedStore::open(self.config()).await.unwrap()
    }

    pub(crate) async fn open_with(&self, clock: &Clock) -> MemcachedStore {
        let mut config = self.config();
        config.clock = clock.clone();
        MemcachedStore::open(config).await.unwrap()
    }

    /// The lines that it answers to a command, up to END or OK.
    pub(crate) fn lines(&self, command: &str) -> Vec<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let lines = BufReader::new(stream).lines().map(Result::unwrap);
        lines.take_while(|line| line != "END" && line != "OK").collect()
    }

    /// A number among its statistics.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let line = self.lines("stats").into_iter().find(|line| line.starts_with(&format!("STAT {name} ")));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Seconds after which it would drop each of its items; -1 is never. The server moves items between its queues while
    /// it walks them, and then lists one twice.
    pub(crate) fn lifetimes(&self) -> Vec<i64> {
        let now = self.stat("time");
        let items = self.lines("lru_crawler metadump all").into_iter().filter_map(|line| {
            let field = |name| line.split(' ').find_map(|word| word.strip_prefix(name));
            let exptime = field("exp=")?.parse::<i64>().ok()?;
            let left = if exptime < 0 { -1 } else { exptime - i64::try_from(now).unwrap() };
            Some((field("key=")?.to_owned(), left))
        });
        items.collect::<BTreeMap<_, _>>().into_values().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be dead already
        let _ = self.child.wait();
    }
}

fn spawn(program: &str, options: &[String], port: u16) -> Child {
    let mut command = Command::new(program);
    command.args(["-l", "127.0.0.1", "-U", "0", "-p", &port.to_string()]).args(options);
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout.trim_ascii() == b"0" {
        command.args(["-u", "nobody"]); // it refuses to run as root otherwise
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "the server does not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) async fn put(store: &MemcachedStore, id: &str, value: impl Into<bytes::Bytes>) -> Result<Version> {
    store.put(Key::new("c", id), NewEntry::new(value), PutMode::Replace).await
}

pub(crate) async fn get(store: &MemcachedStore, id: &str) -> Result<Option<Entry>> {
    store.get(Key::new("c", id)).await
}
