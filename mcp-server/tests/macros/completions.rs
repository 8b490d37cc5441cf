//! Completions of arguments, by lists, by functions and by types.

use mcp_server::protocol::{Completion, Failure};
use mcp_server::{
    CompletionContext, IntoPrompt, IntoResource, Prompt, PromptArgument, Reference, ResourceTemplate, Server,
    TestError, prompt, resource,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{listed, with_prompt, with_resource};

const COLOURS: [&str; 3] = ["red", "green", "blue"];
const SHADES: &[&str] = &["light", "dark"];

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Kind,
    Harsh,
    Custom(String),
}

async fn frameworks(value: String, context: CompletionContext) -> Vec<String> {
    let language = context.argument("language").unwrap_or("none");
    vec![format!("{language}-{value}"), format!("{:?}", context.arguments())]
}

async fn users(value: String) -> Result<Vec<&'static str>, String> {
    if value == "!" { Err("the book is closed".to_owned()) } else { Ok(vec!["ada", "bob"]) }
}

fn cities(value: &str) -> Completion {
    tokio::runtime::Handle::current().block_on(std::future::ready(())); // panics where it may not block
    Completion::matching(value, ["Paris", "Prague", "Lisbon"]).total(900)
}

fn streets(value: &str, context: &CompletionContext) -> Result<[String; 1], Failure> {
    let city = context.argument("city").ok_or_else(|| Failure::new(7, "choose a city first"))?;
    Ok([format!("{city}, {value} street, {}", context.principal().is_ok())])
}

/// Takes arguments of every kind.
#[prompt]
fn every(
    #[arg(complete = ["python", "rust"])] language: String,
    #[arg(complete = frameworks)] framework: String,
    #[arg(complete = users)] user: String,
    #[arg(complete = cities)] city: String,
    #[arg(complete = streets)] street: String,
    #[arg(complete = COLOURS)] colour: String,
    #[arg(complete = SHADES, rename = "shade-of-it")] shade: String,
    #[arg(complete = |value: &str| vec![value.repeat(2)])] twice: String,
    #[arg(complete = ["kind", "kinder"])] tone: Option<Tone>,
    #[arg(default = 1)] count: u8,
) -> String {
    let tone = match tone {
        None => "",
        Some(Tone::Kind) => "kind",
        Some(Tone::Harsh) => "harsh",
        Some(Tone::Custom(own)) => return own,
    };
    format!("{language}{framework}{user}{city}{street}{colour}{shade}{twice}{tone}{count}")
}

/// An enum and a truth value.
#[prompt]
fn by_type(tone: Option<Tone>, #[arg(default = false)] loud: bool, other: String) -> String {
    format!("{} {loud} {other}", tone.is_some())
}

/// A page of a user.
#[resource("user://{name}/{page}{?tone}")]
async fn page(
    #[arg(complete = users)] name: String,
    #[arg(complete = pages)] page: String,
    tone: Option<Tone>,
) -> String {
    format!("{name}/{page} {}", tone.is_some())
}

async fn pages(value: String, context: CompletionContext) -> [String; 1] {
    [format!("{}'s {value}", context.argument("name").unwrap_or("nobody"))]
}

/// The completion of an argument of a prompt.
async fn asked<Kind>(
    prompt: impl IntoPrompt<Kind>,
    argument: &str,
    value: &str,
    chosen: Value,
) -> Result<Value, TestError> {
    let prompt = prompt.into_prompt();
    let reference = Reference::prompt(prompt.name());
    let mut result = with_prompt(prompt).complete(reference, argument, value, chosen).await?;
    Ok(result["completion"].take())
}

async fn values<Kind>(prompt: impl IntoPrompt<Kind>, argument: &str, value: &str) -> Value {
    asked(prompt, argument, value, json!({})).await.unwrap()["values"].take()
}

#[tokio::test]
async fn a_list_completes_what_begins_so_and_then_what_holds_it() {
    assert_eq!(values(every, "language", "").await, json!(["python", "rust"]));
    assert_eq!(values(every, "language", "T").await, json!(["python", "rust"]));
    assert_eq!(values(every, "language", "ru").await, json!(["rust"]));
    assert_eq!(values(every, "colour", "re").await, json!(["red", "green"]));
    assert_eq!(values(every, "shade-of-it", "da").await, json!(["dark"]));
}

