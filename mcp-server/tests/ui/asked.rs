//! Questions that nobody could be asked, or that would be no question.

use mcp_server::{Asked, Context, Elicited, Form, prompt, resource, tool};

#[derive(Form)]
struct Confirm {
    sure: bool,
}

#[tool]
async fn without_question(ok: Asked<Confirm>) {}

#[tool]
async fn empty_question(#[arg(ask = " ")] ok: Asked<Confirm>) {}

#[tool]
async fn no_text(#[arg(ask = 7)] ok: Asked<Confirm>) {}

#[tool]
async fn unknown_name(room: String, #[arg(ask = "Book {rom}?")] ok: Asked<Confirm>) {}

#[tool]
async fn names_nothing(
    /// Use { as it is?
    ok: Asked<Confirm>,
) {
}

#[tool]
async fn names_by_place(room: String, #[arg(ask = "Book {}?")] ok: Asked<Confirm>) {}

#[tool]
async fn names_what_the_server_gives(ctx: Context, #[arg(ask = "Go on, {ctx}?")] ok: Asked<Confirm>) {}

#[tool]
async fn optional(#[arg(ask = "Sure?")] ok: Option<Asked<Confirm>>) {}

#[tool]
async fn several(ok: Vec<Asked<Elicited<Confirm>>>) {}

#[tool]
async fn with_default(#[arg(ask = "Sure?", default)] ok: Asked<Confirm>) {}

#[tool]
async fn renamed(#[arg(ask = "Sure?", rename = "sure")] ok: Asked<Confirm>) {}

#[tool]
async fn twice(#[arg(ask = "Sure?", ask = "Really?")] ok: Asked<Confirm>) {}

#[tool(cache = "60s", public)]
async fn for_everybody(#[arg(ask = "Sure?")] ok: Asked<Confirm>) {}

#[prompt]
async fn completed(#[arg(ask = "Sure?", complete = ["yes"])] ok: Asked<Confirm>) -> String {
    String::new()
}

#[resource("plan://{ok}")]
async fn in_the_uri(#[arg(ask = "Sure?")] ok: Asked<Confirm>) -> String {
    String::new()
}

fn main() {}
