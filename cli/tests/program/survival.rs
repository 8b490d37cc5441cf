//! What was remembered is there after the end of the process, however it came.

use std::fs;

use serde_json::json;

use crate::support::{Client, Home, Server, done};

#[test]
fn memories_outlive_a_client_and_are_encrypted_on_disk() {
    let home = Home::new();
    let mut client = Client::start(home.larder(["serve"]));
    client.call("remember", &json!({ "text": "Ann likes marzipan", "id": "ann" }));
    assert!(client.end().success());
    let mut client = Client::start(home.larder(["serve"]));
    assert_eq!(
        client.call("recall", &json!({ "id": "ann" }))["structuredContent"]["text"],
        "Ann likes marzipan"
    );
    assert!(client.end().success());
    assert!(home.path("config/larder/larder.key").exists());
    let mut files = vec![home.store()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        assert!(
            !bytes.windows(8).any(|window| window == b"marzipan"),
            "{} holds it in the clear",
            path.display()
        );
    }
}

#[test]
fn a_client_that_does_not_read_the_log_is_answered_all_the_same() {
    const CALLS: usize = 2_000; // a pipe holds 64 KiB, and each is logged by 100 bytes and more
    let home = Home::new();
    let mut client = Client::deaf(home.larder(["serve", "--store", "memory://"]));
    for call in 0..CALLS {
        let answer = client.request("tools/call", &json!({ "name": "recall", "arguments": { "id": "x" } }));
        assert!(answer["result"].is_object(), "call {call}: {answer}");
    }
    assert!(client.end().success());
}

#[test]
fn what_was_remembered_over_stdio_survives_a_kill() {
    let home = Home::new();
    for round in 0..3 {
        let mut client = Client::start(home.larder(["serve"]));
        for before in 0..round {
            let recalled = client.call("recall", &json!({ "id": format!("r{before}") }));
            assert_eq!(recalled["structuredContent"]["text"], "kept", "round {round}");
        }
        client.call("remember", &json!({ "text": "kept", "id": format!("r{round}") }));
        client.kill();
    }
}

#[test]
fn what_was_remembered_over_http_survives_a_kill() {
    let home = Home::new();
    let start = || Server::start(home.larder(["serve", "--http", "127.0.0.1:0", "--json-logs"]));
    let server = start();
    server.call("remember", &json!({ "text": "kept", "id": "x" }));
    server.kill();
    let server = start();
    assert_eq!(server.call("recall", &json!({ "id": "x" }))["structuredContent"]["text"], "kept");
    let found = server.call("search", &json!({ "query": "kept" }));
    assert_eq!(found["structuredContent"]["memories"][0]["id"], "x");
}

#[test]
fn a_memory_store_forgets_and_leaves_no_trace() {
    let home = Home::new();
    let mut client = Client::start(home.larder(["serve", "--store", "memory://"]));
    client.call("remember", &json!({ "text": "gone", "id": "x" }));
    assert!(client.end().success());
    assert!(!home.path("data").exists() && !home.path("config").exists());
}

#[test]
fn memories_move_from_store_to_store_by_export_and_import() {
    let home = Home::new();
    let mut client = Client::start(home.larder(["serve"]));
    client.call("remember", &json!({ "text": "moved", "id": "x", "tags": ["t"] }));
    assert!(client.end().success());
    let exported = home.run(["kv", "export", "default"]);
    assert!(String::from_utf8_lossy(&exported.stderr).contains("decrypted"));
    done(&home.run_with(["kv", "import", "disk:other"], &exported.stdout));
    let mut client = Client::start(home.larder(["serve", "--store", "disk:other"]));
    let recalled = client.call("recall", &json!({ "id": "x" }));
    assert_eq!(recalled["structuredContent"]["text"], "moved");
    assert_eq!(recalled["structuredContent"]["tags"][0], "t");
}
