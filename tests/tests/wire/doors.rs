//! Who may come in over HTTP, and how refusals look (basic/transports/streamable-http, "Security Warning").

use std::time::{Duration, Instant};

use larder_tests::http::{HttpAnswer, HttpRequest};
use mcp_server::{Authenticate, Denied, Principal, StaticTokens, Verified};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::harness::{Harness, Shown, Site};

const INVALID_REQUEST: i64 = -32_600;

/// A request that is served.
fn good(client: &Client) -> HttpRequest {
    client.post(client.message(7, "tools/list", json!({})).to_string().as_bytes())
}

async fn fetch(site: &Site, request: HttpRequest) -> HttpAnswer {
    request.fetch(site.address()).await
}

/// Refused at the door: a JSON-RPC error without an id, whatever the status.
fn assert_refused(answer: &HttpAnswer, status: u16) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/json")),
        "{answer:?}"
    );
    let message = &answer.messages()[0];
    assert_eq!((&message["jsonrpc"], message.get("id")), (&json!("2.0"), None), "{answer:?}");
    assert_eq!(message["error"]["code"], INVALID_REQUEST, "{answer:?}");
}

fn sentence(answer: &HttpAnswer) -> String {
    answer.messages()[0]["error"]["message"].as_str().unwrap().to_owned()
}

pub(crate) async fn a_foreign_origin_is_refused_and_the_call_that_allows_it_named(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture_with(|server| server.allow_origin("https://app.example")).await;
    let client = site.client().await;
    for origin in
        ["http://evil.example", "null", "https://app.example.evil", "http://localhost.evil.example", "x"]
    {
        let answer = fetch(&site, good(&client).header("origin", origin)).await;
        assert_refused(&answer, 403);
        assert!(sentence(&answer).contains(".allow_origin("), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let two = good(&client).header("origin", "http://localhost").also("origin", "http://evil.example");
    assert_refused(&fetch(&site, two).await, 403);
    for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:5173", "https://app.example"] {
        let answer = fetch(&site, good(&client).header("origin", origin)).await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (200, Some(origin)),
            "{answer:?}"
        );
    }
    Ok(())
}

pub(crate) async fn a_foreign_host_is_refused_and_the_call_that_allows_it_named(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture_with(|server| server.allow_host("mcp.example")).await;
    let client = site.client().await;
    let refused = [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "192.168.0.1",
        "user@localhost",
        "localhost.",
        "",
    ];
    for host in refused {
        let answer = fetch(&site, good(&client).header("host", host)).await;
        if answer.status == 400 && host.is_empty() {
            continue; // refused before it is a request
        }
        assert_refused(&answer, 403);
        assert!(sentence(&answer).contains(".allow_host("), "{answer:?}");
    }
    let twice = fetch(&site, good(&client).also("host", "evil.example")).await;
    assert!(matches!(twice.status, 400 | 403), "{twice:?}");
    for host in ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "mcp.example", "MCP.example:443"]
    {
        assert_eq!(fetch(&site, good(&client).header("host", host)).await.status, 200, "{host}");
    }
    let (any, _) = h.fixture_with(mcp_server::Server::any_host).await;
    let client = any.client().await;
    assert_eq!(fetch(&any, good(&client).header("host", "evil.example")).await.status, 200);
    Ok(())
}

pub(crate) async fn a_post_is_json(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture().await;
    let client = site.client().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        assert_refused(&fetch(&site, good(&client).header("content-type", kind)).await, 415);
    }
    assert_refused(&fetch(&site, good(&client).without("content-type")).await, 415);
    let twice = good(&client).also("content-type", "application/json");
    assert_refused(&fetch(&site, twice).await, 415);
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(fetch(&site, good(&client).header("content-type", kind)).await.status, 200, "{kind}");
    }
    Ok(())
}

pub(crate) async fn a_client_accepts_both_kinds_of_answers(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture().await;
    let client = site.client().await;
    for accept in
        ["application/json", "text/event-stream", "text/html", "image/*", "*/*, text/event-stream;q=0"]
    {
        assert_refused(&fetch(&site, good(&client).header("accept", accept)).await, 406);
    }
    for accept in ["*/*", "text/event-stream;q=0.5, application/json", "application/*,text/*"] {
        assert_eq!(fetch(&site, good(&client).header("accept", accept)).await.status, 200, "{accept}");
    }
    assert_eq!(fetch(&site, good(&client).without("accept")).await.status, 200);
    let two = good(&client).header("accept", "application/json").also("accept", "text/event-stream");
    assert_eq!(fetch(&site, two).await.status, 200);
    Ok(())
}

pub(crate) async fn other_methods_are_not_allowed_and_told_which_are(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture().await;
    let client = site.client().await;
    for method in ["PUT", "PATCH"] {
        let request = client.sign(HttpRequest::new(method, "").header("accept", "text/event-stream"));
        let answer = fetch(&site, request).await;
        assert_refused(&answer, 405);
        assert_eq!(answer.header("allow"), Some("POST, GET, DELETE"));
    }
    Ok(())
}

