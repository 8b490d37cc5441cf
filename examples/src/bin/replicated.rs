//! A server that runs as many processes on one store: `replicated --http 127.0.0.1:8001 --store redis://localhost/0`, and the
//! same with port 8002. What stands before them may send each request to either.
//!
//! Each answer names the process that gave it, so that clients see what they must not notice. Who asks is told by fixed
//! tokens, `demo-0` to `demo-31`: on 2026-07-28 state belongs to a user.

use std::time::Duration;

use mcp_server::{
    AskError, Context, Elicited, Form, Principal, Result, Sampling, Server, StateError, StaticTokens,
    resource, tool,
};
use schemars::JsonSchema;
use serde::Serialize;

/// How many users there are.
const USERS: u32 = 32;

/// An answer, and which process it comes from.
#[derive(Serialize, JsonSchema)]
struct Said {
    /// The answer; null where there is none.
    answer: Option<String>,
    /// The id of the process.
    replica: u32,
}

impl Said {
    fn here(answer: impl Into<Option<String>>) -> Self {
        Self { answer: answer.into(), replica: std::process::id() }
    }
}

/// Answers what it is told.
#[tool(read_only)]
async fn echo(
    /** what to answer */
    text: String,
    /** how long to think about it, in milliseconds, at most a minute */
    #[arg(default = 0)]
    wait_ms: u64,
) -> Said {
    tokio::time::sleep(Duration::from_millis(wait_ms.min(60_000))).await;
    Said::here(text)
}

/// Keeps a value for the session, or on 2026-07-28 for the user.
#[tool]
async fn remember(
    /** its name */
    name: String,
    /** the value */
    value: String,
    ctx: Context,
) -> std::result::Result<Said, StateError> {
    ctx.state().set(&name, &value).await?;
    Ok(Said::here(value))
}

/// Gives a value that was kept.
#[tool(read_only)]
async fn recall(
    /** its name */
    name: String,
    ctx: Context,
) -> std::result::Result<Said, StateError> {
    Ok(Said::here(ctx.state().get::<String>(&name).await?))
}

/// Takes steps, and tells of each.
#[tool(read_only)]
async fn steps(
    /** how many, at most 1000 */
    count: u32,
    /** how long each takes, in milliseconds, at most a second */
    #[arg(default = 50)]
    pause_ms: u64,
    ctx: Context,
) -> Said {
    let count = count.min(1000);
    for step in 1..=count {
        ctx.progress_with(step.into(), f64::from(count), &format!("step {step}"));
        tokio::time::sleep(Duration::from_millis(pause_ms.min(1000))).await;
    }
    Said::here(format!("{count} steps"))
}

#[derive(Form)]
struct Confirmation {
    /// How many of them.
    #[form(min = 1, max = 8)]
    portions: i64,
}

/// Orders a dish, once the person has said how many.
#[tool]
async fn order(
    /** the dish */
    dish: String,
    ctx: Context,
) -> std::result::Result<Said, AskError> {
    let answer = ctx.elicit::<Confirmation>(format!("How many portions of {dish}?")).await?;
    Ok(Said::here(match answer {
        Elicited::Accepted(Confirmation { portions }) => Some(format!("{portions} x {dish}")),
        Elicited::Declined | Elicited::Cancelled => None,
    }))
}

/// Has the client's model shorten a text.
#[tool]
async fn shorten(
    /** the text */
    text: String,
    ctx: Context,
) -> std::result::Result<Said, AskError> {
    let sampled = ctx.sample(&Sampling::new(100).user(format!("Shorten: {text}"))).await?;
    Ok(Said::here(sampled.text()))
}

/// Writes on the user's board, which all sessions of the user see.
#[tool]
async fn write(
    /** what to write there */
    text: String,
    ctx: Context,
) -> std::result::Result<Said, StateError> {
    ctx.user_session()?.set("board", &text).await?;
    ctx.resource_updated("board://mine");
    Ok(Said::here(text))
}

/// The user's board.
#[resource("board://mine", mime_type = "text/plain")]
async fn board(ctx: Context) -> std::result::Result<String, StateError> {
    Ok(ctx.user_session()?.get::<String>("board").await?.unwrap_or_default())
}

#[tokio::main]
async fn main() -> Result<()> {
    let tokens = (0..USERS).fold(StaticTokens::new(), |tokens, user| {
        tokens.token(&format!("demo-{user}"), Principal::user("demo", user.to_string()))
    });
    let server = Server::new("replicated")
        .authenticate(tokens)
        .tool(echo)
        .tool(remember)
        .tool(recall)
        .tool(steps)
        .tool(order)
        .tool(shorten)
        .tool(write)
        .resource(board);
    larder_examples::serve(server).await
}
