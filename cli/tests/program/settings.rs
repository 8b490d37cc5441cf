//! Flags, variables, help and completions.

use serde_json::json;

use crate::support::{Client, Home, Server, done, handshake, stderr, stdout};

#[test]
fn every_setting_also_comes_from_its_variable() {
    let home = Home::new();
    let mut command = home.larder(["serve"]);
    command.env("LARDER_STORE", "memory://").env("LARDER_HTTP", "127.0.0.1:0").env("LARDER_JSON_LOGS", "yes");
    command
        .env("LARDER_ALLOW_HOST", "one.example,two.example")
        .env("LARDER_ALLOW_ORIGIN", "https://app.example");
    command.env("LARDER_LOG_LEVEL", "info").env("LARDER_CACHE_TTL", "1s").env("LARDER_ANY_HOST", "false");
    let server = Server::start(command);
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": handshake() });
    let status = |host: &str| server.post(host, &[("Origin", "https://app.example")], &initialize).0;
    assert_eq!((status("one.example"), status("two.example"), status("three.example")), (200, 200, 403));
    assert!(!home.path("data").exists());
}

#[test]
fn a_flag_goes_before_its_variable_and_an_empty_variable_is_none() {
    let home = Home::new();
    let mut command = home.larder(["serve", "--store", "memory://"]);
    command.env("LARDER_STORE", "disk:elsewhere");
    let mut client = Client::start(command);
    client.call("remember", &json!({ "text": "x" }));
    drop(client);
    assert!(!home.path("elsewhere").exists());
    let mut command = home.larder(["serve"]);
    for name in ["STORE", "HTTP", "CACHE_TTL", "ALLOW_HOST", "ANY_HOST", "ALLOW_ORIGIN", "JSON_LOGS"] {
        command.env(format!("LARDER_{name}"), "");
    }
    assert!(Client::start(command).end().success());
    assert!(home.store().exists());
}

#[test]
fn a_wrong_setting_names_its_flag() {
    let home = Home::new();
    for (arguments, named) in [
        (&["serve", "--store", "nowhere://"] as &[&str], "--store"),
        (&["serve", "--store", "memory://?on_full=evict&max_entries=9"], "on_full=evict from --store"),
        (&["serve", "--http", "nonsense"], "--http"),
        (&["serve", "--http", "127.0.0.1:99999"], "--http"),
        (&["serve", "--http", "127.0.0.1:+80"], "--http"),
        (&["serve", "--http", "nonsense", "--print-config", "cursor"], "--http"),
        (&["serve", "--store", "memory://", "--allow-host", "http://foo/"], "--allow-host"),
        (&["serve", "--store", "memory://", "--allow-origin", "foo"], "--allow-origin"),
        (&["serve", "--store", "memory://", "--allow-origin", "https://foo.example:443"], "--allow-origin"),
        (&["serve", "--cache-ttl", "soon"], "--cache-ttl"),
        (&["serve", "--cache-ttl", "1000000d"], "--cache-ttl"),
        (&["bench", "memory://", "--value", "999999999999"], "--value"),
        (&["serve", "--log-level", "loud"], "--log-level"),
    ] {
        let output = home.larder([]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_shows_examples_and_every_variable_but_no_secret() {
    let home = Home::new();
    let top = done(&home.run(["--help"]));
    assert!(["Examples:", "serve", "kv", "completions"].iter().all(|word| top.contains(word)), "{top}");
    let mut command = home.larder(["serve", "--help"]);
    let serve = done(&command.env("LARDER_STORE", "redis://:hunter2@host").output().unwrap());
    for variable in
        ["STORE", "HTTP", "CACHE_TTL", "ALLOW_HOST", "ANY_HOST", "ALLOW_ORIGIN", "LOG_LEVEL", "JSON_LOGS"]
    {
        assert!(serve.contains(&format!("LARDER_{variable}")), "{variable}");
    }
    assert!(!serve.contains("hunter2"));
    for command in ["get", "put", "delete", "list", "export", "import", "rotate-key", "stats"] {
        assert!(done(&home.run(["kv", command, "--help"])).contains("<URL>"), "{command}");
    }
    assert!(done(&home.run(["doctor", "--help"])).contains("<URL>"));
    assert!(done(&home.run(["bench", "--help"])).contains("<URL>..."));
    assert!(done(&home.run(["kv", "copy", "--help"])).contains("<SRC> <DST>"));
}

#[test]
fn the_help_of_kv_names_every_kind_of_server_that_the_program_opens() {
    const ALWAYS: &[&str] = &[
        "redis",
        "rediss",
        "redis+cluster",
        "redis+sentinel",
        "valkey",
        "memcached",
        "elasticsearch",
        "opensearch",
    ];
    let home = Home::new();
    let help = done(&home.run(["kv", "--help"]));
    for scheme in ALWAYS.iter().chain(&["dynamodb", "mongodb", "rocksdb"]) {
        assert!(help.contains(&format!("`{scheme}:")), "{scheme}: {help}");
        let told = stderr(&home.run(["kv", "get", &format!("{scheme}://x?no_such_parameter=1"), "c", "id"]));
        let is_built = ALWAYS.contains(scheme) || cfg!(feature = "full");
        assert_eq!(told.contains("needs the feature"), !is_built, "{scheme}: {told}");
        let remedy = "cargo install larder-cli --features full";
        assert_eq!(told.contains(remedy), !is_built, "{scheme}: {told}");
    }
}

#[test]
fn a_near_tier_is_built_in() {
    let home = Home::new();
    let tried = home.run(["doctor", "redis://127.0.0.1:1?near=5s&retry=0&timeout=5s"]);
    assert!(!tried.status.success() && !stderr(&tried).contains("lacks the feature"), "{}", stderr(&tried));
    assert!(stdout(&tried).contains("127.0.0.1:1"), "it came as far as connecting: {}", stdout(&tried));
}

#[test]
fn completions_are_made_for_every_shell() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = done(&home.run(["completions", shell]));
        assert!(script.contains("larder") && script.contains("print-config"), "{shell}");
    }
}

#[test]
fn stdout_carries_messages_only_whatever_is_logged() {
    let home = Home::new();
    let mut client = Client::start(home.larder(["serve", "--store", "memory://", "--log-level", "trace"]));
    client.call("list", &json!({})); // the client refuses every line that is no message
    assert!(client.end().success());
}
