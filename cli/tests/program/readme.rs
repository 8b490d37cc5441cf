//! The README's first command and the `curl` beneath it, run as they stand there.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Home, Server, done, has_curl};

const README: &str = include_str!("../../../README.md");
/// Where the README's server listens; here it is a free port.
const ADDRESS: &str = "127.0.0.1:8000";

/// The blocks of shell commands between two headings, in their order.
fn shell_blocks(from: &str, to: &str) -> Vec<&'static str> {
    let (_, part) = README.split_once(from).unwrap();
    let (part, _) = part.split_once(to).unwrap();
    part.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0.trim()).collect()
}

#[test]
fn what_the_readme_shows_first_keeps_a_memory() {
    if !has_curl() {
        return;
    }
    let blocks = shell_blocks("**Run something useful**", "**Pass all tests**");
    let [command, curl] = blocks[..] else { panic!("{blocks:?}") };
    let arguments = command.strip_prefix("cargo run --release -p larder-cli -- ").unwrap();
    assert!(arguments.contains(ADDRESS) && curl.contains(ADDRESS));
    let home = Home::new();
    let mut larder = home.larder([]);
    larder.args(arguments.replace(ADDRESS, "127.0.0.1:0").split(' ')).arg("--json-logs");
    let server = Server::start(larder);
    let output = Command::new("sh").args(["-c", &curl.replace(ADDRESS, &server.address)]).output().unwrap();
    let answer: Value = serde_json::from_str(&done(&output)).unwrap();
    let kept = &answer["result"]["structuredContent"];
    let recalled = server.call("recall", &json!({ "id": kept["id"] }));
    assert_eq!(recalled["structuredContent"]["text"], "The spare key is under the mat.", "{answer}");
    assert_eq!(recalled["structuredContent"]["tags"], json!(["home"]));
}
