//! Two servers on one store, and clients that send each message to the one or to the other: they see one server.
//!
//! Each test runs on memory that two servers share, with ringing and without, and on Redis where there is one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "replicas/copies.rs"]
mod copies;
#[path = "replicas/crossing.rs"]
mod crossing;
#[path = "replicas/latency.rs"]
mod latency;
#[path = "replicas/living.rs"]
mod living;
#[path = "replicas/pages.rs"]
mod pages;
#[path = "replicas/resuming.rs"]
mod resuming;
#[path = "replicas/trips.rs"]
mod trips;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv_core::AnyStore;
use kv_memory::MemoryStore;
use larder_tests::node::Node;
use larder_tests::shared::Shared;
use mcp_server::{Context, Dynamic, Page, Principal, Resource, Server, StateError, StaticTokens, Tool};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// Long enough for any machine; nothing here takes it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `future` gives, soon.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// Holds handlers until it lets them go, and notes what they did.
#[derive(Clone, Debug)]
struct Gate {
    open: Arc<Semaphore>,
    deeds: Arc<Mutex<Vec<String>>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { open: Arc::new(Semaphore::new(0)), deeds: Arc::default() }
    }
}

impl Gate {
    /// Lets one handler go on.
    fn open(&self) {
        self.open.add_permits(1);
    }

    async fn pass(&self) {
        self.open.acquire().await.unwrap().forget();
    }

    fn note(&self, deed: &str) {
        self.deeds.lock().unwrap().push(deed.to_owned());
    }

    /// What was done counts no more.
    fn forget(&self) {
        self.deeds.lock().unwrap().clear();
    }

    /// Waits until a handler has done this.
    async fn done(&self, deed: &str) {
        soon(async {
            while !self.deeds.lock().unwrap().iter().any(|done| done == deed) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// Notes that a handler has ended, however.
struct Ending(Gate);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.note("ended");
    }
}

/// Two servers on one store.
struct Pair {
    a: Node,
    b: Node,
    /// What each of them holds of the store.
    store_a: Shared,
    store_b: Shared,
    gate: Gate,
}

impl Pair {
    async fn on(store: Shared) -> Self {
        Self::with(store, |server| server).await
    }

    /// Both set up in this way.
    async fn with(store: Shared, set_up: impl Fn(Server) -> Server) -> Self {
        let (store_a, store_b, gate) = (store.another(), store.another(), Gate::default());
        let name = format!("replicas-{:016x}", rand_of_the_day());
        let a = Node::serve(set_up(server(&name, &gate).storage(store_a.clone()))).await;
        let b = Node::serve(set_up(server(&name, &gate).storage(store_b.clone()))).await;
        Self { a, b, store_a, store_b, gate }
    }
}

/// A name that no other run has.
fn rand_of_the_day() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

/// Runs a test on each kind of store.
#[expect(clippy::future_not_send, reason = "a test stays on its thread")]
async fn each(test: impl AsyncFn(Pair)) {
    let memory = || Shared::new(AnyStore::new(MemoryStore::new()));
    test(Pair::on(memory()).await).await;
    test(Pair::on(memory().silent()).await).await;
    #[cfg(feature = "redis")]
    if let Some(url) = kv_core::testing::service("LARDER_TEST_REDIS") {
        test(Pair::on(Shared::new(larder::open(&url).await.expect("a store"))).await).await;
    }
}

fn schema() -> Value {
    json!({ "type": "object" })
}

/// A server with tools that wait, speak, ask and leave.
fn server(name: &str, gate: &Gate) -> Server {
    let tokens = StaticTokens::new()
        .token("ada", Principal::user("test", "ada"))
        .token("bob", Principal::user("test", "bob"))
        .token("eve", Principal::user("test", "eve"));
    Server::new(name)
        .authenticate(tokens)
        .dynamic(Dynamic::TOOLS)
        .resource(Resource::new("r://x", |_, _| async { "x" }))
        .tool(Tool::new("count", schema(), |ctx: Context, _| async move {
            let count = ctx.state().get::<u64>("count").await?.unwrap_or_default() + 1;
            ctx.state().set("count", &count).await?;
            Ok::<_, StateError>(count.to_string())
        }))
        .tool(Tool::new("update", schema(), |ctx: Context, _| async move {
            ctx.resource_updated("r://x");
            "updated"
        }))
        .tool(holding(gate))
        .tool(speaking(gate))
        .tool(asking(gate))
        .tool(leaving(gate))
        .tool(connecting())
        .tool(chattering())
}

fn holding(gate: &Gate) -> Tool {
    let gate = gate.clone();
    Tool::new("hold", schema(), move |_: Context, _| {
        let gate = gate.clone();
        async move {
            let _ending = Ending(gate.clone());
            gate.note("holding");
            gate.pass().await;
            "held"
        }
    })
}

fn speaking(gate: &Gate) -> Tool {
    let gate = gate.clone();
    Tool::new("speak", schema(), move |ctx: Context, _| {
        let gate = gate.clone();
        async move {
            let _ending = Ending(gate.clone());
            for word in ["one", "two", "three"] {
                ctx.info(word);
                gate.pass().await;
            }
            "spoken"
        }
    })
}

fn asking(gate: &Gate) -> Tool {
    let gate = gate.clone();
    Tool::new("ask", schema(), move |ctx: Context, _| {
        let gate = gate.clone();
        async move {
            gate.note("asking");
            match ctx.roots().await {
                Ok(roots) => format!("{} roots", roots.len()),
                Err(error) => error.to_string(),
            }
        }
    })
}

fn leaving(gate: &Gate) -> Tool {
    let gate = gate.clone();
    Tool::new("leave", schema(), move |ctx: Context, _| {
        let gate = gate.clone();
        async move {
            let leaves = ctx.release_stream(Duration::from_millis(70));
            gate.note("released");
            gate.pass().await;
            format!("left: {leaves}")
        }
    })
}

/// Sends whoever calls it to a page.
fn connecting() -> Tool {
    Tool::new("connect", schema(), |ctx: Context, _| async move {
        let of = if *ctx.principal()? == Principal::user("test", "ada") { "of ada" } else { "of another" };
        let page = Page::new("https://mcp.example/connect").holding(&of).expect("text");
        Ok::<_, StateError>(match ctx.elicit_page("Connect.", &page).await {
            Ok(_) => "sent".to_owned(),
            Err(error) => error.to_string(),
        })
    })
}

/// Says more than is kept, and less at once than a client takes.
fn chattering() -> Tool {
    Tool::new("chatter", schema(), |ctx: Context, _| async move {
        for _ in 0..60 {
            ctx.info("x".repeat(8 << 10));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        "enough"
    })
}
