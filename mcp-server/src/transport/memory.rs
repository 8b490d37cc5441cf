//! A client in the same process, for tests: it speaks bytes through the same decoder and renderer as any other.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::lines::Connection;
use crate::dispatch::Dispatcher;
use crate::protocol::Revision;
use crate::{Error, Principal, Reference, Result};

/// A client in the same process. It shakes hands by itself where its revision asks for that.
///
/// Requests are sent one at a time; notifications that arrive before an answer are kept for
/// [`TestClient::notifications`].
pub struct TestClient {
    dispatcher: Dispatcher,
    principal: Principal,
    revision: Revision,
    capabilities: Value,
    meta: Value,
    connection: Mutex<Option<Arc<Connection>>>,
    notifications: std::sync::Mutex<VecDeque<Value>>,
    next_id: AtomicU64,
    answering: Option<Answering>,
}

/// Answers what a server asks: method and parameters in, the result out.
type Answering = Arc<dyn Fn(&str, &Value) -> Value + Send + Sync>;

/// An error answer, as the client saw it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TestError {
    /// The code.
    pub code: i64,
    /// The message.
    pub message: String,
    /// The data, null where there is none.
    pub data: Value,
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for TestError {}

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// A request that asks more often than this never ends.
const MAX_ROUNDS: usize = 20;

impl TestClient {
    pub(crate) fn new(dispatcher: Dispatcher) -> Self {
        Self {
            dispatcher,
            principal: Principal::local(),
            revision: Revision::V2026_07_28,
            capabilities: json!({}),
            meta: json!({}),
            connection: Mutex::default(),
            notifications: std::sync::Mutex::default(),
            next_id: AtomicU64::new(1),
            answering: None,
        }
    }

