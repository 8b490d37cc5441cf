//! Handlers that ask their client, in every revision, through the same bytes as any other client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kv_core::AnyStore;
use kv_core::testing::{Fault, Faults, Faulty};
use kv_memory::MemoryStore;
use mcp_server::protocol::{Json, Revision};
use mcp_server::{
    AskError, Context, Elicited, Form, Principal, ResponseCache, Server, TestClient, Tool, tool,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

#[derive(Debug, Form)]
struct Confirm {
    /// Book it?
    sure: bool,
}

#[derive(Debug, Form)]
struct Guests {
    /// How many come?
    #[form(min = 1, max = 8)]
    guests: u8,
}

#[tool]
async fn book(room: String, ctx: Context) -> Result<String, AskError> {
    match ctx.elicit::<Confirm>(format!("Book {room}?")).await? {
        Elicited::Accepted(Confirm { sure: true }) => {}
        other => return Ok(format!("nothing booked: {other:?}")),
    }
    let Elicited::Accepted(guests) = ctx.elicit::<Guests>("How many?").await? else {
        return Ok("nobody comes".to_owned());
    };
    Ok(format!("{room} for {}", guests.guests))
}

#[tool]
async fn both(ctx: Context) -> Result<String, AskError> {
    let (sure, guests) = tokio::join!(
        ctx.question("sure").elicit::<Confirm>("Sure?"),
        ctx.question("guests").elicit::<Guests>("How many?"),
    );
    Ok(format!("{:?} {:?}", sure?.accepted().map(|it| it.sure), guests?.accepted().map(|it| it.guests)))
}

#[tool(single_use)]
async fn pay(ctx: Context, runs: mcp_server::State<Arc<AtomicUsize>>) -> Result<String, AskError> {
    let charged = ctx.once("charge", || async { runs.fetch_add(1, Ordering::SeqCst) + 1 }).await?;
    let sure = ctx.elicit::<Confirm>("Pay?").await?;
    Ok(format!("{charged} {}", sure.accepted().is_some()))
}

#[tool]
async fn fickle(ctx: Context, runs: mcp_server::State<Arc<AtomicUsize>>) -> Result<String, AskError> {
    let message = format!("Question {}", runs.fetch_add(1, Ordering::SeqCst));
    ctx.elicit::<Confirm>(message).await.map(|answer| format!("{answer:?}"))
}

#[tool(cache = "60s", public)]
async fn open_to_all(ctx: Context) -> Result<String, AskError> {
    ctx.elicit::<Confirm>("Sure?").await.map(|answer| format!("{answer:?}"))
}

fn server(store: &AnyStore) -> Server {
    Server::new("asking")
        .storage(store.clone())
        .state(Arc::new(AtomicUsize::new(0)))
        .tool(book)
        .tool(both)
        .tool(pay)
        .tool(fickle)
        .tool(open_to_all)
}

fn store() -> AnyStore {
    AnyStore::new(MemoryStore::new())
}

/// A client that can be asked for forms, and is not answering by itself.
fn client(store: &AnyStore) -> TestClient {
    server(store).test_client().expect("it builds").capabilities(json!({ "elicitation": {} }))
}

fn answers(_: &str, params: &Value) -> Value {
    let message = params["message"].as_str().unwrap_or_default();
    let content = if message.starts_with("How") { json!({ "guests": 3 }) } else { json!({ "sure": true }) };
    json!({ "action": "accept", "content": content })
}

fn text(result: &Value) -> &str {
    result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default()
}

/// Sends a call again with these answers to the first question of `asked`.
async fn again(client: &TestClient, name: &str, arguments: Value, asked: &Value, answers: Value) -> Value {
    let params = json!({
        "name": name,
        "arguments": arguments,
        "inputResponses": answers,
        "requestState": asked["requestState"],
    });
    client.request("tools/call", params).await.expect("an answer")
}

#[tokio::test]
async fn the_same_handler_asks_in_rounds_and_on_streams() {
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = client(&store()).revision(revision).answering(answers);
        let result = client.call_tool("book", json!({ "room": "Oak" })).await.expect("an answer");
        assert_eq!(text(&result), "Oak for 3", "{revision}");
        let result = client.call_tool("both", json!({})).await.expect("an answer");
        assert_eq!(text(&result), "Some(true) Some(3)", "{revision}");
    }
}