#[tokio::test]
async fn a_function_sees_the_value_and_what_was_chosen() {
    let chosen = json!({ "language": "rust", "framework": "old" });
    let completion = asked(every, "framework", "a", chosen).await.unwrap();
    assert_eq!(completion, json!({ "values": ["rust-a", r#"["language"]"#], "hasMore": false }));
    assert_eq!(values(every, "user", "").await, json!(["ada", "bob"]));
    assert_eq!(values(every, "twice", "ab").await, json!(["abab"]));
}

#[tokio::test]
async fn a_function_that_is_not_async_borrows_and_may_say_how_many_there_are() {
    let completion = asked(every, "city", "p", json!({})).await.unwrap();
    assert_eq!(completion, json!({ "values": ["Paris", "Prague"], "total": 900, "hasMore": true }));
    let completion = asked(every, "street", "Main", json!({ "city": "Paris" })).await.unwrap();
    assert_eq!(completion["values"], json!(["Paris, Main street, true"]));
}

#[tokio::test]
async fn an_error_of_a_completer_is_told_as_a_prompts_is() {
    let told = asked(every, "user", "!", json!({})).await.unwrap_err();
    assert_eq!((told.code, told.message.as_str()), (-32_603, "the book is closed"));
    let sent = asked(every, "street", "", json!({})).await.unwrap_err();
    assert_eq!((sent.code, sent.message.as_str()), (7, "choose a city first"));
}

#[tokio::test]
async fn a_type_of_few_values_completes_itself_unless_something_else_does() {
    assert_eq!(values(by_type, "tone", "").await, json!(["kind", "harsh"]), "what has parts is no text");
    assert_eq!(values(by_type, "loud", "f").await, json!(["false"]));
    assert_eq!(values(by_type, "other", "").await, json!([]));
    assert_eq!(values(every, "tone", "kind").await, json!(["kind", "kinder"]));
    assert_eq!(values(every, "count", "").await, json!([]));
}

async fn of_page(reference: &str, argument: &str, chosen: Value) -> Value {
    let reference = Reference::resource(reference);
    with_resource(page).complete(reference, argument, "x", chosen).await.unwrap()["completion"]["values"]
        .take()
}

#[tokio::test]
async fn parameters_of_a_template_are_completed_too() {
    let text = "user://{name}/{page}{?tone}";
    assert_eq!(of_page(text, "page", json!({ "name": "ada" })).await, json!(["ada's x"]));
    assert_eq!(of_page(text, "page", json!({})).await, json!(["nobody's x"]));
    assert_eq!(of_page(text, "name", json!({})).await, json!(["ada", "bob"]));
    assert_eq!(
        of_page("user://bob/1", "page", json!({})).await,
        json!(["bob's x"]),
        "its URI tells the name"
    );
    assert_eq!(of_page("user://bob/1", "page", json!({ "name": "eve" })).await, json!(["eve's x"]));
    let tones = with_resource(page).complete(Reference::resource(text), "tone", "", json!({})).await.unwrap();
    assert_eq!(tones["completion"]["values"], json!(["kind", "harsh"]));
    let read = with_resource(page).read_resource("user://ada/1?tone=kind").await.unwrap();
    assert_eq!(read["contents"][0]["text"], "ada/1 true");
}

#[tokio::test]
async fn what_completes_stands_in_no_definition() {
    let definition = listed(&with_resource(page), "resources/templates/list").await;
    let expected = json!({
        "uriTemplate": "user://{name}/{page}{?tone}", "name": "page", "description": "A page of a user.",
    });
    assert_eq!(definition, expected);
}

#[tokio::test]
async fn the_same_goes_without_macros() {
    let arguments = ["language", "framework"].map(PromptArgument::required);
    let prompt = Prompt::new("example", arguments, |_, _| async { "x" })
        .complete_from("language", ["Rust", "Python"])
        .complete("framework", |_, _| async { ["replaced"] })
        .complete("framework", |value, context| async move {
            vec![format!("{} {value}", context.argument("language").unwrap_or_default())]
        });
    assert_eq!(values(prompt.clone(), "language", "py").await, json!(["Python"]));
    let completion = asked(prompt, "framework", "x", json!({ "language": "Rust" })).await.unwrap();
    assert_eq!(completion["values"], json!(["Rust x"]));
    let template = ResourceTemplate::new("row://{table}", |_, _, _| async { "x" })
        .unwrap()
        .complete("table", |_, _| async { Completion::new(["people"]).and_more() });
    let client = with_resource(template);
    let result = client.complete(Reference::resource("row://{table}"), "table", "", json!({})).await.unwrap();
    assert_eq!(result["completion"], json!({ "values": ["people"], "hasMore": true }));
}

#[test]
fn what_completes_no_argument_of_a_component_is_refused_by_name() {
    let prompt = Prompt::new("example", [PromptArgument::required("language")], |_, _| async { "x" });
    let error = Server::new("test").prompt(prompt.complete_from("lang", ["Rust"])).build().unwrap_err();
    assert!(error.to_string().contains(r#"the prompt "example" completes "lang""#), "{error}");
    let template = ResourceTemplate::new("row://{table}", |_, _, _| async { "x" }).unwrap();
    let template = template.complete_from("row", ["1"]).into_resource();
    let error = Server::new("test").resource(template).build().unwrap_err();
    assert!(error.to_string().contains(r#""row://{table}" completes "row""#), "{error}");
}
