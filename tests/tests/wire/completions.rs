//! Completions of arguments (server/utilities/completion).

use mcp_server::protocol::{Completion, Revision};
use mcp_server::{
    CompletionContext, Principal, Prompt, PromptArgument, Refusal, Server, StaticTokens, prompt, resource,
};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::harness::{Harness, Shown, Transport, only};

const INVALID_REQUEST: i64 = -32_600;
const METHOD_NOT_FOUND: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;
const INTERNAL_ERROR: i64 = -32_603;

/// Asks for a review.
#[prompt]
fn review(
    #[arg(complete = ["python", "pytorch", "numpy", "rust"])] language: String,
    #[arg(complete = frameworks)] framework: Option<String>,
    code: String,
) -> String {
    format!("Review this {language} {}: {code}", framework.unwrap_or_default())
}

async fn frameworks(value: String, context: CompletionContext) -> Result<Vec<String>, String> {
    match &*value {
        "fail" => Err("the catalogue is closed".to_owned()),
        "panic" => panic!("on purpose"),
        _ => Ok(vec![format!("{} {value}", context.argument("language").unwrap_or("any"))]),
    }
}

/// A branch of a repository.
#[resource("repo://{owner}/{branch}")]
async fn branch(
    #[arg(complete = numbers)] owner: String,
    #[arg(complete = branches)] branch: String,
) -> String {
    format!("{owner}/{branch}")
}

async fn branches(value: String, context: CompletionContext) -> Vec<String> {
    vec![format!("{} {value}", context.argument("owner").unwrap_or("nobody"))]
}

fn numbers(value: &str) -> Completion {
    Completion::matching(value, (0..150).map(|number| number.to_string()))
}

/// A prompt that is there for nobody.
fn hidden() -> Prompt {
    Prompt::new("hidden", [PromptArgument::required("language")], |_, _| async { "x" })
        .complete_from("language", ["secret"])
        .check(|_| async { Err(Refusal::new("for nobody")) })
}

fn server() -> Server {
    Server::new("completing").prompt(review).resource(branch)
}

async fn client(h: Harness) -> Client {
    h.serve(server()).await.client().await
}

fn of_prompt(name: &str, argument: &str, value: &str) -> Value {
    json!({ "ref": { "type": "ref/prompt", "name": name }, "argument": { "name": argument, "value": value } })
}

fn of_resource(uri: &str, argument: &str, value: &str) -> Value {
    json!({ "ref": { "type": "ref/resource", "uri": uri }, "argument": { "name": argument, "value": value } })
}

async fn asked(client: &Client, params: Value) -> Reply {
    client.request("completion/complete", params).await
}

async fn completion(client: &Client, params: Value) -> Value {
    asked(client, params).await.result()["completion"].take()
}

async fn values(client: &Client, params: Value) -> Value {
    completion(client, params).await["values"].take()
}

fn has_context(h: Harness) -> bool {
    !matches!(h.revision, Revision::V2024_11_05 | Revision::V2025_03_26)
}

pub(crate) async fn completions_begin_with_the_value_or_hold_it(h: Harness) -> Shown {
    let client = client(h).await;
    let found = completion(&client, of_prompt("review", "language", "Py")).await;
    assert_eq!(found, json!({ "values": ["python", "pytorch", "numpy"], "hasMore": false }));
    let all = values(&client, of_prompt("review", "language", "")).await;
    assert_eq!(all.as_array().unwrap().len(), 4);
    let none = completion(&client, of_prompt("review", "language", "cobol")).await;
    assert_eq!(none, json!({ "values": [], "hasMore": false }));
    Ok(())
}

pub(crate) async fn completions_know_what_was_chosen_since_2025_06_18(h: Harness) -> Shown {
    let client = client(h).await;
    let mut params = of_prompt("review", "framework", "fl");
    params["context"] = json!({ "arguments": { "language": "python", "framework": "old", "other": "x" } });
    let expected = if has_context(h) { "python fl" } else { "any fl" };
    assert_eq!(values(&client, params).await, json!([expected]));
    assert_eq!(values(&client, of_prompt("review", "framework", "fl")).await, json!(["any fl"]));
    Ok(())
}

pub(crate) async fn a_template_is_referred_to_by_its_text_or_by_a_uri(h: Harness) -> Shown {
    let client = client(h).await;
    let by_text = of_resource("repo://{owner}/{branch}", "branch", "ma");
    assert_eq!(values(&client, by_text).await, json!(["nobody ma"]));
    let by_uri = of_resource("repo://ada/m", "branch", "ma");
    assert_eq!(values(&client, by_uri).await, json!(["ada ma"]));
    let mut titled = of_prompt("review", "language", "rust");
    titled["ref"]["title"] = json!("another");
    assert_eq!(values(&client, titled).await, json!(["rust"]));
    Ok(())
}

pub(crate) async fn at_most_100_completions_are_sent_and_more_are_counted(h: Harness) -> Shown {
    let client = client(h).await;
    let found = completion(&client, of_resource("repo://{owner}/{branch}", "owner", "")).await;
    assert_eq!(found["values"].as_array().unwrap().len(), 100);
    assert_eq!((&found["total"], &found["hasMore"]), (&json!(150), &json!(true)));
    let few = completion(&client, of_resource("repo://{owner}/{branch}", "owner", "14")).await;
    assert_eq!(few["values"][0], "14");
    assert_eq!((few.get("total"), &few["hasMore"]), (None, &json!(false)));
    Ok(())
}

