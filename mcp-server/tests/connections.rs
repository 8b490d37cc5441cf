//! Connections that carry a message a line: what begins, repeats and ends them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_server::protocol::{Json, Revision};
use mcp_server::{Context, Middleware, Operation, Refusal, Request, Server, TestClient, Tool, tool};
use serde_json::{Value, json};

#[tool]
async fn quick() -> &'static str {
    tokio::task::yield_now().await;
    "done"
}

/// Counts in the session's state.
#[tool]
async fn count(ctx: Context) -> Result<u64, mcp_server::StateError> {
    let count = ctx.state().get::<u64>("count").await?.unwrap_or_default() + 1;
    ctx.state().set("count", &count).await?;
    Ok(count)
}

fn initialize(id: u64, version: &str) -> Value {
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": params })
}

fn call(id: u64, name: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name } })
}

fn modern(mut request: Value) -> Value {
    request["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request
}

/// What a connection answers to these messages, in the order of ids; the last has no newline.
async fn answers(server: Server, messages: &[Value]) -> Vec<Value> {
    let input = messages.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let mut output = Vec::new();
    server.build().unwrap().serve_lines(input.as_bytes(), &mut output).await.unwrap();
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut answers: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_lost_when_the_input_ends_right_behind_its_request() {
    for _ in 0..300 {
        let answers = answers(Server::new("s").tool(quick), &[modern(call(1, "quick"))]).await;
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0]["result"]["content"][0]["text"], "done");
    }
}

#[tokio::test]
async fn before_initialize_only_ping_and_requests_that_stand_alone_are_served() {
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let messages =
        [ping, call(2, "quick"), modern(call(3, "quick")), initialize(4, "2025-06-18"), call(5, "quick")];
    let answers = answers(Server::new("s").tool(quick), &messages).await;
    let served: Vec<bool> = answers.iter().map(|answer| answer["result"].is_object()).collect();
    assert_eq!(served, [true, false, true, true, true], "{answers:?}");
    assert_eq!(answers[1]["error"]["code"], -32600);
}

#[tokio::test]
async fn a_second_initialize_is_refused_and_the_first_stands() {
    let messages = [initialize(1, "2025-03-26"), initialize(2, "2025-11-25"), json!([call(3, "quick")])];
    let server = Server::new("s").tool(quick);
    let client = server.test_client().unwrap();
    let mut answers = Vec::new();
    for message in messages {
        answers.extend(client.raw(message.to_string().as_bytes()).await.unwrap());
    }
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(answers[1]["error"]["code"], -32600, "{answers:?}");
    assert!(answers[2].is_array(), "still 2025-03-26, which has batches: {answers:?}");
}

/// Refuses the first `initialize`.
#[derive(Default)]
struct NotYet(AtomicUsize);