#[tokio::test]
async fn a_question_is_a_result_of_2026_and_says_what_is_asked() {
    let client = client(&store());
    let asked = client.call_tool("book", json!({ "room": "Oak" })).await.expect("a question");
    assert_eq!(asked["resultType"], "input_required");
    let request = &asked["inputRequests"]["question-1"];
    assert_eq!(request["method"], "elicitation/create");
    assert_eq!(request["params"]["message"], "Book Oak?");
    assert_eq!(request["params"]["requestedSchema"]["properties"]["sure"]["type"], "boolean");
    assert!(asked["requestState"].as_str().is_some_and(|state| state.len() > 40));
    assert!(asked.get("ttlMs").is_none());
}

#[tokio::test]
async fn two_questions_at_once_are_one_round() {
    let asked = client(&store()).call_tool("both", json!({})).await.expect("questions");
    let requests = asked["inputRequests"].as_object().expect("an object");
    assert_eq!(requests.keys().collect::<Vec<_>>(), ["guests", "sure"]);
}

#[tokio::test]
async fn missing_and_misfit_answers_are_asked_again_and_a_refusal_is_an_answer() {
    let client = client(&store());
    let arguments = json!({ "room": "Oak" });
    let mut asked = client.call_tool("book", arguments.clone()).await.expect("a question");
    for answer in [
        json!({}),
        json!({ "question-1": { "action": "accept", "content": { "sure": "x" } } }),
        json!({ "other": {} }),
    ] {
        asked = again(&client, "book", arguments.clone(), &asked, answer).await;
        assert_eq!(asked["resultType"], "input_required");
        assert_eq!(asked["inputRequests"].as_object().map(serde_json::Map::len), Some(1));
    }
    let done =
        again(&client, "book", arguments, &asked, json!({ "question-1": { "action": "decline" } })).await;
    assert_eq!(text(&done), "nothing booked: Declined");
}

#[tokio::test]
async fn who_never_answers_is_asked_in_a_hundred_rounds() {
    let client = client(&store());
    let arguments = json!({ "room": "Oak" });
    let mut asked = client.call_tool("book", arguments.clone()).await.expect("a question");
    for _ in 1..100 {
        asked = again(&client, "book", arguments.clone(), &asked, json!({})).await;
        assert_eq!(asked["resultType"], "input_required");
    }
    let params = json!({ "name": "book", "arguments": arguments, "requestState": asked["requestState"] });
    let error = client.request("tools/call", params.clone()).await.expect_err("one round too many");
    assert_eq!(error.code, -32602);
    assert!(error.message.contains("100 rounds"), "{error}");
    let mut answered = params;
    answered["inputResponses"] = json!({ "question-1": { "action": "decline" } });
    let done = client.request("tools/call", answered).await.expect("an answer ends it even now");
    assert_eq!(text(&done), "nothing booked: Declined");
}

