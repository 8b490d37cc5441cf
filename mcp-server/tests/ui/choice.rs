//! Enums that are no choice.

use mcp_server::Choice;

#[derive(Choice)]
struct NotAnEnum;

#[derive(Choice)]
enum Nothing {}

#[derive(Choice)]
enum WithFields {
    One(u8),
}

#[derive(Choice)]
enum Generic<T> {
    One(T),
}

#[derive(Choice)]
#[choice(rename_all = "Train-Case")]
enum Notation {
    One,
}

#[derive(Choice)]
#[choice(title = "x")]
enum UnknownAbove {
    One,
}

#[derive(Choice)]
enum Unknown {
    #[choice(name = "one")]
    One,
}

#[derive(Choice)]
enum Twice {
    #[choice(value = "a", value = "b")]
    One,
}

#[derive(Choice)]
enum Same {
    One,
    #[choice(value = "One")]
    Two,
}

fn main() {
    let _ = Generic::<u8>::options();
}