    /// Speaks this revision; without, 2026-07-28.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = revision;
        self
    }

    /// Asks as this principal; without, as whoever started the process.
    #[must_use]
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = principal;
        self
    }

    /// Declares these capabilities, an object.
    #[must_use]
    pub fn capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Adds these fields to `_meta` of every request, such as `progressToken`.
    #[must_use]
    pub fn meta(mut self, meta: Value) -> Self {
        self.meta = meta;
        self
    }

    /// Answers what the server asks (`elicitation/create`, `sampling/createMessage`, `roots/list`) with what `answer` makes of
    /// method and parameters: within the request in a handshake session, by sending the request again on 2026-07-28. The
    /// capabilities must say that it can be asked. Without it, questions come out as they are.
    #[must_use]
    pub fn answering(mut self, answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Self {
        self.answering = Some(Arc::new(answer));
        self
    }

    /// Another client of the same server, with a connection of its own.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            principal: self.principal.clone(),
            revision: self.revision,
            capabilities: self.capabilities.clone(),
            meta: self.meta.clone(),
            answering: self.answering.clone(),
            ..Self::new(self.dispatcher.clone())
        }
    }

    /// Calls a tool; the whole result object.
    ///
    /// # Errors
    /// The error that the server answered.
    pub async fn call_tool(&self, name: &str, arguments: Value) -> std::result::Result<Value, TestError> {
        self.request("tools/call", json!({ "name": name, "arguments": arguments })).await
    }

    /// Reads a resource; the whole result object.
    ///
    /// # Errors
    /// The error that the server answered.
    pub async fn read_resource(&self, uri: &str) -> std::result::Result<Value, TestError> {
        self.request("resources/read", json!({ "uri": uri })).await
    }

    /// Gets a prompt; the whole result object.
    ///
    /// # Errors
    /// The error that the server answered.
    pub async fn get_prompt(&self, name: &str, arguments: Value) -> std::result::Result<Value, TestError> {
        self.request("prompts/get", json!({ "name": name, "arguments": arguments })).await
    }

    /// Asks for completions of an argument of which `value` is there; the whole result object. `chosen` are the values
    /// of other arguments, an object of strings.
    ///
    /// # Errors
    /// The error that the server answered.
    pub async fn complete(
        &self,
        reference: Reference,
        argument: &str,
        value: &str,
        chosen: Value,
    ) -> std::result::Result<Value, TestError> {
        let reference = match reference {
            Reference::Prompt(name) => json!({ "type": "ref/prompt", "name": &*name }),
            Reference::Resource(uri) => json!({ "type": "ref/resource", "uri": &*uri }),
        };
        let params = json!({
            "ref": reference,
            "argument": { "name": argument, "value": value },
            "context": { "arguments": chosen },
        });
        self.request("completion/complete", params).await
    }

    /// Listens for changes by a `subscriptions/listen` (2026-07-28) with this filter, such as
    /// `{"toolsListChanged": true}`, and waits until it is acknowledged: the parameters of that, which hold what of the
    /// filter is honoured and in `_meta` the id of the subscription. What is told comes by
    /// [`TestClient::next_notification`]; `notifications/cancelled` with that id as `requestId` ends it.
    ///
    /// # Errors
    /// The error that the server answered.
    pub async fn listen(&self, notifications: Value) -> std::result::Result<Value, TestError> {
        let connection = self.connected().await?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let params = self.with_meta(json!({ "notifications": notifications }));
        let message =
            json!({ "jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": params });
        connection.receive(&Bytes::from(message.to_string()));
        let mine = |message: &Value| subscription_of(message).and_then(Value::as_u64) == Some(id);
        let acknowledged = async {
            loop {
                let mut message = self.message(&connection).await?;
                if message.get("id").and_then(Value::as_u64) == Some(id) {
                    return outcome(message);
                }
                if message.get("method") == Some(&json!("notifications/subscriptions/acknowledged"))
                    && mine(&message)
                {
                    return Ok(message.get_mut("params").map(Value::take).unwrap_or_default());
                }
                self.kept().push_back(message);
            }
        };
        patiently(acknowledged).await
    }

    /// Waits for the next notification, or takes the first of those that arrived before.
    ///
    /// # Errors
    /// None came within 30 s, or the connection was closed.
    pub async fn next_notification(&self) -> std::result::Result<Value, TestError> {
        let connection = self.connected().await?;
        let next = async {
            loop {
                if let Some(notification) = self.take_kept(|message| message.get("method").is_some()) {
                    return Ok(notification);
                }
                let message = self.message(&connection).await?;
                self.kept().push_back(message);
            }
        };
        patiently(next).await
    }

    /// Sends any request; the whole result object.
    ///
    /// # Errors
    /// The error that the server answered.
    pub async fn request(&self, method: &str, params: Value) -> std::result::Result<Value, TestError> {
        let connection = self.connected().await?;
        let mut result = self.exchange(&connection, method, self.with_meta(params.clone())).await?;
        for _ in 0..MAX_ROUNDS {
            let Some(again) = self.next_round(&params, &result) else { return Ok(result) };
            result = self.exchange(&connection, method, self.with_meta(again)).await?;
        }
        Err(lost("the server asks without end"))
    }

    /// The parameters that answer what `result` asks, if it asks something and somebody answers.
    fn next_round(&self, params: &Value, result: &Value) -> Option<Value> {
        let answer = self.answering.as_ref().filter(|_| result["resultType"] == "input_required")?;
        let requests = result["inputRequests"].as_object().cloned().unwrap_or_default();
        let responses: serde_json::Map<_, _> = requests
            .into_iter()
            .map(|(key, mut request)| {
                let params = request.get_mut("params").map(Value::take).unwrap_or_default();
                let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
                (key, answer(method, &params))
            })
            .collect();
        let mut params = params.clone();
        let fields = params.as_object_mut()?;
        fields.insert("inputResponses".to_owned(), Value::from(responses));
        if let Some(state) = result.get("requestState") {
            fields.insert("requestState".to_owned(), state.clone());
        }
        Some(params)
    }

    /// Sends any notification.
    ///
    /// # Errors
    /// The error that the server answered to the handshake before it.
    pub async fn notify(&self, method: &str, params: Value) -> std::result::Result<(), TestError> {
        let connection = self.connected().await?;
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": self.with_meta(params) });
        connection.receive(&Bytes::from(message.to_string()));
        Ok(())
    }

    /// Sends these bytes as they are, and gives the lines that were answered at once.
    ///
    /// # Errors
    /// The handshake before it failed.
    pub async fn raw(&self, message: &[u8]) -> Result<Vec<Value>> {
        let connection =
            self.connected().await.map_err(|error| Error::new("the handshake failed").because(error))?;
        connection.receive(&Bytes::copy_from_slice(message));
        tokio::task::yield_now().await;
        let lines = std::iter::from_fn(|| connection.outgoing().pop());
        Ok(lines.filter_map(|line| serde_json::from_slice(&line).ok()).collect())
    }

    /// The notifications that arrived so far; they are gone then.
    pub fn notifications(&self) -> Vec<Value> {
        std::iter::from_fn(|| self.take_kept(|message| message.get("method").is_some())).collect()
    }

    /// Ends the connection, as closing stdin would. The next request opens another.
    pub async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            connection.end(Duration::ZERO).await;
        }
    }

    fn with_meta(&self, mut params: Value) -> Value {
        let mut meta = self.meta.clone();
        if self.revision.is_stateless()
            && let Some(meta) = meta.as_object_mut()
        {
            let fields = [
                ("protocolVersion", json!(self.revision.as_str())),
                ("clientInfo", client_info()),
                ("clientCapabilities", self.capabilities.clone()),
            ];
            for (name, value) in fields {
                meta.entry(format!("io.modelcontextprotocol/{name}")).or_insert(value);
            }
        }
        if meta.as_object().is_some_and(|meta| !meta.is_empty())
            && let Some(params) = params.as_object_mut()
        {
            params.insert("_meta".to_owned(), meta);
        }
        params
    }

    async fn connected(&self) -> std::result::Result<Arc<Connection>, TestError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(Arc::clone(connection));
        }
        let fresh = Connection::new(self.dispatcher.clone(), self.principal.clone());
        if !self.revision.is_stateless() {
            let params = json!({
                "protocolVersion": self.revision.as_str(),
                "capabilities": self.capabilities,
                "clientInfo": client_info(),
            });
            self.exchange(&fresh, "initialize", params).await?;
            fresh.receive(&Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#));
        }
        *connection = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    async fn exchange(
        &self,
        connection: &Arc<Connection>,
        method: &str,
        params: Value,
    ) -> std::result::Result<Value, TestError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        connection.receive(&Bytes::from(message.to_string()));
        patiently(self.answer(connection, id)).await
    }

    /// Answers a request of the server's; `false` for anything else.
    fn answered(&self, connection: &Arc<Connection>, message: &Value) -> bool {
        let (Some(answer), Some(method)) = (&self.answering, message["method"].as_str()) else {
            return false;
        };
        let Some(id) = message.get("id") else { return false };
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": answer(method, &message["params"]) });
        connection.receive(&Bytes::from(answer.to_string()));
        true
    }

    async fn answer(&self, connection: &Arc<Connection>, id: u64) -> std::result::Result<Value, TestError> {
        loop {
            let message = self.message(connection).await?;
            if self.answered(connection, &message) {
                continue;
            }
            if message.get("id").and_then(Value::as_u64) == Some(id) {
                return outcome(message);
            }
            self.kept().push_back(message);
        }
    }

    /// The next message that comes.
    async fn message(&self, connection: &Connection) -> std::result::Result<Value, TestError> {
        let Some(line) = connection.outgoing().next().await else {
            return Err(lost("the connection was closed"));
        };
        serde_json::from_slice(&line).map_err(|_| lost("not JSON"))
    }

    /// Takes the first of the kept messages that is `wanted`.
    fn take_kept(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let mut kept = self.kept();
        let at = kept.iter().position(wanted)?;
        kept.remove(at)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<Value>> {
        self.notifications.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The result of a response, or its error.
fn outcome(mut message: Value) -> std::result::Result<Value, TestError> {
    let Some(error) = message.get("error") else {
        return Ok(message.get_mut("result").map(Value::take).unwrap_or_default());
    };
    Err(TestError {
        code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
        message: error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        data: error.get("data").cloned().unwrap_or_default(),
    })
}

/// The subscription that a notification belongs to.
fn subscription_of(message: &Value) -> Option<&Value> {
    message.pointer("/params/_meta")?.get("io.modelcontextprotocol/subscriptionId")
}

async fn patiently<T>(
    answer: impl Future<Output = std::result::Result<T, TestError>>,
) -> std::result::Result<T, TestError> {
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(lost("no answer within 30 s")))
}

fn client_info() -> Value {
    json!({ "name": "larder-test-client", "version": env!("CARGO_PKG_VERSION") })
}

fn lost(message: &str) -> TestError {
    TestError { code: 0, message: message.to_owned(), data: Value::Null }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("revision", &self.revision).finish_non_exhaustive()
    }
}
