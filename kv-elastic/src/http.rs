//! Requests and answers: one HTTP client for all callers, over the nodes of one cluster.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kv_core::{Error, ErrorKind, Outcome, Result};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, Method, redirect, retry};
use serde::de::DeserializeOwned;

use crate::config::{Credentials, ElasticConfig};
use crate::error;

/// Connecting takes a round trip or two; a node that needs longer is not there. Half of what a try usually has, so that
/// another node can stand in within the same try.
const CONNECT: Duration = Duration::from_secs(1);
/// Shorter than what balancers in between allow, so that they do not cut a connection that is about to be used.
const IDLE: Duration = Duration::from_secs(50);
/// Who drops a request sooner than this changed his mind: it tells nothing of the node.
const SILENT: Duration = Duration::from_millis(100);

/// What a request carries.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Nothing,
    Json(Bytes),
    /// One JSON document a line, each line ended: what `_bulk` takes.
    Lines(Bytes),
}

impl Content {
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::Json(value.to_string().into())
    }
}

/// What came back, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body of a request that succeeded.
    pub(crate) fn ok(self) -> Result<Bytes> {
        if (200..300).contains(&self.status) { Ok(self.body) } else { Err(self.refused()) }
    }

    /// The body of a request that succeeded, decoded. For short ones.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_slice(&self.ok()?).map_err(|_| error::garbled())
    }

    pub(crate) fn refused(&self) -> Error {
        error::refused(self.status, &self.body)
    }
}

/// The client. It repeats nothing that may have been sent.
pub(crate) struct Http {
    client: Client,
    /// `http://host:port` of each node.
    nodes: Vec<String>,
    /// The node to ask first: the one behind the last that could not be reached, or was silent.
    preferred: AtomicUsize,
    authorization: Option<HeaderValue>,
}

impl Http {
    /// # Errors
    /// `Invalid` for credentials that no header can carry and for a file that holds no certificate.
    pub(crate) async fn new(config: &ElasticConfig) -> Result<Self> {
        let roots = match &config.ca_file {
            Some(path) => Some(certificates(path).await?),
            None if config.tls => None,
            None => Some(Vec::new()), // nothing is to be verified: do not look for the system's
        };
        let mut builder = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(config.patience)
            .pool_idle_timeout(IDLE)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .user_agent(concat!("larder/", env!("CARGO_PKG_VERSION")));
        if let Some(roots) = roots {
            builder = builder.tls_certs_only(roots);
        }
        let client = builder
            .build()
            .map_err(|cause| Error::new(ErrorKind::Invalid, "TLS cannot be set up").because(cause))?;
        let scheme = if config.tls { "https" } else { "http" };
        let nodes = config.hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        let authorization = authorization(&config.credentials)?;
        Ok(Self { client, nodes, preferred: AtomicUsize::new(0), authorization })
    }

    pub(crate) const fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Asks the preferred node, and another one if it cannot be reached: then nothing was sent. Where a node was silent, or the
    /// caller gave up before it answered, the next call begins at another one.
    pub(crate) async fn call(&self, method: Method, path: &str, content: Content) -> Result<Answer> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut unreachable = None;
        for (at, node) in self.nodes.iter().enumerate().cycle().skip(first).take(self.nodes.len()) {
            let mut waiting = Waiting { http: self, at, since: Instant::now(), is_over: false };
            let answer = self.ask(node, method.clone(), path, content.clone()).await;
            waiting.is_over = true;
            match answer {
                Err(error) if never_sent(&error) => {
                    self.pass_over(at); // at once, since the caller may give up while the next one is asked
                    unreachable = Some(error);
                }
                Err(error) if error.kind() == ErrorKind::Timeout => {
                    self.pass_over(at);
                    return Err(error);
                }
                answer => return answer,
            }
        }
        Err(unreachable.unwrap_or_else(error::garbled))
    }

    /// Lets the next call begin behind this node, unless another call has done so.
    fn pass_over(&self, at: usize) {
        let next = (at + 1) % self.nodes.len();
        let _ = self.preferred.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, Content::Nothing).await
    }

    pub(crate) async fn post(&self, path: &str, content: Content) -> Result<Answer> {
        self.call(Method::POST, path, content).await
    }

    async fn ask(&self, node: &str, method: Method, path: &str, content: Content) -> Result<Answer> {
        let mut request = self.client.request(method, format!("{node}{path}"));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request = match content {
            Content::Nothing => request,
            Content::Json(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            Content::Lines(body) => request.header(CONTENT_TYPE, "application/x-ndjson").body(body),
        };
        let response = request.send().await.map_err(error::unanswered)?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(error::unanswered)?;
        Ok(Answer { status, body })
    }
}

/// A node that was asked. Dropped before it answered, as by a limit further out, it counts as silent.
struct Waiting<'a> {
    http: &'a Http,
    at: usize,
    since: Instant,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over && self.since.elapsed() >= SILENT {
            self.http.pass_over(self.at);
        }
    }
}

/// The node cannot be reached, or cannot prove who it is.
fn never_sent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Denied) && error.outcome() == Outcome::NotDone
}

fn authorization(credentials: &Credentials) -> Result<Option<HeaderValue>> {
    let text = match credentials {
        Credentials::None => return Ok(None),
        Credentials::Basic { user, password } => {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        }
        Credentials::ApiKey(key) => format!("ApiKey {key}"),
    };
    let wrong = |_| Error::new(ErrorKind::Invalid, "the API key holds characters that no header can carry");
    let mut value = HeaderValue::from_str(&text).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

async fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let wrong = |what: &str| Error::new(ErrorKind::Invalid, format!("`ca_file` {} {what}", path.display()));
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read(owned)).await.map_err(error::interrupted)?;
    let pem = read.map_err(|cause| wrong("cannot be read").because(cause))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|cause| wrong("is no PEM file").because(cause))?;
    if found.is_empty() { Err(wrong("holds no certificate")) } else { Ok(found) }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client: _, nodes, preferred: _, authorization: _ } = self;
        f.debug_struct("Http").field("nodes", nodes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use super::{Http, SILENT, Waiting};
    use crate::config::ElasticConfig;

    #[tokio::test]
    async fn who_gives_up_on_a_silent_node_begins_elsewhere_and_who_changes_his_mind_does_not() {
        let http = Http::new(&ElasticConfig::new(["a:1", "b:1", "c:1"])).await.unwrap();
        let gives_up = |at, ago, is_over| {
            drop(Waiting { http: &http, at, since: Instant::now().checked_sub(ago).unwrap(), is_over });
            http.preferred.load(Ordering::Relaxed)
        };
        assert_eq!(gives_up(0, SILENT, true), 0, "it was answered");
        assert_eq!(gives_up(0, Duration::ZERO, false), 0, "too soon to tell");
        assert_eq!(gives_up(0, SILENT, false), 1);
        assert_eq!(gives_up(0, SILENT, false), 1, "others have begun elsewhere already");
        assert_eq!([gives_up(1, SILENT, false), gives_up(2, SILENT, false)], [2, 0]);
    }
}
