//! `larder serve`.

mod owner;
mod print_config;

use std::fmt;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kv_core::{AnyStore, Store, parse_duration};
use larder::encrypt::KeyRing;
use larder::platform::Platform;
use mcp_server::{Server, Service};
use tokio::net::TcpListener;

use crate::settings::{LogSettings, truth};
use crate::url_argument::UrlArgument;
use crate::{Failure, logging, memory, store};

pub(crate) use owner::Owner;

const EXAMPLES: &str = "\
Examples:
  larder serve                                        on stdio: MCP clients start it so
  larder serve --print-config claude-desktop          what to paste into the client
  larder serve --http 127.0.0.1:8000                  MCP at /mcp, a probe at /healthz
  larder serve --http unix:/run/user/1000/larder.sock HTTP too, on a socket of this user alone
  larder serve --store memory://                      forgets at the end
  larder serve --store 'disk:///srv/memory?encrypt=aead&durability=always'

Without --store, memories are kept encrypted in the user's data directory. Every flag can also
be set by the variable that is named with it.";

/// What `larder serve` is told.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeSettings {
    /// Where memories are kept: a store URL, @FILE or $NAME that holds one. Without: encrypted, in the user's data
    /// directory
    #[arg(long, env = "LARDER_STORE", hide_env_values = true, value_name = "URL")]
    pub(crate) store: Option<UrlArgument>,

    /// Serve HTTP on this address instead of stdio, such as 127.0.0.1:8000, or on a Unix socket: unix:PATH
    #[arg(long, env = "LARDER_HTTP", value_name = "ADDRESS", value_parser = address)]
    pub(crate) http: Option<String>,

    /// Let recall, search and list answer from a cache, such as 30s: answers may be that old, each for its own user
    /// only. 0 turns it off
    #[arg(long, env = "LARDER_CACHE_TTL", value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub(crate) cache_ttl: Duration,

    /// Allow this Host header on HTTP, beside the loopback names
    #[arg(long, env = "LARDER_ALLOW_HOST", value_name = "HOST", value_delimiter = ',')]
    pub(crate) allow_host: Vec<String>,

    /// Allow every Host header on HTTP; web pages can then reach a server on this machine
    #[arg(long, env = "LARDER_ANY_HOST", value_parser = truth)]
    pub(crate) any_host: bool,

    /// Allow browsers on this origin, such as `https://app.example`
    #[arg(long, env = "LARDER_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) allow_origin: Vec<String>,

    /// How to log
    #[command(flatten)]
    pub(crate) logs: LogSettings,

    /// Print what to paste into an MCP client for these settings, and end
    #[arg(long, value_enum, value_name = "CLIENT")]
    pub(crate) print_config: Option<Client>,
}

/// MCP clients whose configuration can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// Claude Desktop: `claude_desktop_config.json`.
    ClaudeDesktop,
    /// Claude Code: `.mcp.json`.
    ClaudeCode,
    /// Cursor: `.cursor/mcp.json`.
    Cursor,
    /// Visual Studio Code: `.vscode/mcp.json`.
    Vscode,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::Vscode => "vscode",
        })
    }
}

impl ServeSettings {
    /// The store's URL. An empty variable is none.
    pub(crate) fn url(&self) -> Result<String, Failure> {
        match self.store.as_ref().filter(|store| !store.as_given().is_empty()) {
            Some(store) => store.resolve(Self::STORE),
            None => store::default_url(Self::STORE),
        }
    }

    /// The address of HTTP; without, it is stdio. An empty variable is none.
    pub(crate) fn address(&self) -> Option<&str> {
        self.http.as_deref().filter(|address| !address.is_empty())
    }

    /// How errors name the setting of the store.
    pub(crate) const STORE: &'static str = "--store or LARDER_STORE";