impl Middleware for NotYet {
    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        let begins = matches!(request.operation, Operation::Initialize { .. });
        if begins && self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(Refusal::new("not yet"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn an_initialize_that_was_refused_left_nothing_and_may_be_repeated() {
    let client = Server::new("s").tool(quick).with(NotYet::default()).test_client().unwrap();
    let mut codes = Vec::new();
    for message in [initialize(1, "2025-06-18"), call(2, "quick"), initialize(3, "2025-06-18")] {
        let answer = client.raw(message.to_string().as_bytes()).await.unwrap();
        codes.push(answer[0]["error"]["code"].as_i64());
    }
    assert_eq!(codes, [Some(-32600), Some(-32600), None]);
}

#[tokio::test]
async fn a_batch_holds_no_request_of_2026_07_28_and_no_id_twice() {
    let slow = Tool::new("slow", json!({ "type": "object" }), |_: Context, _: Json| async {
        tokio::task::yield_now().await;
        "done"
    });
    let batch = json!([modern(call(1, "slow")), call(2, "slow"), call(2, "slow"), call(3, "slow")]);
    let answers = answers(Server::new("s").tool(slow), &[initialize(9, "2025-03-26"), batch]).await;
    let batch = answers.iter().find_map(Value::as_array).unwrap();
    let codes: Vec<_> =
        batch.iter().map(|answer| (answer["id"].as_u64(), answer["error"]["code"].as_i64())).collect();
    let refused = Some(-32600);
    assert_eq!(codes, [(Some(1), refused), (Some(2), None), (Some(2), refused), (Some(3), None)]);
}

#[tokio::test]
async fn an_open_connection_keeps_its_session_and_what_is_kept_for_it() {
    let idle = Duration::from_millis(400);
    let server = Server::new("s").tool(count).session_idle_timeout(idle);
    let client: TestClient = server.test_client().unwrap().revision(Revision::V2025_11_25);
    client.call_tool("count", json!({})).await.unwrap();
    tokio::time::sleep(idle * 3).await; // the store's clock is the system's
    let again = client.call_tool("count", json!({})).await.unwrap();
    assert_eq!(again["structuredContent"], json!({ "result": 2 }));
}

/// Keeps a value, hides it for this request, and tells what can be read at each step.
#[tool]
async fn hide(ctx: Context) -> Result<Vec<String>, mcp_server::StateError> {
    let state = ctx.state();
    let mut told = Vec::new();
    state.set("name", "kept").await?;
    state.set_local("name", std::sync::Arc::new(7_u8));
    told.push(format!("{:?}", state.get::<String>("name").await.is_ok()));
    told.push(format!("{:?}", state.local::<u8>("name")));
    state.set("name", "kept again").await?;
    told.push(format!("{:?}", state.get::<String>("name").await?));
    Ok(told)
}

/// Nobody's state is an error, and this request's own values are not.
#[tool]
async fn forget(ctx: Context) -> bool {
    ctx.state().set_local("name", std::sync::Arc::new(7_u8));
    ctx.state().delete("name").await.unwrap_or_default() && ctx.state().delete("name").await.is_err()
}

#[tokio::test]
async fn a_request_only_value_hides_a_kept_one_until_that_is_set_again_or_deleted() {
    let client = Server::new("s").tool(hide).tool(forget).test_client().unwrap();
    let told = client.call_tool("hide", json!({})).await.unwrap();
    assert_eq!(told["structuredContent"], json!(["false", "Some(7)", "Some(\"kept again\")"]), "{told}");
    let nobody = client.another().principal(mcp_server::Principal::anonymous());
    assert_eq!(nobody.call_tool("forget", json!({})).await.unwrap()["structuredContent"], true);
}

/// Hangs for every call.
struct Hanging;

impl Middleware for Hanging {
    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        if matches!(request.operation, Operation::CallTool { .. }) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_middleware_that_hangs_is_given_up_like_a_handler() {
    let server = Server::new("s").tool(quick).with(Hanging).handler_timeout(Duration::from_millis(50));
    let error = server.test_client().unwrap().call_tool("quick", json!({})).await.unwrap_err();
    assert!(error.message.contains("too long"), "{error}");
}

#[tokio::test]
async fn lifetimes_of_zero_are_refused_by_name_and_any_number_of_calls_is_taken() {
    let refusal = |server: Server| server.test_client().unwrap_err().to_string();
    assert!(refusal(Server::new("s").session_idle_timeout(Duration::ZERO)).contains("session_idle_timeout"));
    assert!(refusal(Server::new("s").state_ttl(Duration::MAX)).contains("state_ttl"));
    assert!(refusal(Server::new("s").handler_timeout(Duration::ZERO)).contains("handler_timeout"));
    let tool = Tool::new("t", json!({ "type": "object" }), |_: Context, _: Json| async { "" });
    let tool = tool.cache(mcp_server::CachePolicy::private(Duration::ZERO));
    assert!(refusal(Server::new("s").tool(tool)).contains("\"t\""));
    Server::new("s").max_concurrent_calls(usize::MAX).test_client().unwrap();
}

#[tokio::test]
async fn an_id_that_is_no_text_is_refused_without_one_and_the_next_line_is_read() {
    let bad = r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#;
    let good = r#"{"jsonrpc":"2.0","id":"\ud83d\ude00","method":"ping"}"#;
    let mut output = Vec::new();
    let service = Server::new("s").tool(quick).build().unwrap();
    let input = format!("{bad}\n{good}\n");
    service.serve_lines(input.as_bytes(), &mut output).await.unwrap();
    let lines: Vec<Value> = String::from_utf8(output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).expect("every parser reads it"))
        .collect();
    assert_eq!((&lines[0]["error"]["code"], lines[0].get("id")), (&json!(-32600), None), "{lines:?}");
    assert!(lines[0]["error"]["message"].as_str().unwrap().contains("surrogate"), "{lines:?}");
    assert_eq!((&lines[1]["id"], &lines[1]["result"]), (&json!("😀"), &json!({})), "{lines:?}");
}
