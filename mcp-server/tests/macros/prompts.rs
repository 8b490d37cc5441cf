//! Prompts: arguments as text, messages as they are returned.

use mcp_server::prompt;
use mcp_server::protocol::{Content, PromptMessage, PromptResult, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{listed, with_prompt};

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Kind,
    Harsh,
}

/// Asks for a review.
#[prompt(title = "Review")]
fn review(
    /// the code
    code: String,
    /// how strict, 1 to 5
    #[arg(default = 3)]
    strictness: u8,
    tone: Option<Tone>,
    #[arg(rename = "line-numbers")] lines: Option<Vec<u32>>,
) -> String {
    let tone = match tone {
        None => "",
        Some(Tone::Kind) => " kindly",
        Some(Tone::Harsh) => " harshly",
    };
    format!("Review{tone} ({strictness}) {lines:?}: {code}")
}

#[prompt]
fn one() -> PromptMessage {
    PromptMessage::assistant("yes?")
}

#[prompt]
async fn several() -> Vec<PromptMessage> {
    vec![PromptMessage::user("a"), PromptMessage::new(Role::Assistant, Content::text("b"))]
}

/// Described by the function.
#[prompt]
async fn whole() -> Result<PromptResult, String> {
    let mut result = PromptResult::new([PromptMessage::user("a")]);
    result.description = Some("described by the result".to_owned());
    Ok(result)
}

#[prompt]
async fn fails() -> Result<String, String> {
    Err("no muse".to_owned())
}

async fn message(arguments: Value) -> Value {
    let mut result = with_prompt(review).get_prompt("review", arguments).await.unwrap();
    result["messages"][0].take()
}

#[tokio::test]
async fn the_definition_of_a_prompt_comes_from_the_function() {
    let expected = json!({
        "name": "review",
        "title": "Review",
        "description": "Asks for a review.",
        "arguments": [
            { "name": "code", "description": "the code", "required": true },
            { "name": "strictness", "description": "how strict, 1 to 5", "required": false },
            { "name": "tone", "required": false },
            { "name": "line-numbers", "required": false },
        ],
    });
    assert_eq!(listed(&with_prompt(review), "prompts/list").await, expected);
}

#[tokio::test]
async fn arguments_are_read_from_text() {
    let expected = json!({ "role": "user", "content": { "type": "text", "text": "Review (3) None: x" } });
    assert_eq!(message(json!({ "code": "x" })).await, expected);
    let all = json!({ "code": "1", "strictness": "5", "tone": "harsh", "line-numbers": "[1, 2]" });
    assert_eq!(message(all).await["content"]["text"], "Review harshly (5) Some([1, 2]): 1");
    assert_eq!(review::call("x".into(), 1, Some(Tone::Kind), None), "Review kindly (1) None: x");
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_by_name() {
    for (arguments, expected) in [
        (json!({}), "missing argument `code`"),
        (json!({ "code": 1 }), "arguments must be an object of strings"),
        (json!({ "code": "x", "cod": "y" }), "unknown argument `cod`, did you mean `code`?"),
        (
            json!({ "code": "x", "strictness": "many" }),
            "argument `strictness`: \"many\" is not an integer, not negative, or out of range",
        ),
        (
            json!({ "code": "x", "tone": "loud" }),
            "argument `tone`: unknown variant `loud`, expected `kind` or `harsh`",
        ),
    ] {
        let error = with_prompt(review).get_prompt("review", arguments).await.unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (-32_602, expected));
    }
}

#[tokio::test]
async fn a_long_argument_that_does_not_fit_is_not_repeated_and_what_would_fit_is_told() {
    let long = "x".repeat(1 << 20);
    for (arguments, told) in [
        (json!({ "code": "x", "strictness": long }), "is not an integer, not negative, or out of range"),
        (json!({ "code": "x", "tone": long }), "`, expected `kind` or `harsh`"),
        (json!({ "code": "x", long.clone(): "y" }), "`tone`"),
    ] {
        let error = with_prompt(review).get_prompt("review", arguments).await.unwrap_err();
        assert!(error.message.len() < 2_048 && error.message.contains(told), "{} bytes", error.message.len());
    }
}

#[tokio::test]
async fn messages_are_sent_as_they_are() {
    let got = with_prompt(one).get_prompt("one", json!({})).await.unwrap();
    assert_eq!(
        got["messages"],
        json!([{ "role": "assistant", "content": { "type": "text", "text": "yes?" } }])
    );
    let got = with_prompt(several).get_prompt("several", json!({})).await.unwrap();
    assert_eq!(got["messages"].as_array().unwrap().len(), 2);
    let got = with_prompt(whole).get_prompt("whole", json!({})).await.unwrap();
    assert_eq!(got["description"], "described by the result");
    let error = with_prompt(fails).get_prompt("fails", json!({})).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32_603, "no muse"));
}
