//! What to paste into an MCP client.

mod environment;

use std::env;
use std::io::{Write as _, stderr, stdout};
use std::path::absolute;

use kv_core::StoreUrl;
use larder::platform::System;
use serde_json::{Map, Value, json};

use self::environment::Environment;
use super::{Client, ServeSettings};
use crate::settings::Level;
use crate::url_argument::UrlArgument;
use crate::{Failure, store};

pub(super) fn print(client: Client, settings: &ServeSettings) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&config(client, settings)?).unwrap_or_default();
    writeln!(stdout().lock(), "{text}")
        .map_err(|error| Failure::new("stdout cannot be written").because(error))
}

fn config(client: Client, settings: &ServeSettings) -> Result<Value, Failure> {
    let server = match settings.address() {
        Some(address) => over_http(client, address)?,
        None => over_stdio(client, settings)?,
    };
    let servers = if client == Client::Vscode { "servers" } else { "mcpServers" };
    Ok(json!({ servers: { "larder": server } }))
}

fn over_http(client: Client, address: &str) -> Result<Value, Failure> {
    if address.starts_with(super::SOCKET) {
        return Err(Failure::usage(
            "MCP clients take a URL and no Unix socket: leave out --http (and LARDER_HTTP), or serve an address",
        ));
    }
    let url = format!("http://{}/mcp", reachable(address));
    match client {
        Client::ClaudeDesktop => Err(Failure::usage(
            "claude-desktop starts its servers itself: leave out --http (and LARDER_HTTP), or add the URL as a \
             connector in its settings",
        )),
        Client::ClaudeCode | Client::Vscode => Ok(json!({ "type": "http", "url": url })),
        Client::Cursor => Ok(json!({ "url": url })),
    }
}

/// An address that stands for all of the machine's is reached by the loopback one.
fn reachable(address: &str) -> String {
    let port = address.rsplit_once(':').map_or("8000", |(_, port)| port);
    match address.strip_suffix(port) {
        Some("0.0.0.0:" | "[::]:") => format!("127.0.0.1:{port}"),
        _ => address.to_owned(),
    }
}

fn over_stdio(client: Client, settings: &ServeSettings) -> Result<Value, Failure> {
    let program = env::current_exe()
        .map_err(|error| Failure::new("this program does not find itself").because(error))?;
    let mut server = Map::new();
    if matches!(client, Client::ClaudeCode | Client::Vscode) {
        server.insert("type".to_owned(), json!("stdio"));
    }
    server.insert("command".to_owned(), json!(program.to_string_lossy()));
    server.insert("args".to_owned(), json!(arguments(settings)?));
    let Environment { variables, notes } = Environment::of(&System, given_store(settings))?;
    if !variables.is_empty() {
        server.insert("env".to_owned(), Value::Object(variables));
    }
    for note in notes {
        drop(writeln!(stderr().lock(), "{note}")); // a closed stderr hears nothing
    }
    Ok(Value::Object(server))
}

/// An empty variable is none.
fn given_store(settings: &ServeSettings) -> Option<&UrlArgument> {
    settings.store.as_ref().filter(|store| !store.as_given().is_empty())
}

/// What differs from the defaults, so that the client's server does what this one would.
fn arguments(settings: &ServeSettings) -> Result<Vec<String>, Failure> {
    let mut arguments = vec!["serve".to_owned()];
    if let Some(store) = given_store(settings) {
        arguments.extend(["--store".to_owned(), store_argument(store)?]);
    }
    if !settings.cache_ttl.is_zero() {
        arguments.extend(["--cache-ttl".to_owned(), format!("{}ms", settings.cache_ttl.as_millis())]);
    }
    if settings.logs.log_level != Level::Info {
        arguments.extend(["--log-level".to_owned(), settings.logs.log_level.to_string()]);
    }
    if settings.logs.json_logs {
        arguments.push("--json-logs".to_owned());
    }
    Ok(arguments)
}

/// Clients start servers in a directory of their own, and keep their configuration in plain sight.
fn store_argument(argument: &UrlArgument) -> Result<String, Failure> {
    check_url(argument)?;
    if !argument.is_showable() {
        return Err(Failure::usage(
            "the store's URL holds a secret: write it into a file of mode 0600 and give --store @FILE",
        ));
    }
    if let Some(file) = argument.file() {
        let file = absolute(file).map_err(|error| Failure::new("the path of --store").because(error))?;
        return Ok(format!("@{}", file.display()));
    }
    Ok(argument.as_given().to_owned())
}

/// What the server would stumble over. A file or variable that is not there yet is none of it.
fn check_url(argument: &UrlArgument) -> Result<(), Failure> {
    let points = argument.file().is_some() || argument.variable().is_some();
    let text = match argument.resolve(ServeSettings::STORE) {
        Err(_) if points => return Ok(()),
        text => text?,
    };
    let place = argument.place(ServeSettings::STORE);
    let url = StoreUrl::parse(&text)
        .map_err(|error| Failure::usage(format!("{place} holds no store URL")).because(error))?;
    if !larder::schemes().any(|known| known == url.scheme()) {
        return Err(Failure::usage(format!(
            "this program knows no store of {}: change {place}",
            url.scheme()
        )));
    }
    let reserved = url.reserved();
    let directory = if store::is_directory(&text) { url.directory().ok() } else { None };
    let paths = [directory, reserved.key_file.clone(), reserved.password_file.clone()];
    match paths.into_iter().flatten().find(|path| path.is_relative()) {
        Some(path) => Err(Failure::usage(format!(
            "clients start servers in a directory of their own: write {} as an absolute path, such as disk:///.., in {place}",
            path.display()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn an_address_of_all_interfaces_is_reached_by_loopback() {
        assert_eq!(reachable("0.0.0.0:8000"), "127.0.0.1:8000");
        assert_eq!(reachable("[::]:80"), "127.0.0.1:80");
        assert_eq!(reachable("127.0.0.1:8000"), "127.0.0.1:8000");
        assert_eq!(reachable("mcp.example:443"), "mcp.example:443");
    }
}
