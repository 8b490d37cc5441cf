//! A future that cannot move between threads, as a server's futures do.

use std::rc::Rc;

use mcp_server::tool;

async fn pause() {}

#[tool]
async fn count() -> u8 {
    let shared = Rc::new(1);
    pause().await;
    *shared
}

fn main() {}
