//! The README's program and its dependencies: what stands there is what is built and answers here.

use serde_json::json;

// Its `main` is not run: the port may not be free.
include!("readme/program.rs");

const README: &str = include_str!("../../README.md");

/// The first block of this language.
fn block(language: &str) -> &'static str {
    let (_, block) = README.split_once(&format!("```{language}\n")).expect("a block");
    block.split_once("```").expect("its end").0
}

#[test]
fn the_program_of_the_readme_is_the_one_that_is_tested_here() {
    let shown = block("rust,no_run");
    assert_eq!(shown, include_str!("readme/program.rs"));
    let lines = shown.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 15, "{lines} lines");
}

#[tokio::test]
async fn the_program_of_the_readme_adds_and_says_what_it_is_for() {
    let server = Server::new("calc").tool(add).resource(about);
    let client = server.test_client().expect("it is complete");
    let sum = client.call_tool("add", json!({ "a": 2, "b": 3 })).await.expect("a sum");
    assert_eq!(sum["structuredContent"], json!(5.0));
    let about = client.read_resource("about://server").await.expect("a text");
    assert_eq!(about["contents"][0]["text"], "It adds numbers.");
    let list = client.request("tools/list", json!({})).await.expect("a list");
    let add = &list["tools"][0];
    assert_eq!(add["description"], "Adds two numbers.");
    assert_eq!(add["inputSchema"]["properties"]["b"]["description"], "the second");
}

/// The dependencies of a manifest: their names, and the features that are asked for.
fn dependencies(manifest: &str) -> Vec<(&str, &str)> {
    let (_, listed) = manifest.split_once("[dependencies]\n").expect("dependencies");
    let lines = listed.lines().take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty());
    let parts = lines.map(|line| {
        let name = line.split([' ', '.']).next().unwrap_or_default();
        let features = line.split_once("features = [").and_then(|(_, rest)| rest.split_once(']'));
        (name, features.map_or("", |(features, _)| features))
    });
    parts.collect()
}

/// `examples/hello` is built with its dependencies alone, so what it needs is all that such a program needs.
#[test]
fn the_dependencies_in_the_readme_are_those_of_the_hello_server() {
    let shown = block("toml");
    assert_eq!(dependencies(shown), dependencies(include_str!("../hello/Cargo.toml")));
    let (_, path) = shown.split_once("path = \"../larder/").expect("a path beside the clone");
    let path = path.split('"').next().expect("its end");
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).join("Cargo.toml");
    assert!(manifest.exists(), "{}", manifest.display());
}
