//! What these tests share: the server of the environment, or one of their own, and tables on it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use bytes::Bytes;
use kv_core::testing::service;
use kv_core::{Clock, Key, NewEntry, PutMode, Result, Store, Version};
use kv_dynamo::{DynamoConfig, DynamoCredentials, DynamoStore};
use tempfile::TempDir;

/// Long enough for anything that must happen on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The collection of these tests.
pub(crate) const C: &str = "c";

/// A table that goes with this.
pub(crate) struct Table {
    pub(crate) endpoint: String,
    pub(crate) name: String,
}

impl Table {
    /// A name that no table has, on the server of the environment.
    pub(crate) fn unmade() -> Option<Self> {
        Some(Self::at(service("LARDER_TEST_DYNAMODB")?))
    }

    /// A name that no table has, on the server at `endpoint`.
    pub(crate) fn at(endpoint: String) -> Self {
        Self { endpoint, name: format!("tests-{:032x}", rand::random::<u128>()) }
    }

    /// What opens it, without making it.
    pub(crate) fn config(&self) -> DynamoConfig {
        let mut config = DynamoConfig::new(&self.name);
        config.endpoint = Some(self.endpoint.clone());
        config.credentials = Some(DynamoCredentials::new("test", "test"));
        config
    }

    pub(crate) async fn open(&self) -> DynamoStore {
        self.open_with(&Clock::system()).await
    }

    pub(crate) async fn open_with(&self, clock: &Clock) -> DynamoStore {
        let mut config = self.config();
        config.create = true;
        config.clock = clock.clone();
        DynamoStore::open(config).await.unwrap()
    }

    /// A client of the service itself, to look behind the store.
    pub(crate) fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE / 4).build())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        Client::from_conf(config.build())
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let (client, table) = (self.client(), self.name.clone());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| drop(runtime.block_on(client.delete_table().table_name(table).send())))
        });
        drop(deleting.join()); // it may never have been made
    }
}

/// A server of our own, that keeps its data in a file; it ends with this.
pub(crate) struct Server {
    program: String,
    child: Child,
    port: u16,
    data: TempDir,
}

impl Server {
    /// `None`, loudly, where there is no program and nothing requires one.
    pub(crate) fn start() -> Option<Self> {
        let program = service("LARDER_TEST_DYNAMODB_SERVER")?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = tempfile::tempdir().unwrap();
        let child = spawn(&program, port, data.path());
        Some(Self { program, child, port, data })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap(); // SIGKILL
        self.child.wait().unwrap();
    }

    /// Starts it anew on the same port, with the data it had.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.program, self.port, self.data.path());
    }

    /// Sends it a signal, such as STOP and CONT.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill()); // it may be dead already
        drop(self.child.wait());
    }
}

fn spawn(program: &str, port: u16, data: &std::path::Path) -> Child {
    let mut command = Command::new(program);
    command.args(["serve", "--host", "127.0.0.1", "--log", "quiet", "--port", &port.to_string()]);
    command.arg("--db-path").arg(data.join("data.sqlite"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "the server does not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

pub(crate) async fn put(store: &DynamoStore, id: &str, value: impl Into<Bytes>) -> Result<Version> {
    store.put(Key::new(C, id), NewEntry::new(value), PutMode::Replace).await
}

pub(crate) async fn put_for(store: &DynamoStore, id: &str, value: &'static str, ttl: Duration) -> Version {
    store.put(Key::new(C, id), NewEntry::new(value).ttl(ttl), PutMode::Replace).await.unwrap()
}

/// The value under `id`.
pub(crate) async fn value(store: &DynamoStore, id: &str) -> Result<Option<Bytes>> {
    store.get(Key::new(C, id)).await.map(|entry| entry.map(|entry| entry.value))
}
