//! From the bytes of a call to a handler's typed arguments: 8,000 numbers through Larder's router, with every check and
//! the answer, beside one `serde_json::from_slice` of the same bytes into one type, and rmcp's service.

mod sdk;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use criterion::{Criterion, Throughput};
use mcp_server::{Server, tool};
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Builder;
use tower::ServiceExt as _;

const NUMBERS: u32 = 8_000;

fn main() {
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    numbers(&mut criterion);
    criterion.final_summary();
}

/// How many numbers there are.
#[tool]
async fn count(
    /** numbers to count */
    values: Vec<f64>,
) -> usize {
    values.len()
}

/// A call as bytes.
fn body() -> Bytes {
    let values: Vec<f64> = (0..NUMBERS).map(|number| f64::from(number) * 0.25).collect();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "count", "arguments": { "values": values }, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string().into()
}

fn request(body: &Bytes) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri("/mcp")
        .header(header::HOST, "127.0.0.1")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "count")
        .body(Body::from(body.clone()))
        .expect("a request that is written here")
}

#[derive(Deserialize)]
struct Call {
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    arguments: Arguments,
}

#[derive(Deserialize)]
struct Arguments {
    values: Vec<f64>,
}

async fn through(router: Router, body: &Bytes) -> Bytes {
    let response = router.oneshot(request(body)).await.expect("a router does not fail");
    let status = response.status();
    let answer = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body in memory");
    assert_eq!(status, StatusCode::OK, "the call is answered: {answer:?}");
    answer
}

/// The same, once before it is measured.
async fn checked(router: &Router, body: &Bytes) {
    let answer = through(router.clone(), body).await;
    assert!(String::from_utf8_lossy(&answer).contains("8000"), "all numbers arrive: {answer:?}");
}

fn numbers(bench: &mut Criterion) {
    let body = body();
    let router = Server::new("bench").tool(count).into_router().expect("a server that can be built");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rmcp = sdk::router();
    runtime.block_on(checked(&router, &body));
    runtime.block_on(checked(&rmcp, &body));
    let mut group = bench.benchmark_group("decode/numbers/8000");
    group.throughput(Throughput::Elements(1));
    group.bench_function("larder", |bench| bench.iter(|| runtime.block_on(through(router.clone(), &body))));
    group.bench_function("rmcp", |bench| bench.iter(|| runtime.block_on(through(rmcp.clone(), &body))));
    group.bench_function("raw", |bench| {
        bench.iter(|| {
            let call: Call = serde_json::from_slice(&body).expect("the same bytes");
            assert_eq!(call.params.arguments.values.len(), NUMBERS as usize, "all numbers arrive");
            call
        });
    });
    group.finish();
}
