//! `#[arg(..)]` that does not fit.

use mcp_server::{Context, State, tool};

#[tool]
fn unknown(#[arg(defualt = 1)] a: u8) {}

#[tool]
fn twice(#[arg(default = 1, default = 2)] a: u8) {}

#[tool]
fn given(#[arg(default = 1)] context: Context, #[arg(rename = "x")] state: State<u8>) {}

#[tool]
fn same(#[arg(rename = "b")] a: u8, b: u8) {}

#[tool]
fn depends(#[cfg(unix)] a: u8) {}

fn main() {}
