//! What the person cannot be asked for.

use mcp_server::{Asked, Form, tool};

#[derive(Form)]
struct Confirm {
    sure: bool,
}

#[tool]
async fn no_form(#[arg(ask = "How many?")] guests: Asked<u32>) {}

#[tool]
async fn not_asked(#[arg(ask = "How many?")] guests: u32) {}

#[tool]
async fn not_shown(rooms: Vec<String>, #[arg(ask = "Book {rooms}?")] ok: Asked<Confirm>) {}

fn main() {}
