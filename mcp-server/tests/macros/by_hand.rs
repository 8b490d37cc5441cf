//! The same without macros.

use std::time::Duration;

use mcp_server::protocol::{Failure, Icon};
use mcp_server::{
    CachePolicy, Context, IntoPrompt as _, IntoTool as _, Prompt, PromptArgument, Refusal, Resource,
    ResourceTemplate, Server, Structured, Tool,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{called, listed, text, with_prompt, with_resource, with_tool};

#[derive(Deserialize, JsonSchema)]
struct Numbers {
    a: f64,
    b: f64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: f64,
}

fn add() -> Tool {
    Tool::typed("add", |_: Context, numbers: Numbers| async move {
        Structured(Sum { sum: numbers.a + numbers.b })
    })
    .title("Add")
    .description("Adds.")
    .icon(Icon::new("https://example.com/plus.png"))
    .meta(json!({ "own": 1 }))
    .tag("math")
    .cache(CachePolicy::public(Duration::from_secs(60)))
    .read_only(true)
    .destructive(false)
    .idempotent(true)
    .open_world(false)
    .finish()
}

#[tokio::test]
async fn a_tool_by_hand_has_all_that_the_macro_gives() {
    let expected = json!({
        "name": "add",
        "title": "Add",
        "description": "Adds.",
        "inputSchema": {
            "type": "object",
            "properties": { "a": { "type": "number" }, "b": { "type": "number" } },
            "required": ["a", "b"],
        },
        "outputSchema": { "type": "object", "properties": { "sum": { "type": "number" } }, "required": ["sum"] },
        "annotations": {
            "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false,
        },
        "icons": [{ "src": "https://example.com/plus.png" }],
        "_meta": { "own": 1, "larder/tags": ["math"] },
    });
    assert_eq!(listed(&with_tool(add()), "tools/list").await, expected);
    let result = called(add(), json!({ "a": 1, "b": 2 })).await;
    assert_eq!(result["structuredContent"], json!({ "sum": 3.0 }));
    let wrong = called(add(), json!({ "a": 1 })).await;
    assert_eq!(wrong["isError"], true);
    assert_eq!(text(&wrong), "invalid arguments: missing field `b`");
}

#[tokio::test]
async fn a_function_that_makes_a_tool_is_one() {
    assert_eq!(add.into_tool().name(), "add");
    assert_eq!(text(&called(add, json!({ "a": 1, "b": 2 })).await), r#"{"sum":3.0}"#);
}

#[tokio::test]
async fn a_resource_by_hand_makes_contents_of_what_it_has() {
    let resource =
        Resource::new("log://today", |_, reading| async move { reading.text("line", "text/plain") })
            .named("log")
            .size(4);
    let expected = json!({ "uri": "log://today", "name": "log", "size": 4 });
    assert_eq!(listed(&with_resource(resource.clone()), "resources/list").await, expected);
    let read = with_resource(resource).read_resource("log://today").await.unwrap();
    assert_eq!(read["contents"], json!([{ "uri": "log://today", "mimeType": "text/plain", "text": "line" }]));
}

#[tokio::test]
async fn a_template_by_hand_gets_its_parameters() {
    let template = ResourceTemplate::new("row://{table}/{id}", |_, reading, parameters| async move {
        let id: u32 = parameters.parse("id")?;
        if id == 0 { Err(reading.not_found()) } else { Ok(format!("{:?} {id}", parameters.get("table"))) }
    })
    .unwrap();
    let client = with_resource(template);
    let read = client.read_resource("row://people/7").await.unwrap();
    assert_eq!(read["contents"][0]["text"], r#"Some("people") 7"#);
    let error = client.read_resource("row://people/0").await.unwrap_err();
    assert_eq!((error.code, error.data), (-32_602, json!({ "uri": "row://people/0" })));
}

#[tokio::test]
async fn a_prompt_by_hand_gets_what_it_declares_and_nothing_else() {
    let arguments =
        [PromptArgument::required("who").description("whom to greet"), PromptArgument::optional("how")];
    let prompt = Prompt::new("greet", arguments, |_, arguments| async move {
        let how = arguments.get("how").unwrap_or("Hello").to_owned();
        format!("{how}, {}!", arguments.get("who").unwrap_or_default())
    });
    let client = with_prompt(prompt.clone());
    let got = client.get_prompt("greet", json!({ "who": "Anna" })).await.unwrap();
    assert_eq!(got["messages"][0]["content"]["text"], "Hello, Anna!");
    let error = client.get_prompt("greet", json!({ "how": "Hi" })).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32_602, "missing argument `who`"));
    assert_eq!(prompt.into_prompt().name(), "greet");
}

#[tokio::test]
async fn an_error_by_hand_is_told_unless_it_is_of_a_store() {
    let tool = Tool::new("fail", json!({ "type": "object" }), |_, _| async {
        Err::<(), _>(kv_core::Error::new(kv_core::ErrorKind::Full, "no room on disk 7"))
    });
    assert_eq!(text(&called(tool, json!({})).await), "internal error");
    let tool = Tool::new("fail", json!({ "type": "object" }), |_, _| async { Err::<(), _>("told") });
    assert_eq!(text(&called(tool, json!({})).await), "told");
    let tool = Tool::new("fail", json!({ "type": "object" }), |_, _| async {
        Err::<(), _>(Failure::new(9, "sent"))
    });
    let error = with_tool(tool).call_tool("fail", json!({})).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (9, "sent"));
}

#[tokio::test]
async fn a_check_of_the_component_is_asked_before_every_use() {
    let tool = add().check(|request| {
        let local = !request.principal.is_anonymous();
        async move { if local { Ok(()) } else { Err(Refusal::new("not for everybody")) } }
    });
    let server = Server::new("test").tool(tool).build().unwrap();
    let arguments = json!({ "a": 1, "b": 2 });
    assert!(server.test_client().call_tool("add", arguments.clone()).await.is_ok());
    let stranger = server.test_client().principal(mcp_server::Principal::anonymous());
    let error = stranger.call_tool("add", arguments).await.unwrap_err();
    assert_eq!(error.message, "not for everybody");
}
