//! Components that come and go while a server runs, and who hears of it.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::atomic::{AtomicBool, Ordering};

use mcp_server::protocol::{Json, Revision};
use mcp_server::{
    Answer, Context, Dynamic, Middleware, Next, Operation, Refusal, Request, Resource, ResourceTemplate,
    Server, State, TestClient, Tool, prompt, tool,
};
use serde_json::{Value, json};

fn answering(name: &str, text: &'static str) -> Tool {
    Tool::new(name, json!({ "type": "object" }), move |_: Context, _: Json| async move { text })
}

fn note(uri: &str) -> Resource {
    Resource::new(uri, |_: Context, _| async { "a note" })
}

/// Adds a tool of this name.
#[tool]
async fn grow(name: String, ctx: Context) -> mcp_server::Result<String> {
    ctx.components().add_tool(answering(&name, "grown"))?;
    Ok(name)
}

/// Tells that a note has changed.
#[tool]
async fn touch(uri: String, ctx: Context) -> String {
    ctx.resource_updated(&uri);
    uri
}

#[prompt]
fn greet() -> &'static str {
    "hello"
}

#[tool]
async fn needy(number: State<u64>) -> u64 {
    *number
}

fn names(list: &Value, field: &str) -> Vec<String> {
    list[field].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn tools(client: &TestClient) -> Vec<String> {
    names(&client.request("tools/list", json!({})).await.unwrap(), "tools")
}

#[tokio::test]
async fn a_tool_adds_a_tool_that_who_listens_hears_of_and_finds() {
    let server = Server::new("s").dynamic(Dynamic::TOOLS).tool(grow);
    let client = server.test_client().unwrap();
    let acknowledged = client.listen(json!({ "toolsListChanged": true })).await.unwrap();
    assert_eq!(acknowledged["notifications"], json!({ "toolsListChanged": true }));
    client.call_tool("grow", json!({ "name": "later" })).await.unwrap();
    assert_eq!(client.next_notification().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(tools(&client).await, ["grow", "later"]);
    let called = client.call_tool("later", json!({})).await.unwrap();
    assert_eq!(called["content"][0]["text"], "grown");
}

#[tokio::test]
async fn a_handshake_session_in_memory_hears_of_it_too() {
    let service = Server::new("s").dynamic(Dynamic::ALL).tool(touch).build().unwrap();
    let client = service.test_client().revision(Revision::V2025_06_18);
    assert_eq!(tools(&client).await, ["touch"]);
    let components = service.components();
    components.add_resource(note("note://a")).unwrap();
    assert_eq!(client.next_notification().await.unwrap()["method"], "notifications/resources/list_changed");
    client.request("resources/subscribe", json!({ "uri": "note://a" })).await.unwrap();
    client.call_tool("touch", json!({ "uri": "note://a" })).await.unwrap();
    let updated = client.next_notification().await.unwrap();
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"], json!({ "uri": "note://a" }));
    components.add_prompt(greet).unwrap();
    assert_eq!(client.next_notification().await.unwrap()["method"], "notifications/prompts/list_changed");
    assert_eq!(client.notifications(), [] as [Value; 0]);
}

#[tokio::test]
async fn components_of_every_kind_come_go_and_are_replaced() {
    let service = Server::new("s").dynamic(Dynamic::ALL).build().unwrap();
    let (components, client) = (service.components(), service.test_client());
    assert_eq!(tools(&client).await, [""; 0]);
    let template = || ResourceTemplate::new("note://all/{name}", |_: Context, _, _| async { "one" }).unwrap();
    components.add_tool(answering("t", "one")).unwrap();
    components.add_prompt(greet).unwrap();
    components.add_resource(note("note://a")).unwrap();
    components.add_resource(template()).unwrap();
    assert!(components.has_tool("t") && components.has_prompt("greet"));
    assert!(components.has_resource("note://a") && components.has_resource("note://all/{name}"));
    assert!(!components.replace_tool(answering("t", "two")).unwrap(), "clients see no difference");
    let called = client.call_tool("t", json!({})).await.unwrap();
    assert_eq!(called["content"][0]["text"], "two");
    assert!(components.replace_tool(answering("t", "three").title("T")).unwrap());
    assert!(components.replace_resource(note("note://b")).unwrap());
    assert!(!components.replace_prompt(greet).unwrap());
    assert_eq!(client.read_resource("note://all/x").await.unwrap()["contents"][0]["text"], "one");
    for uri in ["note://a", "note://b", "note://all/{name}"] {
        assert!(
            components.remove_resource(uri).unwrap() && !components.remove_resource(uri).unwrap(),
            "{uri}"
        );
    }
    assert!(components.remove_tool("t").unwrap() && components.remove_prompt("greet").unwrap());
    assert_eq!(client.request("resources/list", json!({})).await.unwrap()["resources"], json!([]));
    assert_eq!(client.call_tool("t", json!({})).await.unwrap_err().code, -32_602);
}

#[test]
fn what_may_not_come_is_refused_with_the_reason() {
    let service = Server::new("s").dynamic(Dynamic::TOOLS).tool(touch).build().unwrap();
    let components = service.components();
    let told = |result: mcp_server::Result<()>| result.unwrap_err().to_string();
    assert!(told(components.add_prompt(greet)).contains(".dynamic("));
    assert!(told(components.add_resource(note("note://a"))).contains(".dynamic("));
    assert!(told(components.add_tool(touch)).contains("registered twice"));
    assert!(told(components.add_tool(needy)).contains("State<u64>"));
    assert!(told(components.add_tool(answering("a b", "x"))).contains("1 to 128"));
    assert_eq!(components.dynamic(), Dynamic::TOOLS);
}

/// Puts another tool in place of the one that is called, between its rights and its handler.
struct Swaps(AtomicBool);

impl Middleware for Swaps {
    async fn handle(&self, request: Request, next: Next) -> Answer {
        let called = matches!(&request.operation, Operation::CallTool { .. });
        if called && !self.0.swap(true, Ordering::SeqCst) {
            let forbidden =
                answering("t", "new").title("T").check(|_: &Request| async { Err(Refusal::new("no")) });
            next.context(&request).components().replace_tool(forbidden).unwrap();
        }
        next.run(request).await
    }
}

#[tokio::test]
async fn a_request_is_served_by_the_component_whose_rights_it_was_asked_for() {
    let server = Server::new("s")
        .dynamic(Dynamic::TOOLS)
        .tool(answering("t", "old"))
        .with(Swaps(AtomicBool::new(false)));
    let client = server.test_client().unwrap();
    let first = client.call_tool("t", json!({})).await.unwrap();
    assert_eq!(first["content"][0]["text"], "old");
    assert_eq!(client.call_tool("t", json!({})).await.unwrap_err().message, "no");
}

#[tokio::test]
async fn who_ends_a_subscription_hears_nothing_more_of_it() {
    let service = Server::new("s").dynamic(Dynamic::TOOLS).build().unwrap();
    let client = service.test_client();
    let acknowledged = client.listen(json!({ "toolsListChanged": true })).await.unwrap();
    let id = acknowledged["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
    assert_eq!(client.listen(json!({ "toolsListChanged": 7 })).await.unwrap_err().code, -32_602);
    client.notify("notifications/cancelled", json!({ "requestId": id })).await.unwrap();
    service.components().add_tool(answering("t", "x")).unwrap();
    assert_eq!(tools(&client).await, ["t"]);
    assert_eq!(client.notifications(), [] as [Value; 0]);
}

/// Lets nobody read one resource.
struct Secret;

impl Middleware for Secret {
    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        match &request.operation {
            Operation::ReadResource { uri } if &**uri == "note://secret" => Err(Refusal::new("not for you")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_a_middleware_lets_nobody_read_is_not_told_either() {
    let server = Server::new("s").with(Secret).resource(note("note://secret")).resource(note("note://text"));
    let client = server.test_client().unwrap();
    let filter = json!({ "resourceSubscriptions": ["note://secret", "note://text"] });
    let honoured = client.listen(filter).await.unwrap();
    assert_eq!(honoured["notifications"], json!({ "resourceSubscriptions": ["note://text"] }));
}

/// Talks about every request.
struct Talks;

impl Middleware for Talks {
    async fn handle(&self, request: Request, next: Next) -> Answer {
        let context = next.context(&request);
        context.info("here it comes");
        context.progress(1.0, None);
        next.run(request).await
    }
}

#[tokio::test]
async fn neither_log_messages_nor_progress_stand_on_a_subscription() {
    let service = Server::new("s").dynamic(Dynamic::TOOLS).with(Talks).build().unwrap();
    let meta = json!({ "io.modelcontextprotocol/logLevel": "debug", "progressToken": 7 });
    let client = service.test_client().meta(meta);
    client.listen(json!({ "toolsListChanged": true })).await.unwrap();
    service.components().add_tool(answering("t", "x")).unwrap();
    assert_eq!(client.next_notification().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(client.notifications(), [] as [Value; 0]);
    client.request("tools/list", json!({})).await.unwrap();
    assert_eq!(client.notifications().len(), 2, "on any other request they are sent");
}