#[tokio::test]
async fn a_state_opens_for_its_caller_request_and_server_alone() {
    let shared = store();
    let client = client(&shared);
    let asked = client.call_tool("book", json!({ "room": "Oak" })).await.expect("a question");
    let state = asked["requestState"].as_str().expect("a state");
    let mut bent = state.to_owned();
    bent.replace_range(60..61, if &state[60..61] == "A" { "B" } else { "A" });
    let answer = json!({ "question-1": { "action": "accept", "content": { "sure": true } } });
    let elsewhere = self::client(&store());
    let stranger = client.another().principal(Principal::user("i", "eve"));
    for (who, name, arguments, state) in [
        (&client, "book", json!({ "room": "Elm" }), state),
        (&client, "both", json!({}), state),
        (&client, "book", json!({ "room": "Oak" }), bent.as_str()),
        (&client, "book", json!({ "room": "Oak" }), ""),
        (&client, "book", json!({ "room": "Oak" }), "AQAAAAA"),
        (&elsewhere, "book", json!({ "room": "Oak" }), state),
        (&stranger, "book", json!({ "room": "Oak" }), state),
    ] {
        let params =
            json!({ "name": name, "arguments": arguments, "inputResponses": answer, "requestState": state });
        let error = who.request("tools/call", params).await.expect_err("it was not made for that");
        assert_eq!(error.code, -32602, "{name} {arguments} {state}");
    }
    // Another replica on the same store goes on, and arguments may be written in another order.
    let replica = self::client(&shared);
    let next = again(&replica, "book", json!({ "room": "Oak" }), &asked, answer).await;
    assert_eq!(next["inputRequests"]["question-2"]["params"]["message"], "How many?");
}

#[tokio::test]
async fn answers_without_a_state_belong_to_no_question() {
    let params = json!({
        "name": "book",
        "arguments": { "room": "Oak" },
        "inputResponses": { "question-1": { "action": "accept", "content": { "sure": true } } },
    });
    let asked = client(&store()).request("tools/call", params).await.expect("a question");
    assert!(asked["inputRequests"]["question-1"].is_object());
}

#[tokio::test]
async fn work_is_done_once_and_a_single_use_answer_counts_once() {
    let client = client(&store());
    let asked = client.call_tool("pay", json!({})).await.expect("a question");
    let answer = json!({ "question-1": { "action": "accept", "content": { "sure": true } } });
    let done = again(&client, "pay", json!({}), &asked, answer.clone()).await;
    assert_eq!(text(&done), "1 true");
    let params = json!({ "name": "pay", "inputResponses": answer, "requestState": asked["requestState"] });
    let error = client.request("tools/call", params).await.expect_err("the second time");
    assert_eq!(error.code, -32602);
}

/// The params of a further round of `pay`, which accept.
fn paid(asked: &Value) -> Value {
    let answers = json!({ "question-1": { "action": "accept", "content": { "sure": true } } });
    json!({ "name": "pay", "inputResponses": answers, "requestState": asked["requestState"] })
}

