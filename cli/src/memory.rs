//! The server that `larder serve` runs: a memory for agents, on any store.

mod cursor;
mod error;
mod limits;
mod output;
mod prompt;
mod record;
mod search;
mod tools;

use std::time::Duration;

use kv_core::{AnyStore, Listing, Store};
use mcp_server::{CachePolicy, Logging, ResponseCache, Server, Tool};

use self::record::Memories;

/// How many entries one call of `search` or `list` reads at most.
pub const MAX_READ: usize = 10_000;

const INSTRUCTIONS: &str = "A memory that outlives this conversation. Use `remember` for what will be worth knowing \
    later (facts, decisions, preferences), one thought each; `search` before you ask the user for something they may \
    have told before; `recall` for one memory by its id; `forget` for what is wrong or no longer wanted. Namespaces \
    keep unrelated memories apart; leave `namespace` out for the common one.";

/// The memory server on `store`, not yet running.
///
/// Memories belong to the authenticated user who wrote them; everybody on stdio and everybody on HTTP without
/// authentication share one owner. A store that cannot list has no `search` and no `list`. With `cache_ttl`, answers
/// of `recall`, `search` and `list` may be that old.
pub fn server(store: &AnyStore, cache_ttl: Option<Duration>) -> Server {
    let read = |tool: Tool| match cache_ttl {
        Some(ttl) => tool.cache(CachePolicy::private(ttl)),
        None => tool,
    };
    let mut server = Server::new("larder")
        .version(env!("CARGO_PKG_VERSION"))
        .title("Larder memory")
        .instructions(INSTRUCTIONS)
        .storage(store.clone())
        .state(Memories::new(store.clone()))
        .with(Logging::new())
        .tool(tools::remember().read_only(false))
        .tool(read(tools::recall()))
        .tool(tools::forget().read_only(false))
        .resource(tools::memory)
        .prompt(prompt::use_memory);
    if cache_ttl.is_some() {
        server = server.with(ResponseCache::new());
    }
    if store.capabilities().scan == Listing::No {
        return server;
    }
    server.tool(read(tools::search())).tool(read(tools::list()))
}
