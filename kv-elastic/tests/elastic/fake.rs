//! A server that is made up: it answers as a test tells it, in the words of the real ones.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv_elastic::ElasticConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

impl Asked {
    /// Whether it writes a document, or would if there were none.
    pub(crate) fn writes(&self) -> bool {
        let paths: &[&str] = match self.method.as_str() {
            "PUT" => &["/_doc/"],
            "POST" => &["/_update/"],
            _ => &[],
        };
        paths.iter().any(|path| self.path.contains(path))
    }
}

type Script = Box<dyn Fn(&Asked) -> Option<(u16, Value)> + Send + Sync>;

/// Answers until it is dropped.
pub(crate) struct Fake {
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: AbortHandle,
}

impl Fake {
    /// A server that answers by `script`, and what the script leaves out as a fresh `OpenSearch` with Larder's index would.
    pub(crate) async fn start(
        script: impl Fn(&Asked) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (record, script) = (Arc::clone(&asked), Arc::new(Box::new(script) as Script));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&record)));
            }
        });
        Self { host, asked, accepting: accepting.abort_handle() }
    }

    pub(crate) fn config(&self) -> ElasticConfig {
        let mut config = ElasticConfig::new([self.host.clone()]);
        config.patience = Duration::from_secs(10);
        config.reap_every = Duration::ZERO;
        config
    }

    /// What was asked so far with this method.
    pub(crate) fn asked(&self, method: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.method == method).cloned().collect()
    }

    /// What was asked so far that writes a document.
    pub(crate) fn writes(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.writes()).cloned().collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>, record: Arc<Mutex<Vec<Asked>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = request(&mut stream).await {
        record.lock().unwrap().push(asked.clone());
        let (status, body) = script(&asked).unwrap_or_else(|| usual(&asked));
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// RFC 9112, as much of it as our client uses.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut asked = Asked::default();
    let (mut line, mut length) = (String::new(), 0);
    stream.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split(' ');
    (asked.method, asked.path) = (words.next()?.to_owned(), words.next()?.to_owned());
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => asked.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}

/// What a fresh server says while a store is opened, and that there are no documents.
fn usual(asked: &Asked) -> (u16, Value) {
    match asked.path.split('?').next().unwrap_or_default() {
        "/" => (200, root("3.8.0", Some("opensearch"))),
        "/_nodes/http" => {
            (200, json!({ "nodes": { "a": { "http": { "max_content_length_in_bytes": 104_857_600 } } } }))
        }
        "/larder/_mapping" => (200, json!({ "larder": { "mappings": mapping() } })),
        _ if asked.writes() => (201, json!({ "result": "created" })),
        _ => (404, json!({ "found": false })),
    }
}

pub(crate) fn root(version: &str, distribution: Option<&str>) -> Value {
    json!({ "version": { "number": version, "distribution": distribution } })
}

/// An error as both products write it.
pub(crate) fn exception(status: u16, name: &str, reason: &str) -> (u16, Value) {
    (status, json!({ "error": { "root_cause": [], "type": name, "reason": reason }, "status": status }))
}

/// The mapping as `docs/backends/elasticsearch.md` has it.
pub(crate) fn mapping() -> Value {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/backends/elasticsearch.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, json) = page.split_once("```json\n").unwrap();
    let (json, _) = json.split_once("```").unwrap();
    serde_json::from_str(json).unwrap()
}
