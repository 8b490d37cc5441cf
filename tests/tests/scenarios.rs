//! What a cache and a state in a store must never do wrong: scenarios 1 to 63, each by its number.
//!
//! They come from the defects of servers that were here before. [`WAITS`] names those that need what is not built yet.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "scenarios/caching.rs"]
mod caching;
#[path = "scenarios/changing.rs"]
mod changing;
#[path = "scenarios/events.rs"]
mod events;
#[path = "scenarios/faults.rs"]
mod faults;
#[path = "scenarios/rights.rs"]
mod rights;
#[path = "scenarios/sessions.rs"]
mod sessions;
#[path = "scenarios/state.rs"]
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mcp_server::protocol::Json;
use mcp_server::{CachePolicy, Context, ResponseCache, Server, StatisticsReader, TestClient, Tool};
use serde_json::{Value, json};

/// What waits, and for what.
const WAITS: &[(u32, &str)] = &[
    (5, "versions of components"),
    (14, "tasks"),
    (15, "extensions that declare resources live"),
    (16, "mounted servers"),
    (23, "visibility rules of sessions"),
    (30, "the OAuth proxy"),
    (38, "mounted servers, for the child; the rest of it is tested"),
    (42, "mounted servers"),
    (43, "visibility rules of sessions"),
    (44, "visibility rules of sessions"),
    (45, "visibility rules of sessions"),
    (46, "visibility rules of sessions; what holds without them is tested"),
    (49, "visibility rules of sessions"),
    (50, "visibility rules of sessions"),
    (51, "mounted servers, and visibility rules of sessions"),
    (52, "visibility rules of sessions"),
];

#[test]
fn every_scenario_has_a_test_or_a_row_that_says_what_it_waits_for() {
    let sources = [
        include_str!("scenarios/caching.rs"),
        include_str!("scenarios/changing.rs"),
        include_str!("scenarios/events.rs"),
        include_str!("scenarios/faults.rs"),
        include_str!("scenarios/rights.rs"),
        include_str!("scenarios/sessions.rs"),
        include_str!("scenarios/state.rs"),
    ];
    for number in 1..=63 {
        let name = format!("fn scenario_{number:02}_");
        let tested = sources.iter().map(|source| source.matches(&name).count()).sum::<usize>();
        let waits = WAITS.iter().find(|(waiting, _)| *waiting == number);
        match (tested, waits) {
            (0, Some((_, what))) => eprintln!("scenario {number} waits for {what}"),
            (1, None | Some((38 | 46, _))) => {}
            other => panic!("scenario {number}: {other:?}"),
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// How often a handler ran.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicU32>);

impl Runs {
    /// One more; which it is.
    fn count(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn read(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A tool that answers with its arguments and how often it ran, cacheable for a minute.
fn counted(name: &str) -> (Tool, Runs) {
    let (tool, runs) = uncached(name);
    (tool.cache(CachePolicy::private(MINUTE)), runs)
}

/// As [`counted`], without a lifetime.
fn uncached(name: &str) -> (Tool, Runs) {
    let runs = Runs::default();
    let counter = runs.clone();
    let schema = json!({ "type": "object" });
    let tool = Tool::new(name, schema, move |_: Context, arguments: Json| {
        let run = counter.count();
        async move { format!("{} run {run}", arguments.as_str()) }
    });
    (tool, runs)
}

/// A server that caches what is declared, and what its cache does.
fn cached(name: &str) -> (Server, StatisticsReader) {
    let cache = ResponseCache::new();
    let statistics = cache.statistics();
    (Server::new(name).with(cache), statistics)
}

/// A client of a server that caches, with this tool alone.
fn client_of(tool: Tool) -> (TestClient, StatisticsReader) {
    let (server, statistics) = cached("scenarios");
    (server.tool(tool).test_client().unwrap(), statistics)
}

/// The text of a tool's result.
async fn called(client: &TestClient, name: &str, arguments: Value) -> String {
    let result = client.call_tool(name, arguments).await.unwrap();
    result["content"][0]["text"].as_str().unwrap().to_owned()
}