    /// The memory server on `store` as these settings want it.
    pub(crate) fn service(&self, store: &AnyStore) -> Result<Service, Failure> {
        let capabilities = store.capabilities();
        let backend = capabilities.backend;
        if capabilities.evicts {
            return Err(Failure::usage(format!(
                "the {backend} store may drop entries, and a memory must not: remove on_full=evict from --store"
            )));
        }
        if !capabilities.writable {
            return Err(Failure::usage(format!("the {backend} store takes no writes: change --store")));
        }
        let cache_ttl = Some(self.cache_ttl).filter(|ttl| !ttl.is_zero());
        let mut server = sealing(&store::Program, memory::server(store, cache_ttl))?;
        let named =
            |names: &'_ [String]| names.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>();
        server = named(&self.allow_host).into_iter().fold(server, Server::allow_host);
        server = named(&self.allow_origin).into_iter().fold(server, Server::allow_origin);
        if self.any_host {
            server = server.any_host();
        }
        server.build().map_err(|error| Failure::usage(error.to_string()))
    }
}

/// The server, that seals what clients carry by the first key of `LARDER_KEY`, if it is set: whoever has the key opens it,
/// other replicas and later processes among them, and whoever reads the store alone does not.
fn sealing(platform: &impl Platform, server: Server) -> Result<Server, Failure> {
    let Some(text) = platform.var(KeyRing::ENV) else { return Ok(server) };
    let text = text.to_string_lossy();
    // As a ring separates its keys.
    let mut keys = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|key| !key.is_empty());
    let Some(first) = keys.next() else { return Ok(server) };
    KeyRing::from_text(&text)
        .map_err(|error| Failure::usage("LARDER_KEY holds no usable keys: change it").because(error))?;
    Ok(server.secret(first))
}

/// A duration; an empty variable is none.
fn duration(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    let duration = parse_duration(text).map_err(|error| error.message().to_owned())?;
    if duration > LONGEST_CACHE { Err("that is more than a year".to_owned()) } else { Ok(duration) }
}

const LONGEST_CACHE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Where HTTP is served; an empty variable is none.
fn address(text: &str) -> Result<String, String> {
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        _ if text.is_empty() || text.starts_with(SOCKET) => Ok(text.to_owned()),
        Some((host, number)) if !host.is_empty() && port(number) => Ok(text.to_owned()),
        _ => Err("write a host or an address and a port, such as 127.0.0.1:8000, or unix:PATH".to_owned()),
    }
}

pub(crate) async fn run(settings: ServeSettings) -> Result<(), Failure> {
    if let Some(client) = settings.print_config {
        return print_config::print(client, &settings);
    }
    let _log = logging::start_apart(&settings.logs);
    match settings.address().map(|address| address.strip_prefix(SOCKET).ok_or(address)) {
        Some(Ok(path)) => unix(&settings, path).await,
        Some(Err(address)) => http(&settings, address).await,
        None => stdio(&settings).await,
    }
}

/// What the address begins with where it is the path of a Unix socket.
const SOCKET: &str = "unix:";

#[cfg(unix)]
async fn unix(settings: &ServeSettings, path: &str) -> Result<(), Failure> {
    if path.is_empty() {
        return Err(Failure::usage("give the socket's path: --http unix:PATH"));
    }
    let url = settings.url()?;
    let store = store::open(&url, ServeSettings::STORE).await?;
    let owner = Owner::new(settings, &url, store).await?;
    let served = owner.service().serve_unix(path).await;
    owner.end().await;
    Ok(served?)
}

#[cfg(not(unix))]
async fn unix(_: &ServeSettings, _: &str) -> Result<(), Failure> {
    Err(Failure::usage("this system has no Unix sockets: give --http an address, such as 127.0.0.1:8000"))
}

async fn http(settings: &ServeSettings, address: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let message = format!("{address:?} cannot be listened on: change --http or LARDER_HTTP");
        Failure::new(message).because(error)
    })?;
    let url = settings.url()?;
    let store = store::open(&url, ServeSettings::STORE).await?;
    let owner = Owner::new(settings, &url, store).await?;
    let served = owner.service().serve_listener(listener).await;
    owner.end().await;
    Ok(served?)
}

