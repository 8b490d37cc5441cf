//! The head of an HTTP request: nothing runs whose headers say something else than its body, nobody comes in by a foreign
//! host or origin, and no session serves who did not name it; whoever is refused is told so in JSON-RPC.
//!
//! An input is a request as text: the method, `name: value` a line, a blank line, the body; `{session}` in it stands for a
//! session that is open. The same bytes are then said properly in a header, which must be understood.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use http::{HeaderMap, Method};
use larder_fuzz::conform::Sent;
use larder_fuzz::door::{Reply, headers, http};
use larder_fuzz::sentinel::{decoded, encoded};
use libfuzzer_sys::fuzz_target;
use mcp_server::{Server, Service, tool};
use serde_json::{Value, json};

/// Arguments of the tool, and the headers that repeat them.
const REPEATED: [(&str, &str); 3] =
    [("region", "mcp-param-region"), ("count", "mcp-param-count"), ("flag", "mcp-param-flag")];

/// Says what it was called with.
#[tool]
async fn route(
    #[arg(header = "Region")] region: Option<String>,
    #[arg(header = "Count")] count: Option<i64>,
    #[arg(header = "Flag")] flag: Option<bool>,
) -> String {
    json!({ "region": region, "count": count, "flag": flag }).to_string()
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let server = Server::new("fuzz").tool(route).allow_host("mcp.example");
    server.allow_origin("https://app.example").build().expect("it builds")
});

static SESSION: LazyLock<String> = LazyLock::new(|| {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "fuzz", "version": "1" },
    });
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let reply = http(&SERVICE, Method::POST, typed(&[]), hello.to_string().as_bytes());
    reply.headers["mcp-session-id"].to_str().expect("visible ASCII").to_owned()
});

fn begin() {
    LazyLock::force(&SESSION);
}

fuzz_target!(init: begin(), |data: &[u8]| {
    let data = with_session(data);
    if let Some((method, headers, body)) = request(&data) {
        let reply = http(&SERVICE, method.clone(), headers.clone(), body);
        judge(&method, &headers, body, &reply);
    }
    if let Ok(text) = std::str::from_utf8(&data) {
        said_properly(text);
    }
});

fn typed(more: &[(&str, &str)]) -> HeaderMap {
    let always = [("host", "localhost"), ("content-type", "application/json"), ("accept", "*/*")];
    headers(always.iter().chain(more).map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

fn with_session(data: &[u8]) -> Vec<u8> {
    const PLACE: &[u8] = b"{session}";
    match data.windows(PLACE.len()).position(|part| part == PLACE) {
        Some(at) => [&data[..at], SESSION.as_bytes(), &data[at + PLACE.len()..]].concat(),
        None => data.to_vec(),
    }
}

/// `DELETE` is left out: the session would be gone.
fn request(data: &[u8]) -> Option<(Method, HeaderMap, &[u8])> {
    let mut rest = data;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line)
    };
    let method = Method::from_bytes(line()?).ok().filter(|method| *method != Method::DELETE)?;
    let mut pairs = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        pairs.push((&line[..colon], line[colon + 1..].trim_ascii()));
    }
    Some((method, headers(pairs), rest))
}

fn judge(method: &Method, headers: &HeaderMap, body: &[u8], reply: &Reply) {
    let preflight = *method == Method::OPTIONS || *method == Method::HEAD;
    if preflight {
        assert!(reply.messages.iter().all(|message| message.result().is_none()), "{reply:?}");
        return;
    }
    reply.assert_whole();
    let comes_in = host_is_allowed(headers) && origin_is_allowed(headers);
    assert_eq!(reply.status == 403, !comes_in, "{headers:?} {reply:?}");
    let Some(result) = reply.answer().and_then(Sent::result) else { return };
    assert!(*method == Method::POST && comes_in, "{reply:?}");
    let kind = one(headers, "content-type").unwrap_or_default();
    assert!(kind.to_ascii_lowercase().starts_with("application/json"), "{kind}");
    if result.get("resultType").is_some() {
        modern(headers, body, &result);
    } else if result.get("protocolVersion").is_none() {
        assert_eq!(one(headers, "mcp-session-id"), Some(&**SESSION), "{result}");
        assert_ne!(one(headers, "mcp-protocol-version").map(trimmed), Some("2026-07-28"));
    }
}

/// What was served on 2026-07-28 was asked for by headers and body alike.
fn modern(headers: &HeaderMap, body: &[u8], result: &Value) {
    let message: Value = serde_json::from_slice(body).expect("it was served");
    let said = |name| one(headers, name).map(trimmed);
    assert_eq!(said("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(said("mcp-method"), message["method"].as_str());
    if message["method"] != "tools/call" || result["isError"] == true {
        return;
    }
    let target = one(headers, "mcp-name").and_then(decoded);
    assert_eq!(target.as_deref(), message["params"]["name"].as_str());
    let arguments: Value =
        serde_json::from_str(result["content"][0]["text"].as_str().expect("a text")).expect("JSON");
    for (argument, header) in REPEATED {
        let said = headers.contains_key(header).then(|| one(headers, header).and_then(decoded));
        let fits = match (&arguments[argument], said) {
            (Value::Null, None) => true,
            (Value::String(value), Some(Some(said))) => *value == said,
            (Value::Bool(value), Some(Some(said))) => value.to_string() == said,
            (Value::Number(value), Some(Some(said))) => said.parse().ok() == value.as_f64(),
            _ => false,
        };
        assert!(fits, "{argument}: {arguments} and {headers:?}");
    }
}

/// Any text can be said in a header, and is then served.
fn said_properly(text: &str) {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "route", "arguments": { "region": text }, "_meta": meta });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let region = encoded(text);
    let headers = typed(&[
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "route"),
        ("mcp-param-region", &region),
    ]);
    let reply = http(&SERVICE, Method::POST, headers, body.as_bytes());
    let result = reply.answer().and_then(Sent::result).unwrap_or_else(|| panic!("{region}: {reply:?}"));
    let told = json!({ "region": text, "count": null, "flag": null }).to_string();
    assert_eq!(result["content"][0]["text"], told);
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn trimmed(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// The endpoint is mounted: nobody knows its address, so its names are those of this machine and the one that was named.
fn host_is_allowed(headers: &HeaderMap) -> bool {
    one(headers, "host").is_some_and(|host| is_loopback(host) || is_named(host))
}

fn is_named(host: &str) -> bool {
    let rest = host.get(.."mcp.example".len()).filter(|name| name.eq_ignore_ascii_case("mcp.example"));
    rest.is_some_and(|name| host[name.len()..].strip_prefix(':').map_or(host.len() == name.len(), is_port))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_loopback(host: &str) -> bool {
    let whole = |name: &str| {
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let is_address = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        is_address || name.eq_ignore_ascii_case("localhost")
    };
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && is_port(port) => whole(name),
        _ => whole(host),
    }
}

fn origin_is_allowed(headers: &HeaderMap) -> bool {
    if !headers.contains_key("origin") {
        return true;
    }
    let Some(origin) = one(headers, "origin") else { return false };
    let at_home = one(headers, "host").is_some_and(is_loopback);
    let loopback = origin.split_once("://").is_some_and(|(_, host)| is_loopback(host));
    origin.eq_ignore_ascii_case("https://app.example") || (at_home && loopback)
}