pub(crate) async fn an_argument_that_nothing_completes_has_no_values(h: Harness) -> Shown {
    let client = client(h).await;
    let found = completion(&client, of_prompt("review", "code", "fn")).await;
    assert_eq!(found, json!({ "values": [], "hasMore": false }));
    Ok(())
}

pub(crate) async fn what_cannot_be_completed_is_an_invalid_param(h: Harness) -> Shown {
    let client = client(h).await;
    let long = "x".repeat(70_000);
    let mut context = of_prompt("review", "framework", "");
    context["context"] = json!({ "arguments": { "language": "python" } });
    let mut tool = of_prompt("review", "language", "");
    tool["ref"]["type"] = json!("ref/tool");
    for (params, told) in [
        (of_prompt("nope", "language", ""), "unknown prompt: nope"),
        (of_prompt("repo://{owner}/{branch}", "owner", ""), "unknown prompt: repo"),
        (of_resource("repo://{other}/{branch}", "branch", ""), "unknown resource: repo://{other}"),
        (of_resource("note://x", "branch", ""), "unknown resource: note://x"),
        (of_prompt("review", "lang", ""), "unknown argument `lang`, did you mean `language`?"),
        (of_prompt("review", "language", &long), "argument.value is too long"),
        (of_prompt(&long, "language", ""), "unknown prompt: xxx"),
        (tool, "ref.type must be"),
        (json!({ "ref": { "type": "ref/prompt", "name": "review" } }), "the params lack argument"),
        (json!({}), "the params lack ref"),
    ] {
        let reply = asked(&client, params).await;
        reply.assert_error(INVALID_PARAMS, 200);
        let message = reply.message["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(told) && reply.text.len() < 1_000, "{message}");
    }
    if has_context(h) {
        context["context"]["arguments"]["language"] = json!(7);
        let reply = asked(&client, context).await;
        reply.assert_error(INVALID_PARAMS, 200);
    }
    Ok(())
}

pub(crate) async fn a_completer_that_fails_is_told_and_one_that_panics_is_not(h: Harness) -> Shown {
    let client = client(h).await;
    for (value, told) in [("fail", "the catalogue is closed"), ("panic", "internal error")] {
        let reply = asked(&client, of_prompt("review", "framework", value)).await;
        reply.assert_error(INTERNAL_ERROR, 200);
        assert_eq!(reply.message["error"]["message"], told);
    }
    assert_eq!(values(&client, of_prompt("review", "framework", "x")).await, json!(["any x"]));
    Ok(())
}

/// The answer of a server without the prompt, byte for byte but for the name of the server.
pub(crate) async fn completions_tell_nothing_of_what_is_hidden(h: Harness) -> Shown {
    let with = h.serve(server().prompt(hidden())).await.client().await;
    let without = client(h).await;
    for argument in ["language", "nothing"] {
        let message = with.message(7, "completion/complete", of_prompt("hidden", argument, "s"));
        let refused = with.begin_message(&message).await.answer().await;
        let unknown = without.begin_message(&message).await.answer().await;
        refused.assert_error(INVALID_PARAMS, 200);
        assert_eq!((refused.text, refused.status), (unknown.text, unknown.status));
    }
    Ok(())
}

pub(crate) async fn who_asks_for_completions_too_fast_is_told_to_wait(h: Harness) -> Shown {
    let tokens = StaticTokens::new().token("t", Principal::user("test", "ada"));
    let server = server().max_completions_per_second(1).authenticate(tokens);
    let client = h.serve(server).await.client_of(json!({}), Some("t")).await;
    // Who started the process has ten times the share of a user, who has four at once.
    let at_once = if h.is_http() { 4 } else { 40 };
    let mut refused = None;
    for _ in 0..3 * at_once {
        let reply = asked(&client, of_prompt("review", "language", "p")).await;
        if reply.message.get("error").is_some() {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("a limit");
    refused.assert_error(if h.is_http() { INVALID_REQUEST } else { INTERNAL_ERROR }, 200);
    let told = refused.message["error"]["message"].as_str().unwrap();
    assert!(told.contains("try again in"), "{told}");
    assert_eq!(client.result("prompts/list", json!({})).await["prompts"].as_array().map(Vec::len), Some(1));
    Ok(())
}

/// 2024-11-05 has the method, but no capability of it.
pub(crate) async fn completions_are_declared_where_something_completes(h: Harness) -> Shown {
    only(h.transport != Transport::Memory || h.is_stateless(), "its client keeps the answer")?;
    let plain = Prompt::new("plain", [PromptArgument::required("a")], |_, _| async { "x" });
    for (server, completes) in [(server(), true), (Server::new("plain").prompt(plain), false)] {
        let site = h.serve(server).await;
        let stranger = site.stranger(json!({}), None);
        let told = if h.is_stateless() {
            stranger.result("server/discover", json!({})).await
        } else {
            stranger.initialize(h.revision.as_str()).await.result()
        };
        let declared = told["capabilities"].get("completions");
        let expected = (completes && h.revision != Revision::V2024_11_05).then(|| json!({}));
        assert_eq!(declared, expected.as_ref());
        let reply = asked(&site.client().await, of_prompt("plain", "a", "")).await;
        if completes {
            reply.assert_error(INVALID_PARAMS, 200);
        } else {
            reply.assert_error(METHOD_NOT_FOUND, if h.is_stateless() { 404 } else { 200 });
        }
    }
    Ok(())
}