/// A client of its own: joins whoever serves the directory already.
#[cfg(unix)]
async fn stdio(settings: &ServeSettings) -> Result<(), Failure> {
    crate::join::stdio(settings).await
}

/// Without Unix sockets there is nothing to join: a directory in use is an error.
#[cfg(not(unix))]
async fn stdio(settings: &ServeSettings) -> Result<(), Failure> {
    let url = settings.url()?;
    let store = store::open(&url, ServeSettings::STORE).await?;
    let owner = Owner::new(settings, &url, store).await?;
    let served = owner.service().serve_stdio().await;
    owner.end().await;
    Ok(served?)
}

/// Flushes and ends `store`; what goes wrong then is only logged.
pub(crate) async fn close(store: &AnyStore) {
    if let Err(error) = store.close().await {
        tracing::warn!(%error, "the store did not close properly");
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use kv_core::AnyStore;
    use larder::platform::{Os, Platform};
    use mcp_server::{AskError, Context, Form, TestClient, tool};
    use serde_json::{Value, json};

    use super::{memory, sealing};

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OTHER: &str = "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// A process with this in `LARDER_KEY`.
    struct Process(Option<String>);

    impl Platform for Process {
        fn os(&self) -> Os {
            Os::Linux
        }

        fn var(&self, name: &str) -> Option<OsString> {
            self.0.as_ref().filter(|_| name == "LARDER_KEY").map(OsString::from)
        }

        fn home(&self) -> Option<PathBuf> {
            None
        }

        fn tell(&self, _: &str) {}
    }

    #[derive(Debug, Form)]
    struct Sure {
        /// Really?
        sure: bool,
    }

    #[tool]
    async fn ask(ctx: Context) -> Result<String, AskError> {
        Ok(format!("{:?}", ctx.elicit::<Sure>("Sure?").await?.accepted().map(|form| form.sure)))
    }

    /// A server with nothing in common with any other but its key: neither process nor store.
    fn client(key: Option<String>) -> TestClient {
        let store = AnyStore::new(kv_memory::MemoryStore::new());
        let server = sealing(&Process(key), memory::server(&store, None)).unwrap().tool(ask);
        server.test_client().unwrap().capabilities(json!({ "elicitation": {} }))
    }

    /// What `second` makes of a state that `first` has given.
    async fn carried(first: &TestClient, second: &TestClient) -> Result<Value, i64> {
        let asked = first.call_tool("ask", json!({})).await.unwrap();
        let answers = json!({ "question-1": { "action": "accept", "content": { "sure": true } } });
        let params =
            json!({ "name": "ask", "inputResponses": answers, "requestState": asked["requestState"] });
        let answer = second.request("tools/call", params).await;
        answer.map(|result| result["content"][0]["text"].clone()).map_err(|error| error.code)
    }

    #[tokio::test]
    async fn what_clients_carry_opens_wherever_the_key_is_the_same() {
        let keyed = |key: &str| client(Some(key.to_owned()));
        let (first, second) = (keyed(KEY), keyed(&format!(" {KEY},{OTHER}")));
        assert_eq!(carried(&first, &second).await, Ok(json!("Some(true)")));
        for stranger in [keyed(OTHER), client(None)] {
            assert_eq!(carried(&first, &stranger).await, Err(-32_602));
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_an_empty_variable_is_none() {
        let server = || memory::server(&AnyStore::new(kv_memory::MemoryStore::new()), None);
        let refused = sealing(&Process(Some("hunter2".to_owned())), server()).unwrap_err();
        assert!(!refused.on_one_line().contains("hunter2"), "{}", refused.on_one_line());
        assert!(sealing(&Process(Some(" ".to_owned())), server()).is_ok());
    }
}
