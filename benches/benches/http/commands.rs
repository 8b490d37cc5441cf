//! What the sessions of a server cost its Redis, counted by Redis itself: `LARDER_TEST_REDIS` names it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use kv_core::{StoreExt as _, StoreUrl};
use kv_redis::{RedisConfig, RedisStore};
use mcp_server::{Server, tool};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::connection::Connection;
use crate::message::{Era, FIRST_ID, Work};
use crate::pairs::{Plan, for_the_page};

/// Enough that what happens now and then has its share.
const CALLS: u32 = 50_000;

#[derive(serde::Serialize)]
struct Counted {
    name: &'static str,
    who: &'static str,
    transport: &'static str,
    revision: &'static str,
    calls: u32,
    /// How often each command ran.
    commands: BTreeMap<String, u64>,
}

/// Answers what it is told.
#[tool(read_only)]
async fn echo(
    /** what to answer */
    text: String,
) -> String {
    text
}

/// Runs it, where it is wanted and there is a Redis.
pub(crate) fn run(plan: &Plan) -> io::Result<()> {
    let name = "commands/larder";
    let Ok(url) = std::env::var("LARDER_TEST_REDIS") else { return Ok(()) };
    if !plan.wants(name) {
        return Ok(());
    }
    let calls = if plan.try_out { 10 } else { CALLS };
    let commands = Builder::new_multi_thread().enable_all().build()?.block_on(counted(&url, calls))?;
    let (gets, others) = split(&commands);
    writeln!(io::stdout(), "{name:34} {gets} GET for {calls} calls, {others} others: {commands:?}")?;
    let revision = Era::Session.revision();
    for_the_page(&Counted { name, who: "larder", transport: "commands", revision, calls, commands })
}

/// What ran on Redis between the beginning of a session and the last of its calls.
async fn counted(url: &str, calls: u32) -> io::Result<BTreeMap<String, u64>> {
    let config = StoreUrl::parse(url).and_then(|mut url| RedisConfig::from_url(&mut url));
    let config = config.map_err(io::Error::other)?;
    let store = RedisStore::open(config).await.map_err(io::Error::other)?;
    let server = Server::new("bench").storage(store.erased()).tool(echo).build().map_err(io::Error::other)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move { server.serve_listener(listener).await });
    let mut connection = Connection::open(&address, Era::Session, Work::Call, true).await?;
    let client = redis::Client::open(url).map_err(io::Error::other)?;
    let mut redis = client.get_multiplexed_async_connection().await.map_err(io::Error::other)?;
    let before = statistics(&mut redis).await?;
    for id in FIRST_ID..FIRST_ID + calls {
        connection.call(id).await?;
    }
    let after = statistics(&mut redis).await?;
    let since = after.into_iter().map(|(name, count)| {
        let earlier = before.get(&name).copied().unwrap_or_default();
        (name, count - earlier)
    });
    // What asks is not what is asked about.
    Ok(since.filter(|(name, count)| *count > 0 && name != "info").collect())
}

async fn statistics(redis: &mut redis::aio::MultiplexedConnection) -> io::Result<BTreeMap<String, u64>> {
    let asked = redis::cmd("INFO").arg("commandstats").query_async::<String>(redis).await;
    let line = |line: &str| {
        let (name, figures) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), figures.split(',').next()?.parse().ok()?))
    };
    Ok(asked.map_err(io::Error::other)?.lines().filter_map(line).collect())
}

/// GETs, and everything else.
fn split(commands: &BTreeMap<String, u64>) -> (u64, u64) {
    let gets = commands.get("get").copied().unwrap_or_default();
    (gets, commands.values().sum::<u64>() - gets)
}
