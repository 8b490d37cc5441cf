//! What the suite expects of handlers that ask their client.

use mcp_server::protocol::{Json, PromptMessage};
use mcp_server::{AskError, Choice, Context, Elicited, Form, Sampling, Server, prompt, tool};
use serde::Serialize;
use serde_json::{Value, json};

/// `server` with all of them.
pub(crate) fn add_to(server: Server) -> Server {
    server
        .tool(test_sampling)
        .tool(test_elicitation)
        .tool(test_elicitation_sep1034_defaults)
        .tool(test_elicitation_sep1330_enums)
        .tool(test_streaming_elicitation)
        .tool(test_input_required_result_elicitation)
        .tool(test_input_required_result_sampling)
        .tool(test_input_required_result_list_roots)
        .tool(test_input_required_result_request_state)
        .tool(test_input_required_result_multiple_inputs)
        .tool(test_input_required_result_multi_round)
        .tool(test_input_required_result_tampered_state)
        .tool(test_input_required_result_capabilities)
        .prompt(test_input_required_result_prompt)
}

#[derive(Serialize, Form)]
struct Name {
    name: String,
}

#[derive(Serialize, Form)]
struct Agreement {
    ok: bool,
}

#[derive(Serialize, Form)]
struct Color {
    color: String,
}

#[derive(Serialize, Form)]
struct Surroundings {
    context: String,
}

#[derive(Serialize, Form)]
struct Contact {
    /// User's response
    username: String,
    /// User's email address
    email: String,
}

#[derive(Clone, Copy, Serialize, Choice)]
#[choice(rename_all = "kebab-case")]
enum Status {
    Active,
    Inactive,
    Pending,
}

#[derive(Serialize, Form)]
struct Defaults {
    #[form(default = "John Doe")]
    name: String,
    #[form(default = 30)]
    age: i64,
    #[form(default = 95.5)]
    score: f64,
    #[form(default = Status::Active)]
    status: Status,
    #[form(default = true)]
    verified: bool,
}

/// All forms of choices, one of them of an earlier revision: written by hand, and read as it comes.
#[derive(Serialize)]
struct Choices(Value);

impl Form for Choices {
    fn schema() -> Json {
        let titled = |what: &str| {
            let options = [("value1", "First"), ("value2", "Second"), ("value3", "Third")];
            options.map(|(value, title)| json!({ "const": value, "title": format!("{title} {what}") }))
        };
        let plain = json!(["option1", "option2", "option3"]);
        let properties = json!({
            "untitledSingle": { "type": "string", "enum": plain },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
        });
        json!({ "type": "object", "properties": properties }).into()
    }

    fn read(content: &Json) -> Result<Self, String> {
        content.to().map(Self).map_err(|_| "`content` must be an object".to_owned())
    }
}

fn told(what: &str, answer: Elicited<impl Serialize>) -> String {
    let (action, content) = match answer {
        Elicited::Accepted(content) => ("accept", json!(content)),
        Elicited::Declined => ("decline", json!({})),
        Elicited::Cancelled => ("cancel", json!({})),
    };
    format!("{what}: action={action}, content={content}")
}

/// Asks the client's model.
#[tool]
async fn test_sampling(prompt: String, ctx: Context) -> Result<String, AskError> {
    let sampled = ctx.sample(&Sampling::new(100).user(prompt)).await?;
    Ok(format!("LLM response: {}", sampled.text()))
}

/// Asks the person.
#[tool]
async fn test_elicitation(message: String, ctx: Context) -> Result<String, AskError> {
    Ok(told("User response", ctx.elicit::<Contact>(message).await?))
}

/// Asks with defaults.
#[tool]
async fn test_elicitation_sep1034_defaults(ctx: Context) -> Result<String, AskError> {
    Ok(told("Elicitation completed", ctx.elicit::<Defaults>("Please check").await?))
}

/// Asks with choices.
#[tool]
async fn test_elicitation_sep1330_enums(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.elicit::<Choices>("Please choose").await?;
    Ok(told("Elicitation completed", answer))
}

/// Says something, and asks.
#[tool]
async fn test_streaming_elicitation(ctx: Context) -> Result<String, AskError> {
    ctx.info("about to ask");
    Ok(told("Elicitation completed", ctx.elicit::<Agreement>("Please confirm").await?))
}

/// Asks for a name.
#[tool]
async fn test_input_required_result_elicitation(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.question("user_name").elicit::<Name>("What is your name?").await?;
    Ok(answer.accepted().map_or_else(|| "Hello!".to_owned(), |answer| format!("Hello, {}!", answer.name)))
}

/// Asks the client's model for a capital.
#[tool]
async fn test_input_required_result_sampling(ctx: Context) -> Result<String, AskError> {
    let question = Sampling::new(100).user("What is the capital of France?");
    Ok(ctx.question("capital_question").sample(&question).await?.text())
}

/// Asks which folders the client works in.
#[tool]
async fn test_input_required_result_list_roots(ctx: Context) -> Result<String, AskError> {
    Ok(format!("{:?}", ctx.question("client_roots").roots().await?))
}

/// Asks once; the state tells that it was this request.
#[tool]
async fn test_input_required_result_request_state(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.question("confirm").elicit::<Agreement>("Please confirm").await?;
    Ok(told("state-ok", answer))
}

/// Asks three things in one round.
#[tool]
async fn test_input_required_result_multiple_inputs(ctx: Context) -> Result<String, AskError> {
    let greeting = Sampling::new(50).user("Generate a greeting");
    let (name, greeting, roots) = tokio::join!(
        ctx.question("user_name").elicit::<Name>("What is your name?"),
        ctx.question("greeting").sample(&greeting),
        ctx.question("client_roots").roots(),
    );
    Ok(format!("{} {} {}", told("name", name?), greeting?.text(), roots?.len()))
}

/// Asks twice.
#[tool]
async fn test_input_required_result_multi_round(ctx: Context) -> Result<String, AskError> {
    let name = ctx.question("step1").elicit::<Name>("Step 1: What is your name?").await?;
    let color = ctx.question("step2").elicit::<Color>("Step 2: What is your favorite color?").await?;
    Ok(format!("{} {}", told("name", name), told("color", color)))
}

/// Asks, and takes no state but its own.
#[tool]
async fn test_input_required_result_tampered_state(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.question("confirm").elicit::<Agreement>("Please confirm").await?;
    Ok(told("state-ok", answer))
}

/// Asks the person if it can, else the model.
#[tool]
async fn test_input_required_result_capabilities(ctx: Context) -> Result<String, AskError> {
    match ctx.elicit::<Name>("What is your name?").await {
        Err(error) if error.is_unsupported() => {
            Ok(ctx.sample(&Sampling::new(50).user("Say hello")).await?.text())
        }
        answer => Ok(told("Elicitation completed", answer?)),
    }
}

/// A prompt that asks what it is about.
#[prompt]
async fn test_input_required_result_prompt(ctx: Context) -> Result<Vec<PromptMessage>, AskError> {
    let answer =
        ctx.question("user_context").elicit::<Surroundings>("What context should the prompt use?").await?;
    let context = answer.accepted().map_or_else(|| "nothing".to_owned(), |answer| answer.context);
    Ok(vec![PromptMessage::user(format!("Use this context: {context}"))])
}
