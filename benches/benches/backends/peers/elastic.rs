//! OpenSearch's own HTTP interface by `reqwest`, one client for all tasks, set up as the store's.
//!
//! The requests are those that the store sends. `update` looks at the version that is stored before it writes on the
//! condition of what it saw; who keeps `_seq_no` from the last write saves that look. A page is a refresh, a search for
//! the names, and the values by their ids, since what a search shows may be old.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kv_core::{StoreExt as _, StoreUrl};
use kv_elastic::{ElasticConfig, ElasticStore};
use larder_benches::larder::{Larder, TTL};
use larder_benches::subject::{Conditional, Points, Subject};
use larder_benches::workload::{BATCH, IN_COLLECTION, Name, RawVersion, Values, new_version};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, redirect, retry};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Failure, fresh, server};
use crate::operations::{self, Load};
use larder_benches::measure::Plan;

const LOAD: Load = Load { keys: 2_000, taken: [6_400; 2], pages: &[1] };

pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    let url = server("LARDER_TEST_OPENSEARCH", "opensearch")?;
    let mut config = ElasticConfig::from_url(&mut StoreUrl::parse(&url)?)?;
    config.index = fresh("larder");
    let host = url.replacen("opensearch://", "http://", 1);
    let index = format!("{host}/{}", config.index);
    let (larder, raw) = plan.block_on(async {
        let larder = Larder(ElasticStore::open(config).await?.erased());
        Ok::<_, Failure>((larder, Raw::open(&host).await?))
    })?;
    operations::compare(plan, "elastic", LOAD, &larder, &raw);
    plan.block_on(raw.removed(&[&index, &raw.index]))
}

#[derive(Clone)]
struct Raw {
    client: Client,
    /// The URL of the index.
    index: String,
}

#[derive(Serialize)]
struct Document<'a> {
    collection: &'a str,
    id: &'a str,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<u64>,
    value: String,
}

#[derive(Deserialize)]
struct Got<'a> {
    #[serde(default)]
    found: bool,
    #[serde(rename = "_seq_no", default)]
    seq_no: u64,
    #[serde(rename = "_primary_term", default)]
    primary_term: u64,
    #[serde(rename = "_source", borrow)]
    source: Option<Source<'a>>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Docs<'a> {
    #[serde(borrow)]
    docs: Vec<Got<'a>>,
}

#[derive(Deserialize)]
struct Done {
    errors: bool,
}

#[derive(Default, Deserialize)]
struct Found {
    #[serde(default)]
    hits: Hits,
}

#[derive(Default, Deserialize)]
struct Hits {
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
}

impl Got<'_> {
    fn value(&self) -> Option<Vec<u8>> {
        let source = self.source.as_ref().filter(|_| self.found)?;
        Some(STANDARD.decode(source.value.as_bytes()).expect("base64"))
    }

    fn condition(&self) -> String {
        format!("?if_seq_no={}&if_primary_term={}", self.seq_no, self.primary_term)
    }
}

/// An id of the index: a slash would have to be escaped in a path.
fn id(number: u64) -> String {
    let name = Name::of(number);
    let (collection, id) = name.parts();
    format!("{collection}:{id}")
}

fn now_ms() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn document(number: u64, version: RawVersion, value: &[u8], deadline: Option<u64>) -> Vec<u8> {
    let name = Name::of(number);
    let (collection, id) = name.parts();
    let version = format!("{:032x}", u128::from_be_bytes(version));
    let document = Document { collection, id, version, deadline, value: STANDARD.encode(value) };
    serde_json::to_vec(&document).expect("a document is JSON")
}