pub(crate) async fn what_is_accepted_without_an_answer_is_202_and_empty(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture().await;
    let client = site.client().await;
    let notice = json!({ "jsonrpc": "2.0", "method": "notifications/any" }).to_string();
    let answer = fetch(&site, client.post(notice.as_bytes())).await;
    assert_eq!((answer.status, &*answer.body, answer.header("content-type")), (202, "", None), "{answer:?}");
    let unserved = client.post(notice.as_bytes()).header("mcp-protocol-version", "1900-01-01");
    assert_eq!(fetch(&site, unserved).await.status, 400);
    Ok(())
}

pub(crate) async fn a_browser_of_an_allowed_origin_may_send_what_mcp_needs(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture_with(|server| server.allow_origin("https://app.example")).await;
    let asked = "content-type,mcp-protocol-version,mcp-method,mcp-name,mcp-param-region";
    let preflight = |origin| {
        HttpRequest::new("OPTIONS", "")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", asked)
    };
    let answer = fetch(&site, preflight("https://app.example")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("access-control-allow-headers"), Some(asked));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("DELETE"));
    let foreign = fetch(&site, preflight("https://evil.example")).await;
    assert_refused(&foreign, 403);
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    let rebound = fetch(&site, preflight("https://app.example").header("host", "evil.example")).await;
    assert_refused(&rebound, 403);
    let client = site.client().await;
    let served = fetch(&site, good(&client).header("origin", "https://app.example")).await;
    assert_eq!(served.header("access-control-expose-headers"), Some("mcp-session-id"));
    Ok(())
}

pub(crate) async fn who_proves_nothing_is_refused_with_a_challenge(h: Harness) -> Shown {
    h.only_http()?;
    let tokens = StaticTokens::new().token("right", Principal::user("test", "ada"));
    let (site, _) = h.fixture_with(|server| server.authenticate(tokens)).await;
    let client = site.client_of(json!({}), Some("right")).await;
    assert_eq!(fetch(&site, good(&client)).await.status, 200);
    let none = fetch(&site, good(&client).without("authorization")).await;
    assert_refused(&none, 401);
    assert_eq!(none.header("www-authenticate"), Some("Bearer"));
    for proof in ["Bearer wrong", "Basic right", "right"] {
        let answer = fetch(&site, good(&client).header("authorization", proof)).await;
        assert_refused(&answer, 401);
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
        assert!(!answer.body.contains("wrong"));
    }
    Ok(())
}

pub(crate) async fn probes_answer_beside_the_endpoint(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(fetch(&site, HttpRequest::new("GET", "").path(path)).await.status, 200);
    }
    assert_eq!(fetch(&site, HttpRequest::new("GET", "").path("/elsewhere")).await.status, 404);
    Ok(())
}

pub(crate) async fn an_error_to_a_request_that_was_read_carries_its_id(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture().await;
    let mut client = site.client().await;
    client.session = Some("unknown".into());
    let message = client.message("my id", "nonsense", json!({}));
    let reply = client.begin_message(&message).await.answer().await;
    assert_eq!((reply.status, &reply.message["id"]), (Some(404), &json!("my id")));
    assert_ne!(reply.message["error"], Value::Null);
    Ok(())
}

/// Everybody is Ada, for a moment.
struct Brief;

impl Authenticate for Brief {
    async fn authenticate(&self, _: &axum::http::request::Parts) -> Result<Verified, Denied> {
        let ada = Verified::from(Principal::user("test", "ada"));
        Ok(ada.until(Instant::now() + Duration::from_millis(300)))
    }
}

pub(crate) async fn a_stream_ends_when_the_proof_of_its_caller_does(h: Harness) -> Shown {
    h.only_http()?;
    let (site, effects) = h.fixture_with(|server| server.authenticate(Brief)).await;
    let client = site.client().await;
    let meta = json!({ "io.modelcontextprotocol/logLevel": "error" });
    for tool in ["hold", "hold_speaking"] {
        let params = json!({ "name": tool, "arguments": { "key": tool }, "_meta": meta });
        let reply = client.request("tools/call", params).await;
        reply.assert_error(-32_603, 200);
        assert_eq!(reply.message["error"]["message"], "the proof of who asks has expired");
        assert!(effects.has(&format!("began:{tool}")) && !effects.has(&format!("done:{tool}")));
    }
    Ok(())
}

/// What comes back for a request that never ends, once nothing but time passes.
async fn stalled(site: &Site, request: &str) -> String {
    let mut stream = TcpStream::connect(site.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await; // it has arrived
    tokio::time::pause();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    tokio::time::resume();
    String::from_utf8(answer).unwrap()
}

pub(crate) async fn a_request_that_never_ends_is_cut(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture().await;
    let head = stalled(&site, "POST /mcp HTTP/1.1\r\nhost: localhost\r\n").await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    let typed = "content-type: application/json\r\naccept: */*\r\ncontent-length: 100";
    let body = stalled(&site, &format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{typed}\r\n\r\n{{")).await;
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    Ok(())
}
