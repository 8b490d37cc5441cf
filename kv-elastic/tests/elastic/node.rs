//! A server of a test's own, which it may kill.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kv_core::testing::service;
use kv_elastic::{ElasticConfig, ElasticStore};
use serde_json::json;
use tempfile::TempDir;

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A server that dies with the test; what it has written stays until then.
pub(crate) struct Node {
    program: String,
    port: u16,
    dir: TempDir,
    child: Option<Child>,
}

impl Node {
    /// `None`, loudly, where there is no program and nothing requires one.
    pub(crate) async fn start() -> Option<Self> {
        let program = service("LARDER_TEST_OPENSEARCH_SERVER")?;
        // It refuses all others.
        let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let port = (9_202..9_300).rev().find(free).unwrap();
        let mut node = Self { program, port, dir: TempDir::new().unwrap(), child: None };
        node.restart().await;
        node.takes_any_disk().await;
        Some(node)
    }

    /// On a disk that is nine tenths full it would make no index.
    async fn takes_any_disk(&self) {
        let settings =
            json!({ "persistent": { "cluster.routing.allocation.disk.threshold_enabled": false } });
        let put = reqwest::Client::new().put(format!("http://127.0.0.1:{}/_cluster/settings", self.port));
        let put = put.header("content-type", "application/json").body(settings.to_string());
        assert!(put.send().await.unwrap().status().is_success());
    }

    /// Starts it on what it left behind, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg(self.dir.path().join("data")).arg(self.port.to_string());
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let end = Instant::now() + PATIENCE;
        let health =
            format!("http://127.0.0.1:{}/_cluster/health?wait_for_status=yellow&timeout=1s", self.port);
        while !self.answers(&health).await {
            assert!(Instant::now() < end, "it does not answer");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn answers(&mut self, health: &str) -> bool {
        let ended = self.child.as_mut().unwrap().try_wait().unwrap();
        assert!(ended.is_none(), "it has ended: {ended:?}");
        let Ok(response) = reqwest::get(health).await else { return false };
        response.text().await.is_ok_and(|text| text.contains(r#""timed_out":false"#))
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A store on it.
    pub(crate) async fn store(&self) -> ElasticStore {
        let mut config = ElasticConfig::new([format!("127.0.0.1:{}", self.port)]);
        config.reap_every = Duration::ZERO;
        config.open_timeout = Duration::from_secs(30); // it has just started
        ElasticStore::open(config).await.unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
