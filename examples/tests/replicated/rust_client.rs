//! rmcp's client, with all that the example server asks of one: forms, a model, progress, updates.

#![expect(deprecated, reason = "the protocol still has sampling")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ErrorData, ProgressNotificationParam, ProtocolVersion,
    ReadResourceRequestParams, ResourceUpdatedNotificationParam, SubscribeRequestParams, SubscriptionFilter,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, NotificationContext, Peer, RequestContext, RoleClient,
    RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Era;

const BOARD: &str = "board://mine";

/// A client that is connected and told of updates.
pub(crate) struct Client {
    service: RunningService<RoleClient, Handler>,
    handler: Handler,
    listening: Option<JoinHandle<()>>,
}

/// Who answers the server's questions and hears what it tells.
#[derive(Clone, Debug, Default)]
struct Handler {
    updated: Arc<Notify>,
    /// How far each says it is, and what it says.
    steps: Arc<Mutex<Vec<(f64, String)>>>,
}

impl Client {
    pub(crate) async fn connect(era: Era, url: &str, token: &str) -> Self {
        let handler = Handler::default();
        let lifecycle = match era {
            Era::Handshake => ClientLifecycleMode::Initialize,
            Era::Modern => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
        };
        let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
        let transport = StreamableHttpClientTransport::from_config(config);
        let service = handler.clone().serve_with_lifecycle(transport, lifecycle).await.expect("it connects");
        let listening = match era {
            Era::Handshake => {
                let board = SubscribeRequestParams::new(BOARD);
                service.subscribe(board).await.expect("it subscribes");
                None
            }
            Era::Modern => Some(tokio::spawn(keep_listening(service.peer().clone(), handler.clone()))),
        };
        Self { service, handler, listening }
    }

    pub(crate) async fn tools(&self) -> Vec<String> {
        let tools = self.service.list_all_tools().await.expect("a list");
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    /// What a tool answers, and the process that did.
    pub(crate) async fn call(&self, name: &str, arguments: Value) -> (Value, u64) {
        let params = json!({ "name": name, "arguments": arguments });
        let params: CallToolRequestParams = serde_json::from_value(params).expect("parameters");
        let result = self.service.call_tool(params).await.expect("an answer");
        let mut content = result.structured_content.unwrap_or_else(|| panic!("{name}: {:?}", result.content));
        (content["answer"].take(), content["replica"].as_u64().expect("a process"))
    }

    /// Calls `steps`; the steps that were told, and the answer.
    pub(crate) async fn walk(&self, count: u32, pause_ms: u64) -> (Vec<String>, Value) {
        self.handler.steps().clear();
        let (answer, _) = self.call("steps", json!({ "count": count, "pause_ms": pause_ms })).await;
        // Each is told in a task of its own, so the last may still be on its way, and their order is rmcp's.
        for _ in 0..200 {
            if u32::try_from(self.steps_so_far()) == Ok(count) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut steps = self.handler.steps().clone();
        steps.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        (steps.into_iter().map(|(_, step)| step).collect(), answer)
    }

    /// How many steps were told of the walk that goes on.
    pub(crate) fn steps_so_far(&self) -> usize {
        self.handler.steps().len()
    }

    /// Writes on the board until an update was told of it; the process that took the write.
    pub(crate) async fn hear(&self, text: &str) -> u64 {
        for _ in 0..60 {
            // One that was told before is not waited for.
            let _ = tokio::time::timeout(Duration::ZERO, self.handler.updated.notified()).await;
            let (_, replica) = self.call("write", json!({ "text": text })).await;
            // No stream yet, or no more: what is told meanwhile is lost.
            let heard =
                tokio::time::timeout(Duration::from_millis(500), self.handler.updated.notified()).await;
            if heard.is_ok() {
                assert_eq!(self.board().await, text);
                return replica;
            }
        }
        panic!("nothing was told");
    }

    async fn board(&self) -> String {
        let read =
            self.service.read_resource(ReadResourceRequestParams::new(BOARD)).await.expect("the board");
        let contents = serde_json::to_value(read.contents).expect("JSON");
        contents[0]["text"].as_str().expect("text").to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

/// All steps of a walk, as they are told, and its answer.
pub(crate) fn all_steps(count: u32) -> (Vec<String>, Value) {
    let step = |step| format!("{step} of {count}: step {step}");
    ((1..=count).map(step).collect(), json!(format!("{count} steps")))
}

/// 2026-07-28: a stream that is lost is opened again, by us; nothing of it is repeated, so whoever hears of that looks anew.
async fn keep_listening(peer: Peer<RoleClient>, handler: Handler) {
    let board = SubscriptionFilter::builder().resource_subscriptions([BOARD]).build();
    loop {
        if let Ok(mut subscription) = peer.listen(board.clone()).await {
            while let Ok(Some(_)) = subscription.next().await {
                handler.updated.notify_one();
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Handler {
    fn steps(&self) -> std::sync::MutexGuard<'_, Vec<(f64, String)>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientHandler for Handler {
    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(serde_json::from_value(json!({ "action": "accept", "content": { "portions": 2 } }))
            .expect("a result"))
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let messages = serde_json::to_value(params.messages).expect("JSON");
        let content = &messages[0]["content"];
        let text = content.get(0).unwrap_or(content)["text"].as_str().expect("text");
        let word = text.trim_start_matches("Shorten: ").split(' ').next();
        let said = json!({ "role": "assistant", "model": "first word", "content": { "type": "text", "text": word } });
        Ok(serde_json::from_value(said).expect("a result"))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let total = params.total.unwrap_or_default();
        let said = format!("{} of {total}: {}", params.progress, params.message.unwrap_or_default());
        self.steps().push((params.progress, said));
    }

    async fn on_resource_updated(
        &self,
        _: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.updated.notify_one();
    }

    fn get_info(&self) -> ClientConfig {
        let info = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "elicitation": {}, "sampling": {} },
            "clientInfo": { "name": "larder-rmcp", "version": "1" },
        });
        serde_json::from_value(info).expect("a description")
    }
}
