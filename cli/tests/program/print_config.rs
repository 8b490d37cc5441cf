//! What to paste into clients.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Client, Home, done, stderr};

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

/// The server in the configuration that is printed for `client`, and what is said beside it.
fn printed(mut command: Command, client: &str) -> (Value, String) {
    let output = command.args(["--print-config", client]).output().unwrap();
    let config: Value = serde_json::from_str(&done(&output)).unwrap();
    let servers = if client == "vscode" { "servers" } else { "mcpServers" };
    (config[servers]["larder"].clone(), stderr(&output))
}

#[test]
fn a_configuration_hands_on_what_the_client_does_not() {
    for client in CLIENTS {
        let home = Home::new();
        let mut command = home.larder(["serve"]);
        command
            .env("LARDER_CACHE_TTL", "2s")
            .env("LARDER_JSON_LOGS", "true")
            .env("XDG_RUNTIME_DIR", home.path("run"));
        let (server, said) = printed(command, client);
        let path = |below: &str| home.path(below).to_str().unwrap().to_owned();
        let expected = json!({
            "XDG_DATA_HOME": path("data"), "XDG_CONFIG_HOME": path("config"), "XDG_RUNTIME_DIR": path("run"),
        });
        assert_eq!((&server["env"], &*said), (&expected, ""), "{client}");
        assert_eq!(server["args"], json!(["serve", "--cache-ttl", "2000ms", "--json-logs"]), "{client}");
        // As the client starts it: nothing in its environment but that, and the same store.
        let mut started = Command::new(server["command"].as_str().unwrap());
        started.args(strings(&server["args"])).env_clear().env("HOME", home.path("")).stdout(Stdio::piped());
        started
            .envs(expected.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap())));
        let mut of_client = Client::start(started);
        of_client.call("remember", &json!({ "id": "a", "text": "tea" }));
        assert!(of_client.end().success());
        let mut here = Client::start(home.larder(["serve"]));
        assert_eq!(
            here.call("recall", &json!({ "id": "a" }))["structuredContent"]["text"],
            "tea",
            "{client}"
        );
    }
}

fn strings(array: &Value) -> impl Iterator<Item = &str> {
    array.as_array().unwrap().iter().map(|item| item.as_str().unwrap())
}

#[test]
fn a_key_in_the_environment_is_told_of_and_never_printed() {
    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let home = Home::new();
    for client in CLIENTS {
        let with_key = |arguments: &[&str]| {
            let mut command = home.larder(["serve"]);
            command.args(arguments).env("LARDER_KEY", KEY);
            let (server, said) = printed(command, client);
            assert!(!server.to_string().contains(KEY) && !said.contains(KEY), "{client}");
            assert_eq!(server["env"]["LARDER_KEY"], Value::Null, "{client}");
            said
        };
        let said = with_key(&[]);
        assert!(said.contains("LARDER_KEY") && said.contains("config/larder/larder.key"), "{client}: {said}");
        let said = with_key(&["--store", "redis://host/0?encrypt=aead"]);
        assert!(said.contains("LARDER_KEY") && said.contains("key_file="), "{client}: {said}");
        assert_eq!(with_key(&["--store", "disk:///srv/m"]), "", "a store in the clear needs no key");
    }
}

#[test]
fn a_variable_that_holds_the_url_is_handed_on_unless_it_holds_a_password() {
    let home = Home::new();
    for client in CLIENTS {
        for (url, shown) in [("redis://host/0", true), ("redis://:hunter2@host/0", false)] {
            let mut command = home.larder(["serve", "--store", "$MEMORY"]);
            command.env("MEMORY", url);
            let (server, said) = printed(command, client);
            assert_eq!(server["args"], json!(["serve", "--store", "$MEMORY"]));
            assert_eq!(server["env"]["MEMORY"], if shown { json!(url) } else { Value::Null }, "{client}");
            assert_eq!(
                (said.contains("MEMORY"), said.contains("hunter2")),
                (!shown, false),
                "{client}: {said}"
            );
        }
    }
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
    std::fs::write(home.path("url"), "disk:here").unwrap();
    for (url, told) in [
        ("disk:here", "here"),
        ("@url", "the file url"),
        ("$URL", "the variable URL"),
        ("disk:///m?encrypt=aead&key_file=here", "here"),
        ("redis://host/0?password_file=here", "here"),
        ("redsi://host/0", "redsi"),
        ("/srv/memory", "--store"),
    ] {
        let mut command = home.larder(["serve", "--store", url, "--print-config", "cursor"]);
        let refused = command.env("URL", "disk:here").output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{url}: {}", stderr(&refused));
        assert!(
            stderr(&refused).contains(told) && !stderr(&refused).contains("secret"),
            "{}",
            stderr(&refused)
        );
    }
    std::fs::write(home.path("url"), "disk:///srv/m").unwrap();
    let file: Value =
        serde_json::from_str(&done(&home.run(["serve", "--store", "@url", "--print-config", "cursor"])))
            .unwrap();
    let argument = file["mcpServers"]["larder"]["args"][2].as_str().unwrap().to_owned();
    assert!(argument.starts_with("@/") && argument.ends_with("/url"), "{argument}");
}
