//! Headers that no argument can be repeated in.

use mcp_server::{prompt, resource, tool};

#[tool]
fn unnamed(#[arg(header = "")] region: String) {}

#[tool]
fn misnamed(#[arg(header = "My Region")] region: String) {}

#[tool]
fn fraction(#[arg(header = "Score")] score: Option<f64>) {}

#[tool]
fn several(#[arg(header = "Tags")] tags: Vec<String>) {}

#[tool]
fn parts(#[arg(header = "Place")] place: (f64, f64)) {}

#[tool]
fn one_for_two(#[arg(header = "Region")] from: String, #[arg(header = "REGION")] to: String) {}

#[tool]
fn twice(#[arg(header = "A", header = "B")] region: String) {}

#[tool]
fn no_text(#[arg(header = 7)] region: String) {}

#[tool]
fn given(#[arg(header = "Context")] context: mcp_server::Context) {}

#[prompt]
fn in_a_prompt(#[arg(header = "Region")] region: String) -> String {
    region
}

#[resource("region://{region}")]
fn in_a_resource(#[arg(header = "Region")] region: String) -> String {
    region
}

fn main() {}
