//! A server that answers what a test tells it to: for what the stand-in never says.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use kv_dynamo::{DynamoConfig, DynamoCredentials, DynamoStore};

/// What the server does with a request.
pub(crate) enum Answer {
    Json(u16, Value),
    /// Reads the request, and closes the connection.
    Cut,
    /// Reads the request, and never answers.
    Silence,
}

impl Answer {
    /// An answer of success.
    pub(crate) fn ok(body: Value) -> Self {
        Self::Json(200, body)
    }

    /// A refusal, as the service writes it.
    pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Self {
        Self::Json(
            status,
            json!({ "__type": format!("com.amazon.coral.service#{code}"), "message": message }),
        )
    }
}

type Script = dyn Fn(&str, &Value) -> Answer + Send + Sync;

/// The server. It answers what opening asks for by itself, and the rest by its script.
pub(crate) struct Scripted {
    endpoint: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Scripted {
    /// Starts it; `script` answers each operation, such as `GetItem`, and its body.
    pub(crate) async fn start(script: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        Self::behind(None, script).await
    }

    /// As `start`, behind TLS if there is an acceptor.
    pub(crate) async fn behind(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let start = if tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        let endpoint = format!("{start}:{}", listener.local_addr().unwrap().port());
        let (asked, script): (_, Arc<Script>) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log, tls) = (Arc::clone(&script), Arc::clone(&log), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, script, log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, script, log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { endpoint, asked }
    }

    pub(crate) fn config(&self) -> DynamoConfig {
        let mut config = DynamoConfig::new("table");
        config.endpoint = Some(self.endpoint.clone());
        config.credentials = Some(DynamoCredentials::new("test", "test"));
        config
    }

    pub(crate) async fn open(&self) -> DynamoStore {
        DynamoStore::open(self.config()).await.unwrap()
    }

    /// The bodies of the requests for `operation`, in their order.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(name, _)| name == operation).map(|(_, body)| body.clone()).collect()
    }
}

/// What the service says of a table that is ready and ours.
pub(crate) fn described() -> Answer {
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let text = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    Answer::ok(json!({ "Table": {
        "TableName": "table",
        "TableStatus": "ACTIVE",
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "AttributeDefinitions": [text("pk"), text("sk")],
    } }))
}

/// What it says of a table whose expired items it removes.
pub(crate) fn cleans() -> Answer {
    Answer::ok(json!({ "TimeToLiveDescription": { "TimeToLiveStatus": "ENABLED", "AttributeName": "ttl" } }))
}

/// A script for the data alone: the table is ready.
pub(crate) fn ready(script: impl Fn(&str, &Value) -> Answer) -> impl Fn(&str, &Value) -> Answer {
    move |operation, body| match operation {
        "DescribeTable" => described(),
        "DescribeTimeToLive" => cleans(),
        _ => script(operation, body),
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    script: Arc<Script>,
    log: Arc<Mutex<Vec<(String, Value)>>>,
) {
    let mut unread = Vec::new();
    while let Some((operation, body)) = request(&mut stream, &mut unread).await {
        let answer = script(&operation, &body);
        log.lock().unwrap().push((operation, body));
        match answer {
            Answer::Json(status, body) => {
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} Said\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                if stream.write_all((head + &body).as_bytes()).await.is_err() {
                    return;
                }
            }
            Answer::Cut => return,
            Answer::Silence => std::future::pending().await,
        }
    }
}

/// The next request of the connection: its operation and its body.
async fn request(stream: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Option<(String, Value)> {
    loop {
        if let Some(end) = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(unread[..end].to_vec()).unwrap().to_lowercase();
            let header = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
                line.map(|value| value.trim().to_owned())
            };
            let (len, start): (usize, usize) = (header("content-length").unwrap().parse().unwrap(), end + 4);
            if unread.len() >= start + len {
                let body = serde_json::from_slice(&unread[start..start + len]).unwrap();
                let named = String::from_utf8(unread[..end].to_vec()).unwrap();
                unread.drain(..start + len);
                let (_, operation) = named.split_once("DynamoDB_20120810.").unwrap();
                return Some((operation.lines().next().unwrap().trim().to_owned(), body));
            }
        }
        let mut more = vec![0; 65_536];
        match stream.read(&mut more).await {
            Ok(read) if read > 0 => unread.extend_from_slice(&more[..read]),
            _ => return None,
        }
    }
}
