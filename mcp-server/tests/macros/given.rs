//! What the server gives to handlers: the context, shared values, a thread to block.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::ThreadId;

use mcp_server::protocol::Failure;
use mcp_server::{Context, Inject, Server, State, prompt, resource, tool};
use serde_json::json;

use crate::{called, listed, text, with_tool};

#[derive(Default)]
struct Counter(AtomicU32);

type Shared = State<Counter>;

/// The revision of a request.
struct Spoken(&'static str);

impl Inject for Spoken {
    fn inject(context: &Context) -> Result<Self, Failure> {
        Ok(Self(context.revision().as_str()))
    }
}

#[tool]
async fn count(by: u32, counter: State<Counter>, context: Context) -> String {
    let before = counter.0.fetch_add(by, Ordering::Relaxed);
    format!("{} {}", before + by, context.revision())
}

#[tool]
fn count_by_alias(#[arg(inject)] counter: Shared, #[arg(inject)] spoken: Spoken) -> String {
    format!("{} {}", counter.0.load(Ordering::Relaxed), spoken.0)
}

#[tokio::test]
async fn values_are_shared_by_all_calls_and_absent_from_the_schema() {
    let server =
        Server::new("test").state(Counter::default()).tool(count).tool(count_by_alias).build().unwrap();
    let client = server.test_client();
    client.call_tool("count", json!({ "by": 2 })).await.unwrap();
    let second = server.test_client().call_tool("count", json!({ "by": 3 })).await.unwrap();
    assert_eq!(text(&second), "5 2026-07-28");
    let alias = client.call_tool("count_by_alias", json!({})).await.unwrap();
    assert_eq!(text(&alias), "5 2026-07-28");
    let tools = client.request("tools/list", json!({})).await.unwrap();
    assert_eq!(tools["tools"][0]["inputSchema"]["required"], json!(["by"]));
    assert_eq!(tools["tools"][1]["inputSchema"]["properties"], json!({}));
}

#[resource("counter://now")]
async fn counter(value: State<Counter>) -> String {
    value.0.load(Ordering::Relaxed).to_string()
}

#[resource("counter://{unit}")]
async fn counter_in(unit: String, value: State<Counter>) -> String {
    format!("{} {unit}", value.0.load(Ordering::Relaxed))
}

#[prompt]
async fn tell(value: State<Counter>) -> String {
    value.0.load(Ordering::Relaxed).to_string()
}

#[test]
fn a_server_without_the_value_is_not_built_and_says_who_wants_which() {
    let server = || Server::new("test");
    for (name, unbuilt) in [
        ("count", server().tool(count).build()),
        ("count_by_alias", server().tool(count_by_alias).build()),
        ("counter://now", server().resource(counter).build()),
        ("counter://{unit}", server().resource(counter_in).build()),
        ("tell", server().prompt(tell).build()),
    ] {
        let message = unbuilt.unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("Counter"), "{message}");
    }
}

#[tokio::test]
async fn resources_and_prompts_take_values_too() {
    let server = Server::new("test").state(Counter::default());
    let client = server.resource(counter).resource(counter_in).prompt(tell).test_client().unwrap();
    let read = client.read_resource("counter://now").await.unwrap();
    assert_eq!(read["contents"][0]["text"], "0");
    let read = client.read_resource("counter://apples").await.unwrap();
    assert_eq!(read["contents"][0]["text"], "0 apples");
    let got = client.get_prompt("tell", json!({})).await.unwrap();
    assert_eq!(got["messages"][0]["content"]["text"], "0");
}

fn thread() -> ThreadId {
    std::thread::current().id()
}

#[tool]
fn blocking() -> String {
    format!("{:?}", thread())
}

#[tool]
async fn in_line() -> String {
    format!("{:?}", thread())
}

#[tokio::test]
async fn a_function_that_is_not_async_runs_off_the_executor() {
    let here = format!("{:?}", thread());
    assert_eq!(text(&called(in_line, json!({})).await), here);
    assert_ne!(text(&called(blocking, json!({})).await), here);
}

#[tool(requires(elicitation, sampling))]
async fn ask() -> String {
    "asked".to_owned()
}

#[tokio::test]
async fn a_client_without_the_capability_is_refused_before_the_body_runs() {
    let error = with_tool(ask).call_tool("ask", json!({})).await.unwrap_err();
    assert_eq!(error.code, -32_021);
    assert_eq!(
        error.data,
        json!({ "requiredCapabilities": { "elicitation": { "form": {} }, "sampling": {} } })
    );
    let able = with_tool(ask).capabilities(json!({ "elicitation": {}, "sampling": {} }));
    assert_eq!(text(&able.call_tool("ask", json!({})).await.unwrap()), "asked");
    assert_eq!(listed(&with_tool(ask), "tools/list").await["name"], "ask");
}