impl Raw {
    async fn open(host: &str) -> Result<Self, Failure> {
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(1))
            .timeout(Duration::from_secs(30))
            .pool_idle_timeout(Duration::from_secs(50))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .tls_certs_only([]) // there is nothing to verify
            .no_proxy()
            .build()?;
        let raw = Self { client, index: format!("{host}/{}", fresh("driver")) };
        let mapping = json!({
            "settings": { "index.replication.type": "DOCUMENT" },
            "mappings": { "dynamic": "strict", "properties": {
                "collection": { "type": "keyword" },
                "id": { "type": "keyword" },
                "version": { "type": "keyword", "index": false, "doc_values": false },
                "deadline": { "type": "long" },
                "value": { "type": "binary" },
            } },
        });
        let (status, answer) = raw.send(Method::PUT, "", Some(mapping.to_string().into_bytes())).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        Ok(raw)
    }

    async fn removed(&self, indices: &[&str]) -> Result<(), Failure> {
        for index in indices {
            self.client.delete(*index).send().await?.error_for_status()?;
        }
        Ok(())
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> (u16, Bytes) {
        let kind = if path.starts_with("/_bulk") { "application/x-ndjson" } else { "application/json" };
        let mut request = self.client.request(method, format!("{}{path}", self.index));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        let answer = request.send().await.expect("a server answers");
        let status = answer.status().as_u16();
        (status, answer.bytes().await.expect("an answer is whole"))
    }

    async fn post(&self, path: &str, body: Option<Vec<u8>>) -> Bytes {
        let (status, answer) = self.send(Method::POST, path, body).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
        answer
    }

    async fn look(&self, number: u64, parameters: &str) -> Bytes {
        let (status, answer) =
            self.send(Method::GET, &format!("/_doc/{}{parameters}", id(number)), None).await;
        assert!(matches!(status, 200 | 404), "{status}");
        answer
    }

    async fn write(&self, number: u64, condition: &str, document: Vec<u8>) {
        let path = format!("/_doc/{}{condition}", id(number));
        let (status, answer) = self.send(Method::PUT, &path, Some(document)).await;
        assert!(matches!(status, 200 | 201), "{status}: {}", String::from_utf8_lossy(&answer));
    }

    async fn values(&self, ids: &[String]) -> Vec<Option<Vec<u8>>> {
        let wanted = json!({ "ids": ids }).to_string().into_bytes();
        let answer = self.post("/_mget?filter_path=docs.found,docs._source", Some(wanted)).await;
        let answer: Docs<'_> = serde_json::from_slice(&answer).expect("an answer is JSON");
        answer.docs.iter().map(Got::value).collect()
    }
}

fn got(answer: &[u8]) -> Got<'_> {
    serde_json::from_slice(answer).expect("an answer is JSON")
}

impl Points for Raw {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        got(&self.look(number, "").await).value()
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        self.write(number, "", document(number, new_version(), value, None)).await;
    }
}

impl Subject for Raw {
    type Page = Vec<(String, Vec<u8>)>;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        let deadline = now_ms() + TTL.as_secs() * 1_000;
        self.write(number, "", document(number, new_version(), value, Some(deadline))).await;
    }

    async fn take(&mut self, number: u64) -> Option<Vec<u8>> {
        let answer = self.look(number, "").await;
        let seen = got(&answer);
        let value = seen.value()?;
        let path = format!("/_doc/{}{}", id(number), seen.condition());
        let (status, _) = self.send(Method::DELETE, &path, None).await;
        assert_eq!(status, 200, "nobody else took");
        Some(value)
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Vec<u8>>> {
        self.values(&numbers.map(id)).await
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        let mut lines = Vec::new();
        for number in numbers {
            lines.extend_from_slice(format!("{{\"index\":{{\"_id\":\"{}\"}}}}\n", id(*number)).as_bytes());
            lines.extend(document(*number, new_version(), values.of(*number), None));
            lines.push(b'\n');
        }
        let answer = self.post("/_bulk?filter_path=errors,items.*.status,items.*.error", Some(lines)).await;
        let done: Done = serde_json::from_slice(&answer).expect("an answer is JSON");
        assert!(!done.errors, "{}", String::from_utf8_lossy(&answer));
    }

    async fn page(&mut self, number: u64) -> Self::Page {
        self.post("/_refresh", None).await;
        let query = json!({
            "size": IN_COLLECTION,
            "track_total_hits": false,
            "_source": false,
            "query": { "bool": {
                "filter": [{ "term": { "collection": Name::of(number).parts().0 } }],
                "must_not": [{ "range": { "deadline": { "lt": now_ms() } } }],
            } },
            "sort": [{ "id": "asc" }],
        });
        let path = "/_search?allow_partial_search_results=false&filter_path=hits.hits._id";
        let answer = self.post(path, Some(query.to_string().into_bytes())).await;
        let found: Found = serde_json::from_slice(&answer).expect("an answer is JSON");
        let ids: Vec<_> = found.hits.hits.into_iter().map(|hit| hit.id).collect();
        let values = self.values(&ids).await;
        ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))).collect()
    }

    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)> {
        page.iter().map(|(id, value)| (id.replacen(':', "/", 1), value.clone())).collect()
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().map(|(_, value)| value.as_ref())
    }
}

impl Conditional for Raw {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        self.write(number, "", document(number, version, value, None)).await;
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let answer = self.look(number, "?_source_excludes=value").await;
        let seen = got(&answer);
        let known = format!("{:032x}", u128::from_be_bytes(version));
        assert!(seen.source.as_ref().is_some_and(|source| source.version == known), "nobody else wrote");
        let next = new_version();
        self.write(number, &seen.condition(), document(number, next, value, None)).await;
        next
    }
}
