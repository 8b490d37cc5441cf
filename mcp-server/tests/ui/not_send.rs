//! A future that cannot move between threads, as a server's futures do.

use std::rc::Rc;

use mcp_server::{prompt, resource, tool};

async fn pause() {}

#[tool]
async fn count() -> u8 {
    let shared = Rc::new(1);
    pause().await;
    *shared
}

#[resource("count://now")]
async fn counted() -> String {
    let shared = Rc::new(1);
    pause().await;
    shared.to_string()
}

#[prompt]
async fn counting() -> String {
    let shared = Rc::new(1);
    pause().await;
    shared.to_string()
}

fn main() {}
