//! What these tests share: servers of their own, and shorthands.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kv_core::testing::service;
use kv_core::{Entry, Key, NewEntry, PutMode, Result, Store, Version};
use kv_mongo::{MongoConfig, MongoStore};
use mongodb::Client;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use tempfile::TempDir;

/// Long enough for anything that must happen on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server of our own, whose data outlive its restarts; it ends with this.
pub(crate) struct Server {
    child: Child,
    program: PathBuf,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    pub(crate) port: u16,
    pub(crate) dir: TempDir,
}

impl Server {
    /// Starts a server with these options; `None`, loudly, where there is no program and nothing requires one.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        Self::start_in(TempDir::new().unwrap(), options, &[])
    }

    /// As [`Server::start`], with a directory for its data and files beside them, and with variables.
    pub(crate) fn start_in(dir: TempDir, options: &[&str], environment: &[(&str, &str)]) -> Option<Self> {
        let program = PathBuf::from(service("LARDER_TEST_MONGODB_SERVER")?);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = environment.iter().map(pair).collect();
        let child = spawn(&program, &options, &environment, port, dir.path());
        Some(Self { child, program, options, environment, port, dir })
    }

    /// Starts it again on the same port, with the same data.
    pub(crate) fn again(&mut self) {
        self.child = spawn(&self.program, &self.options, &self.environment, self.port, self.dir.path());
    }

    /// Ends it in order and starts it with other options.
    pub(crate) fn restart_with(&mut self, options: &[&str]) {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(ended.success());
        self.child.wait().unwrap();
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
        self.again();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}/app?directConnection=true", self.port)
    }

    pub(crate) fn config(&self) -> MongoConfig {
        config(&self.url())
    }

    pub(crate) async fn open(&self) -> MongoStore {
        MongoStore::open(self.config()).await.unwrap()
    }

    /// The driver itself, to look behind the store.
    pub(crate) async fn driver(&self) -> Client {
        Client::with_uri_str(self.url()).await.unwrap()
    }

    /// The documents that the store keeps.
    pub(crate) async fn documents(&self) -> mongodb::Collection<Document> {
        self.driver().await.database("app").collection("larder")
    }

    /// Makes the next commands of this name fail as `data` says.
    pub(crate) async fn fail(&self, command: &str, times: i32, data: Document) {
        let mut data = data;
        data.insert("failCommands", vec![command]);
        let point = doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
        self.driver().await.database("admin").run_command(point).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be dead already
        let _ = self.child.wait();
    }
}

fn spawn(
    program: &Path,
    options: &[String],
    environment: &[(String, String)],
    port: u16,
    dir: &Path,
) -> Child {
    let mut command = Command::new(program);
    command.args(["--host", "127.0.0.1", "--log-level", "ERROR", "--port", &port.to_string()]);
    command.arg("--storage-path").arg(dir.join("data")).args(options);
    command.envs(environment.iter().cloned()).current_dir(dir);
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let child = command.spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let said = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(Instant::now() < until, "the server does not come up: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// A store that waits long for its server, as a busy machine may need.
pub(crate) fn config(url: &str) -> MongoConfig {
    let mut config = MongoConfig::new(&format!("{url}&connectTimeoutMS=60000")).unwrap();
    config.patience = PATIENCE;
    config.open_timeout = PATIENCE;
    config
}

pub(crate) async fn put(store: &MongoStore, id: &str, value: impl Into<bytes::Bytes>) -> Result<Version> {
    store.put(Key::new("c", id), NewEntry::new(value), PutMode::Replace).await
}

pub(crate) async fn create(store: &MongoStore, id: &str, value: impl Into<bytes::Bytes>) -> Result<Version> {
    store.put(Key::new("c", id), NewEntry::new(value), PutMode::Create).await
}

pub(crate) async fn get(store: &MongoStore, id: &str) -> Result<Option<Entry>> {
    store.get(Key::new("c", id)).await
}

pub(crate) async fn value(store: &MongoStore, id: &str) -> Option<String> {
    let found = get(store, id).await.unwrap()?;
    Some(String::from_utf8(found.value.to_vec()).unwrap())
}

pub(crate) async fn take(store: &MongoStore, id: &str) -> Result<Option<Entry>> {
    store.take(Key::new("c", id), None).await
}

/// What an error and its causes say, all in one.
pub(crate) fn said(error: &kv_core::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text} {error} {error:?}");
        cause = error.source();
    }
    text
}

/// The size of a document as the database has it.
pub(crate) fn length(document: &Document) -> usize {
    RawDocumentBuf::try_from(document).unwrap().as_bytes().len()
}
