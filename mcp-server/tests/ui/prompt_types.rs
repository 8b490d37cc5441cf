//! Types that are no argument and no messages.

use mcp_server::prompt;

struct Topic;

#[prompt]
fn argument(topic: Topic) -> String {
    String::new()
}

#[prompt]
fn messages() -> Topic {
    Topic
}

#[prompt(read_only)]
fn unknown_option() -> String {
    String::new()
}

fn main() {}
