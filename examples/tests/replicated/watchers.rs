//! Clients whose streams outlive the process that carried them.

use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinHandle;

use super::proxy::Proxy;
use super::rust_client::{Client, all_steps};
use super::scripts::{Script, Sdk};
use super::{Era, soon};

/// As many as `examples/clients/watch.*` take, and as quickly.
const STEPS: u32 = 240;
const PAUSE_MS: u64 = 60;

/// A client that is told of updates and, in a session, takes many steps.
pub(crate) enum Watcher {
    Script(Box<Script>),
    Rust { client: Arc<Client>, era: Era, walking: Option<JoinHandle<(Vec<String>, Value)>> },
}

impl Watcher {
    /// All of them, once each is told of updates; `None` where the tools of one are missing. Each is a user of its own.
    pub(crate) async fn all(proxy: &Proxy) -> Option<Vec<Self>> {
        let scripts = [
            (Sdk::Fastmcp, Era::Handshake),
            (Sdk::Fastmcp, Era::Modern),
            (Sdk::TypescriptV1, Era::Handshake),
            (Sdk::TypescriptV2, Era::Handshake),
            (Sdk::TypescriptV2, Era::Modern),
        ];
        let mut watchers = Vec::new();
        for ((sdk, era), user) in scripts.into_iter().zip(20..) {
            let script = Script::start("watch", sdk, era, &proxy.url, &format!("demo-{user}"))?;
            watchers.push(Self::Script(Box::new(script)));
        }
        for (era, user) in [(Era::Handshake, 30), (Era::Modern, 31)] {
            let client = Arc::new(Client::connect(era, &proxy.url, &format!("demo-{user}")).await);
            watchers.push(Self::Rust { client, era, walking: None });
        }
        for watcher in &mut watchers {
            watcher.listening().await;
        }
        Some(watchers)
    }

    async fn listening(&mut self) {
        match self {
            Self::Script(script) => assert_eq!(script.line().await, "listening"),
            Self::Rust { client, .. } => {
                soon("the first update", client.hear("before")).await;
            }
        }
    }

    /// Has it take its steps, where it is in a session.
    pub(crate) async fn walk(&mut self) {
        match self {
            Self::Script(script) => script.tell("walk").await,
            Self::Rust { client, era: Era::Handshake, walking } => {
                let client = Arc::clone(client);
                *walking = Some(tokio::spawn(async move { client.walk(STEPS, PAUSE_MS).await }));
            }
            Self::Rust { .. } => {}
        }
    }

    /// Hears of updates again, and has all steps: asserts it.
    pub(crate) async fn end(self) {
        match self {
            Self::Script(mut script) => {
                script.tell("killed").await;
                assert_eq!(script.line().await, "as one server");
                script.end().await;
            }
            Self::Rust { client, walking, .. } => {
                soon("an update after the kill", client.hear("after")).await;
                if let Some(walking) = walking {
                    let walked = soon("the walk", walking).await.expect("it walks");
                    assert_eq!(walked, all_steps(STEPS));
                }
            }
        }
    }
}
