//! Flags, variables, help, completions, and what to paste into clients.

use serde_json::{Value, json};

use crate::support::{Client, Home, Server, done, handshake, stderr};

const CLIENTS: [&str; 4] = ["claude-desktop", "claude-code", "cursor", "vscode"];

#[test]
fn a_printed_configuration_is_json_that_starts_this_program() {
    let home = Home::new();
    for client in CLIENTS {
        let text =
            done(&home.run(["serve", "--store", "disk:///srv/m?encrypt=aead", "--print-config", client]));
        let config: Value = serde_json::from_str(&text).unwrap();
        let servers = if client == "vscode" { "servers" } else { "mcpServers" };
        let server = &config[servers]["larder"];
        assert_eq!(server["args"], json!(["serve", "--store", "disk:///srv/m?encrypt=aead"]), "{text}");
        let program = server["command"].as_str().unwrap();
        assert_eq!(
            std::fs::canonicalize(program).unwrap(),
            std::fs::canonicalize(env!("CARGO_BIN_EXE_larder")).unwrap()
        );
    }
    assert!(!home.path("data").exists(), "printing opens no store");
}

#[test]
fn the_program_starts_as_the_printed_configuration_says() {
    let home = Home::new();
    let text = done(&home.run([
        "serve",
        "--cache-ttl",
        "2s",
        "--log-level",
        "warn",
        "--print-config",
        "claude-code",
    ]));
    let server = serde_json::from_str::<Value>(&text).unwrap()["mcpServers"]["larder"].clone();
    let mut command = home.larder([]);
    command.args(server["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()));
    assert!(Client::start(command).end().success());
}

#[test]
fn a_configuration_for_http_holds_the_url() {
    let home = Home::new();
    for (client, pointer) in [
        ("claude-code", "/mcpServers/larder/url"),
        ("cursor", "/mcpServers/larder/url"),
        ("vscode", "/servers/larder/url"),
    ] {
        let text = done(&home.run(["serve", "--http", "0.0.0.0:8000", "--print-config", client]));
        let config: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config.pointer(pointer), Some(&json!("http://127.0.0.1:8000/mcp")), "{text}");
    }
    let refused = home.run(["serve", "--http", "127.0.0.1:8000", "--print-config", "claude-desktop"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--http"));
}

#[test]
fn an_empty_variable_is_none_in_a_configuration_too() {
    let home = Home::new();
    let mut command = home.larder(["serve", "--print-config", "claude-desktop"]);
    command.env("LARDER_HTTP", "").env("LARDER_LOG_LEVEL", "").env("LARDER_STORE", "");
    let printed = done(&command.output().unwrap());
    assert!(printed.contains("\"serve\""), "{printed}");
    assert!(["url", "--store", "--log-level"].iter().all(|word| !printed.contains(word)), "{printed}");
}

#[test]
fn a_configuration_holds_neither_secrets_nor_relative_directories() {
    let home = Home::new();
    let secret = home.run(["serve", "--store", "redis://:hunter2@host", "--print-config", "cursor"]);
    assert_eq!(secret.status.code(), Some(2));
    assert!(stderr(&secret).contains("@FILE") && !stderr(&secret).contains("hunter2"), "{}", stderr(&secret));
    let relative = home.run(["serve", "--store", "disk:here", "--print-config", "cursor"]);
    assert_eq!(relative.status.code(), Some(2));
    let file: Value =
        serde_json::from_str(&done(&home.run(["serve", "--store", "@url", "--print-config", "cursor"])))
            .unwrap();
    let argument = file["mcpServers"]["larder"]["args"][2].as_str().unwrap().to_owned();
    assert!(argument.starts_with("@/") && argument.ends_with("/url"), "{argument}");
}

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
        (&["serve", "--cache-ttl", "soon"], "--cache-ttl"),
        (&["serve", "--log-level", "loud"], "--log-level"),
    ] {
        let output = home.larder([]).args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
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
    }
}

#[test]
fn a_near_tier_is_built_in() {
    let home = Home::new();
    let tried = home.run(["doctor", "redis://127.0.0.1:1?near=5s&retry=0&timeout=5s"]);
    assert!(!tried.status.success() && !stderr(&tried).contains("lacks the feature"), "{}", stderr(&tried));
    assert!(stderr(&tried).contains("127.0.0.1:1"), "it came as far as connecting: {}", stderr(&tried));
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
