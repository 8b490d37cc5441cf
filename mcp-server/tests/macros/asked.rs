//! `Asked<T>`: what the person is asked for before a function runs. How it travels is told in the wire tests.

use mcp_server::protocol::Revision;
use mcp_server::{Asked, Choice, Elicited, Form, State, Tool, tool};
use serde_json::{Value, json};

use crate::{listed, text, with_tool};

#[derive(Form)]
struct Confirm {
    sure: bool,
}

#[derive(Form)]
struct Rooms {
    #[form(min_items = 1)]
    rooms: Vec<Room>,
}

#[derive(Choice, Clone, Copy, Debug)]
enum Room {
    Oak,
    Elm,
}

/// Another name of what is asked.
type Agreed = Asked<Elicited<()>>;

#[tool]
async fn book(
    #[arg(rename = "roomName")] room: String,
    number: u8,
    #[arg(ask = "Book {room}, {number:>3}, {{room}}?")] ok: Asked<Confirm>,
) -> String {
    format!("{room} {number} {}", ok.sure)
}

#[tool]
fn on_a_thread(#[arg(ask = "Sure, {{really}}?")] agreed: Agreed, greeting: State<String>) -> String {
    format!("{} {:?}", *greeting, agreed.into_inner())
}

#[tool(single_use)]
async fn once(
    /// Do it
    /// now?
    ok: Asked<Confirm>,
) -> bool {
    ok.sure
}

#[tool]
async fn choose(#[arg(ask = "Which?")] rooms: Asked<Rooms>) -> String {
    format!("{:?}", rooms.rooms)
}

fn agree(_: &str, _: &Value) -> Value {
    json!({ "action": "accept", "content": { "sure": true } })
}

#[tokio::test]
async fn the_question_holds_the_values_of_arguments_by_their_names_in_rust() {
    let client = with_tool(book).capabilities(json!({ "elicitation": {} }));
    let arguments = json!({ "roomName": "Oak", "number": 7 });
    let asked = client.call_tool("book", arguments.clone()).await.unwrap();
    assert_eq!(asked["inputRequests"]["ok"]["params"]["message"], "Book Oak,   7, {room}?");
    let done = client.another().answering(agree).call_tool("book", arguments).await.unwrap();
    assert_eq!(text(&done), "Oak 7 true");
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_told_before_anybody_is_asked() {
    let client = with_tool(book).capabilities(json!({ "elicitation": {} }));
    let result =
        client.call_tool("book", json!({ "roomName": "Oak", "number": 7, "ok": true })).await.unwrap();
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("unknown argument `ok`"), "{result}");
}

#[tokio::test]
async fn what_is_not_async_is_asked_first_too_and_an_alias_is_known_by_its_question() {
    let server = mcp_server::Server::new("test").state("Hello".to_owned()).tool(on_a_thread);
    let client = server.test_client().unwrap().capabilities(json!({ "elicitation": {} }));
    let asked = client.call_tool("on_a_thread", json!({})).await.unwrap();
    assert_eq!(asked["inputRequests"]["agreed"]["params"]["message"], "Sure, {really}?");
    for revision in [Revision::V2025_06_18, Revision::V2026_07_28] {
        let declining = client.another().revision(revision).answering(|_, _| json!({ "action": "decline" }));
        let result = declining.call_tool("on_a_thread", json!({})).await.unwrap();
        assert_eq!(text(&result), "Hello Declined", "{revision}");
    }
}

#[tokio::test]
async fn a_doc_comment_is_a_question_and_an_answer_of_single_use_counts_once() {
    let client = with_tool(once).capabilities(json!({ "elicitation": {} }));
    let asked = client.call_tool("once", json!({})).await.unwrap();
    assert_eq!(asked["inputRequests"]["ok"]["params"]["message"], "Do it\nnow?");
    let params = json!({
        "name": "once",
        "inputResponses": { "ok": agree("", &Value::Null) },
        "requestState": asked["requestState"],
    });
    assert_eq!(client.request("tools/call", params.clone()).await.unwrap()["structuredContent"], true);
    assert_eq!(client.request("tools/call", params).await.unwrap_err().code, -32_602);
}

#[tokio::test]
async fn an_answer_may_come_with_the_call_where_it_may_count_twice() {
    let client = with_tool(book).capabilities(json!({ "elicitation": {} }));
    let params = json!({
        "name": "book",
        "arguments": { "roomName": "Oak", "number": 7 },
        "inputResponses": { "ok": agree("", &Value::Null) },
    });
    assert_eq!(text(&client.request("tools/call", params).await.unwrap()), "Oak 7 true");
}

#[tokio::test]
async fn a_client_that_lacks_what_the_form_has_is_refused_before() {
    let client = with_tool(choose).capabilities(json!({ "elicitation": {} }));
    let old = client.another().revision(Revision::V2025_06_18).answering(agree);
    let error = old.call_tool("choose", json!({})).await.unwrap_err();
    assert_eq!(error.data, json!({ "requiredCapabilities": { "elicitation": { "form": {} } } }));
    let chosen = |_: &str, _: &Value| json!({ "action": "accept", "content": { "rooms": ["Oak", "Elm"] } });
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = client.another().revision(revision).answering(chosen);
        assert_eq!(text(&client.call_tool("choose", json!({})).await.unwrap()), "[Oak, Elm]");
    }
}

#[tokio::test]
async fn a_tool_by_hand_says_what_it_asks() {
    let tool = Tool::new("by_hand", json!({ "type": "object" }), |_, _| async { "asked" });
    let error = with_tool(tool.asks::<Confirm>()).call_tool("by_hand", json!({})).await.unwrap_err();
    assert_eq!(error.code, -32_021);
}

#[tokio::test]
async fn the_body_is_called_with_an_answer_as_with_any_other_argument() {
    assert_eq!(book::call("Oak".to_owned(), 7, Confirm { sure: false }.into()).await, "Oak 7 false");
    let schema = listed(&with_tool(book), "tools/list").await["inputSchema"].clone();
    assert_eq!(schema["required"], json!(["roomName", "number"]));
}
