//! What cannot complete an argument.

use mcp_server::{prompt, tool};

fn length(value: &str) -> usize {
    value.len()
}

fn takes_nothing() -> Vec<String> {
    Vec::new()
}

#[prompt]
fn one(#[arg(complete = "python")] language: String) -> String {
    language
}

#[prompt]
fn none(#[arg(complete = [])] language: String) -> String {
    language
}

#[prompt]
fn numbers(#[arg(complete = [1, 2])] language: String) -> String {
    language
}

#[prompt]
fn not_values(#[arg(complete = length)] language: String) -> String {
    language
}

#[prompt]
fn not_of_the_value(#[arg(complete = takes_nothing)] language: String) -> String {
    language
}

#[tool]
fn of_a_tool(#[arg(complete = ["python"])] language: String) -> String {
    language
}

fn main() {}