#[tokio::test]
async fn who_is_refused_for_want_of_a_place_sends_a_single_use_answer_again() {
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (holding, opened) = (Arc::clone(&begun), Arc::clone(&gate));
    let hold = Tool::new("hold", json!({ "type": "object" }), move |_: Context, _: Json| {
        let (holding, opened) = (Arc::clone(&holding), Arc::clone(&opened));
        async move {
            holding.notify_one();
            opened.notified().await;
            "let go"
        }
    });
    let server = server(&store()).tool(hold).max_concurrent_calls(1);
    let client = server.test_client().expect("it builds").capabilities(json!({ "elicitation": {} }));
    let asked = client.call_tool("pay", json!({})).await.expect("a question");
    let other = client.another();
    let slow = tokio::spawn(async move { other.call_tool("hold", json!({})).await });
    begun.notified().await;
    let full = client.request("tools/call", paid(&asked)).await.expect_err("no place");
    assert!(full.code == -32603 && full.message.contains("try again later"), "{full}");
    gate.notify_one();
    slow.await.expect("it ends").expect("an answer");
    let done = client.request("tools/call", paid(&asked)).await.expect("the answers were not used");
    assert_eq!(text(&done), "1 true");
    let twice = client.request("tools/call", paid(&asked)).await.expect_err("the second time");
    assert_eq!(twice.code, -32602);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_over_an_answer_takes_no_longer_than_a_handler_may() {
    let faults = Faults::none();
    let store = AnyStore::new(Faulty::new(MemoryStore::new(), &faults));
    let server = server(&store).handler_timeout(Duration::from_secs(10)).max_concurrent_calls(1);
    let client = server.test_client().expect("it builds").capabilities(json!({ "elicitation": {} }));
    let asked = client.call_tool("pay", json!({})).await.expect("a question");
    faults.always("put", Fault::delayed(Duration::from_secs(3_600)));
    let begun = Instant::now();
    let error = client.request("tools/call", paid(&asked)).await.expect_err("it hangs");
    assert!(error.message.contains("took too long"), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 10);
    let first = client.call_tool("both", json!({})).await.expect("the place is free again");
    assert_eq!(first["resultType"], "input_required");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_over_a_question_takes_no_longer_than_a_handler_may() {
    let faults = Faults::none();
    let store = AnyStore::new(Faulty::new(MemoryStore::new(), &faults));
    let server = server(&store).handler_timeout(Duration::from_secs(10)).max_concurrent_calls(1);
    let client = server.test_client().expect("it builds").capabilities(json!({ "elicitation": {} }));
    faults.always("put", Fault::delayed(Duration::from_secs(3_600)));
    let begun = Instant::now();
    let other = client.another();
    let first = tokio::spawn(async move { other.call_tool("both", json!({})).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let full = client.call_tool("both", json!({})).await.expect_err("the question holds the place");
    assert!(full.message.contains("try again later"), "{full}");
    let error = first.await.expect("it ends").expect_err("it hangs");
    assert!(error.message.contains("took too long"), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 10);
    faults.clear();
    let asked = client.call_tool("both", json!({})).await.expect("the place is free again");
    assert_eq!(asked["resultType"], "input_required");
}

#[tokio::test]
async fn a_handler_that_asks_something_else_gets_no_answer_to_it() {
    let client = client(&store());
    let asked = client.call_tool("fickle", json!({})).await.expect("a question");
    let params = json!({
        "name": "fickle",
        "inputResponses": { "question-1": { "action": "accept", "content": { "sure": true } } },
        "requestState": asked["requestState"],
    });
    let error = client.request("tools/call", params).await.expect_err("another question");
    assert_eq!(error.code, -32603);
    assert!(error.message.contains("something else"), "{error}");
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_told_which_capability_is_missing() {
    for (revision, code) in [(Revision::V2026_07_28, -32021), (Revision::V2025_11_25, -32600)] {
        let client = server(&store()).test_client().expect("it builds").revision(revision);
        let error = client.call_tool("book", json!({ "room": "Oak" })).await.expect_err("no capability");
        assert_eq!(error.code, code, "{revision}");
        assert!(error.data["requiredCapabilities"]["elicitation"].is_object(), "{error:?}");
    }
}

#[tokio::test]
async fn what_everybody_may_see_asks_nobody() {
    let error = client(&store()).call_tool("open_to_all", json!({})).await.expect_err("public");
    assert_eq!(error.code, -32603);
}

#[tool(cache = "60s")]
async fn remembered(ctx: Context) -> Result<String, AskError> {
    ctx.elicit::<Confirm>("Sure?").await.map(|answer| format!("{answer:?}"))
}

#[tokio::test]
async fn an_answer_that_was_asked_for_is_never_cached() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let cache = ResponseCache::new();
        let statistics = cache.statistics();
        let server = Server::new("asking").with(cache).tool(remembered);
        let client = server.test_client().expect("it builds").capabilities(json!({ "elicitation": {} }));
        let client = client.revision(revision).answering(move |method, params| {
            counted.fetch_add(1, Ordering::SeqCst);
            answers(method, params)
        });
        for _ in 0..2 {
            client.call_tool("remembered", json!({})).await.expect("an answer");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{revision}");
        assert_eq!(statistics.read().tools.hits, 0, "{revision}");
    }
}

#[tokio::test]
async fn an_error_of_the_client_and_an_answer_that_is_none_end_the_call() {
    let client =
        client(&store()).revision(Revision::V2025_11_25).answering(|_, _| json!({ "action": "perhaps" }));
    let error = client.call_tool("book", json!({ "room": "Oak" })).await.expect_err("no answer");
    assert!(error.message.contains("cannot be used"), "{error}");
}
