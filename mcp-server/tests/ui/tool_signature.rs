//! Functions that cannot be tools.

use mcp_server::{Context, tool};

#[tool]
async fn has_self(&self) {}

#[tool]
async fn generic<T>(value: T) {}

#[tool]
async fn lifetime<'a>(text: &'a str) {}

#[tool]
async fn has_where(text: String)
where
    String: Clone,
{
}

#[tool]
unsafe fn is_unsafe() {}

#[tool]
extern "C" fn is_extern() {}

#[tool]
const fn is_const() {}

#[tool]
fn variadic(many: ...) {}

#[tool]
async fn pattern((a, b): (u8, u8), _: u8) {}

#[tool]
async fn implements(text: impl ToString) -> impl ToString {
    text.to_string()
}

#[tool]
async fn borrowed(text: &str, numbers: &[u8], context: &Context, inner: Option<&String>) {}

#[tool]
async fn cow(text: std::borrow::Cow<'_, str>) {}

#[tool]
fn grüße() {}

#[tool]
struct NotAFunction;

fn main() {}
