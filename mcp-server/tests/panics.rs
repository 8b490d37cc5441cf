//! A handler or a middleware that panics ends its own request, and nothing else.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use mcp_server::protocol::Json;
use mcp_server::{
    Answer, Context, Middleware, Next, Operation, Prompt, Refusal, Request, Resource, Server, TestClient,
    TextArguments, Tool, tool,
};
use serde_json::{Value, json};

const BROKEN: &str = "broken on purpose";

/// On a thread of its own.
#[tool]
fn on_a_thread() -> &'static str {
    panic!("{BROKEN}")
}

#[tool]
async fn at_once() -> &'static str {
    panic!("{BROKEN}")
}

#[tool]
async fn later() -> &'static str {
    tokio::task::yield_now().await;
    panic!("{BROKEN}")
}

#[tool(finish)]
async fn while_it_must_finish() -> &'static str {
    tokio::task::yield_now().await;
    panic!("{BROKEN}")
}

#[tool]
async fn fine() -> &'static str {
    "fine"
}

fn server() -> Server {
    let any = json!({ "type": "object" });
    let before = |_: Context, _: Json| -> std::future::Ready<&'static str> { panic!("{BROKEN}") };
    Server::new("s")
        .tool(on_a_thread)
        .tool(at_once)
        .tool(later)
        .tool(while_it_must_finish)
        .tool(fine)
        .tool(Tool::new("before_its_future", any, before))
        .resource(Resource::new("r://broken", |_, _| async { if true { panic!("{BROKEN}") } else { "" } }))
        .prompt(Prompt::new("broken", [], |_: Context, _: TextArguments| async {
            if true { panic!("{BROKEN}") } else { "" }
        }))
        .max_concurrent_calls(1)
}

async fn assert_one_request_fails(client: &TestClient, method: &str, params: Value) {
    let error = client.request(method, params).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32603, "internal error"));
}

#[tokio::test]
async fn a_handler_that_panics_is_an_internal_error_and_frees_its_place() {
    let client = server().test_client().unwrap();
    let tools = ["on_a_thread", "at_once", "later", "while_it_must_finish", "before_its_future"];
    for name in tools {
        assert_one_request_fails(&client, "tools/call", json!({ "name": name })).await;
        client.call_tool("fine", json!({})).await.unwrap();
    }
    assert_one_request_fails(&client, "resources/read", json!({ "uri": "r://broken" })).await;
    assert_one_request_fails(&client, "prompts/get", json!({ "name": "broken" })).await;
    client.call_tool("fine", json!({})).await.unwrap();
}

/// Panics where `at` says, for calls of `fine`.
struct Broken {
    at: &'static str,
}

impl Broken {
    fn at(&self, place: &str, request: &Request) {
        let concerned = matches!(&request.operation, Operation::CallTool { name, .. } if &**name == "fine");
        assert!(!concerned || self.at != place, "{BROKEN}");
    }
}

impl Middleware for Broken {
    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        self.at("authorize", request);
        Ok(())
    }

    async fn handle(&self, request: Request, next: Next) -> Answer {
        self.at("handle", &request);
        next.run(request).await
    }
}

#[tokio::test]
async fn a_middleware_that_panics_is_an_internal_error_and_lets_nothing_through() {
    for at in ["authorize", "handle"] {
        let client = server().with(Broken { at }).test_client().unwrap();
        assert_one_request_fails(&client, "tools/call", json!({ "name": "fine" })).await;
        client.request("tools/list", json!({})).await.unwrap();
    }
}

#[tokio::test]
async fn a_check_that_panics_lets_nobody_in_and_hides_nothing_else() {
    let guarded = Tool::new("guarded", json!({ "type": "object" }), |_: Context, _: Json| async { "in" })
        .check(|_: &Request| async { if true { panic!("{BROKEN}") } else { Ok(()) } });
    let client = server().tool(guarded).test_client().unwrap();
    assert_one_request_fails(&client, "tools/call", json!({ "name": "guarded" })).await;
    client.call_tool("fine", json!({})).await.unwrap();
}
