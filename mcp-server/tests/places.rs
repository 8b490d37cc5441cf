//! Requests at work: how many at once, and one user's share of them.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mcp_server::protocol::Json;
use mcp_server::{
    Answer, CachePolicy, Context, Middleware, Next, Operation, Principal, Request, Resource, ResponseCache,
    Server, TestClient, TestError, Tool, tool,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(30);
const SHARE: &str = "one user may have 2 requests at work at once";

/// Closed until it is opened, for all who wait at it.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Gate {
    fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    fn open(&self) {
        self.0.close();
    }

    async fn pass(&self) {
        drop(self.0.acquire().await);
    }
}

/// Waits at the gate.
fn held(gate: &Gate) -> Tool {
    let gate = gate.clone();
    Tool::new("held", json!({ "type": "object" }), move |_: Context, _: Json| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            "let go"
        }
    })
}

#[tool]
async fn quick() -> &'static str {
    "quick"
}

fn user(name: &str) -> Principal {
    Principal::user("test", name)
}

/// A request that was sent over a connection of its own, and has come as far as it can.
struct Sent {
    client: Arc<TestClient>,
    answer: JoinHandle<Result<Value, TestError>>,
}

impl Sent {
    async fn new(server: &TestClient, principal: &Principal, method: &'static str, params: Value) -> Self {
        let client = Arc::new(server.another().principal(principal.clone()));
        let sender = Arc::clone(&client);
        let answer = tokio::spawn(async move { sender.request(method, params).await });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Self { client, answer }
    }

    async fn call(server: &TestClient, principal: &Principal, tool: &str) -> Self {
        Self::new(server, principal, "tools/call", json!({ "name": tool })).await
    }

    async fn answered(self) -> Result<Value, TestError> {
        self.answer.await.unwrap()
    }

    /// The answer; `None` if there is none.
    async fn in_time(self) -> Option<Result<Value, TestError>> {
        tokio::time::timeout(PATIENCE, self.answered()).await.ok()
    }

    fn waits(&self) -> bool {
        !self.answer.is_finished()
    }

    /// The client goes away.
    async fn leave(self) {
        self.client.close().await;
        self.answer.abort();
    }
}

/// Refused without a place: what got one would wait at a gate that nobody opens meanwhile.
async fn assert_refused(sent: Sent, sentence: &str) {
    is_refusal(sent.in_time().await.as_ref(), sentence);
}

fn is_refusal(answered: Option<&Result<Value, TestError>>, sentence: &str) {
    let Some(Err(error)) = answered else { panic!("it is refused, and does not wait: {answered:?}") };
    assert!(error.code == -32603 && error.message.contains(sentence), "{error}");
}

#[tokio::test]
async fn one_users_slow_calls_leave_the_others_their_share() {
    let (gate, ada, bob) = (Gate::closed(), user("ada"), user("bob"));
    let server = Server::new("s").tool(held(&gate)).tool(quick).max_concurrent_calls(20);
    let server = server.test_client().unwrap();
    let slow = [Sent::call(&server, &ada, "held").await, Sent::call(&server, &ada, "held").await];
    for tool in ["held", "quick"] {
        assert_refused(Sent::call(&server, &ada, tool).await, SHARE).await;
    }
    Sent::new(&server, &ada, "tools/list", json!({})).await.answered().await.unwrap(); // no handler
    Sent::call(&server, &bob, "quick").await.answered().await.unwrap();
    let of_bob = Sent::call(&server, &bob, "held").await;
    assert!(of_bob.waits());
    gate.open();
    for sent in slow.into_iter().chain([of_bob]) {
        assert_eq!(sent.answered().await.unwrap()["content"][0]["text"], "let go");
    }
    Sent::call(&server, &ada, "quick").await.answered().await.unwrap();
}

#[tokio::test]
async fn who_leaves_gives_the_place_back() {
    let (gate, ada) = (Gate::closed(), user("ada"));
    let server = Server::new("s").tool(held(&gate)).tool(quick).max_concurrent_calls_per_user(2);
    let server = server.test_client().unwrap();
    for _ in 0..3 {
        let slow = [Sent::call(&server, &ada, "held").await, Sent::call(&server, &ada, "held").await];
        assert_refused(Sent::call(&server, &ada, "quick").await, SHARE).await;
        for sent in slow {
            sent.leave().await;
        }
        Sent::call(&server, &ada, "quick").await.answered().await.unwrap();
    }
}

#[tokio::test]
async fn who_started_the_process_and_anonymous_callers_have_no_share_but_a_pool() {
    for principal in [Principal::local(), Principal::anonymous()] {
        let gate = Gate::closed();
        let server = Server::new("s").tool(held(&gate)).tool(quick);
        let server = server.max_concurrent_calls(3).max_concurrent_calls_per_user(1).test_client().unwrap();
        let mut slow = Vec::new();
        for _ in 0..3 {
            slow.push(Sent::call(&server, &principal, "held").await);
        }
        assert!(slow.iter().all(Sent::waits), "{principal:?}");
        assert_refused(Sent::call(&server, &principal, "quick").await, "too many requests in flight").await;
        Sent::call(&server, &user("ada"), "quick").await.answered().await.unwrap();
        gate.open();
        for sent in slow {
            sent.answered().await.unwrap();
        }
        Sent::call(&server, &principal, "quick").await.answered().await.unwrap();
    }
}

/// Lets nothing but `server/discover` through before the gate is open, and then runs it twice.
struct Waits(Gate);

impl Middleware for Waits {
    async fn handle(&self, request: Request, next: Next) -> Answer {
        if !matches!(&request.operation, Operation::Discover) {
            self.0.pass().await;
        }
        drop(next.clone().run(request.clone()).await);
        next.run(request).await
    }
}

#[tokio::test]
async fn what_waits_in_a_middleware_has_a_place_and_what_does_not_needs_none() {
    let (gate, ada, bob) = (Gate::closed(), user("ada"), user("bob"));
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let counts = Tool::new("counts", json!({ "type": "object" }), move |_: Context, _: Json| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            "counted"
        }
    });
    let server = Server::new("s").tool(counts).with(Waits(gate.clone())).max_concurrent_calls(20);
    let server = server.test_client().unwrap();
    let list = async |who| Sent::new(&server, who, "tools/list", json!({})).await;
    let waiting = [Sent::call(&server, &ada, "counts").await, list(&ada).await];
    assert!(waiting.iter().all(Sent::waits));
    assert_refused(Sent::call(&server, &ada, "counts").await, SHARE).await;
    assert_refused(list(&ada).await, SHARE).await;
    Sent::new(&server, &ada, "server/discover", json!({})).await.answered().await.unwrap();
    let of_bob = Sent::call(&server, &bob, "counts").await;
    assert!(of_bob.waits());
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    gate.open();
    for sent in waiting.into_iter().chain([of_bob]) {
        sent.answered().await.unwrap();
    }
    assert_eq!(runs.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_request_that_waits_in_a_middleware_and_then_in_its_handler_has_one_place() {
    let (first, second, ada) = (Gate::closed(), Gate::closed(), user("ada"));
    let server = Server::new("s").tool(held(&second)).with(Waits(first.clone()));
    let server = server.max_concurrent_calls_per_user(2).test_client().unwrap();
    let sent = [Sent::call(&server, &ada, "held").await, Sent::call(&server, &ada, "held").await];
    first.open();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(sent.iter().all(Sent::waits), "in their handlers");
    assert_refused(Sent::call(&server, &ada, "held").await, SHARE).await;
    second.open();
    for sent in sent {
        sent.answered().await.unwrap();
    }
    Sent::call(&server, &ada, "held").await.answered().await.unwrap();
}

#[tokio::test]
async fn callers_who_share_a_run_have_a_place_each_and_the_run_keeps_that_of_who_began_it() {
    let (gate, ada) = (Gate::closed(), user("ada"));
    let held = held(&gate).cache(CachePolicy::private(Duration::from_secs(60)));
    let server = Server::new("s").tool(held).tool(quick).with(ResponseCache::new());
    let server = server.max_concurrent_calls_per_user(2).test_client().unwrap();
    let (began, joined) = (Sent::call(&server, &ada, "held").await, Sent::call(&server, &ada, "held").await);
    assert_refused(Sent::call(&server, &ada, "held").await, SHARE).await;
    began.leave().await;
    assert!(joined.waits());
    assert_refused(Sent::call(&server, &ada, "quick").await, SHARE).await;
    gate.open();
    joined.answered().await.unwrap();
    let sent = [Sent::call(&server, &ada, "held").await, Sent::call(&server, &ada, "quick").await];
    for sent in sent {
        sent.answered().await.unwrap();
    }
}

static ON_THREADS: AtomicBool = AtomicBool::new(true);
static BEGUN: AtomicUsize = AtomicUsize::new(0);

#[tool]
fn on_a_thread() -> &'static str {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    while ON_THREADS.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    "let go"
}

/// Waits until so many calls have a thread; one that has none yet would end with its client.
async fn begun(calls: usize) {
    let all = async {
        while BEGUN.load(Ordering::SeqCst) < calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}

#[tokio::test]
async fn what_one_user_left_on_threads_takes_no_thread_of_another() {
    let (ada, bob) = (user("ada"), user("bob"));
    let server = Server::new("s").tool(on_a_thread).max_concurrent_calls(20).test_client().unwrap();
    for calls in 1..=2 {
        let left = Sent::call(&server, &ada, "on_a_thread").await;
        begun(calls).await;
        left.leave().await;
    }
    let answered = Sent::call(&server, &ada, "on_a_thread").await.in_time().await;
    let of_bob = Sent::call(&server, &bob, "on_a_thread").await;
    let waits = of_bob.waits();
    ON_THREADS.store(false, Ordering::SeqCst); // before any assertion: threads are waited for
    is_refusal(answered.as_ref(), SHARE);
    assert!(waits);
    assert_eq!(of_bob.answered().await.unwrap()["content"][0]["text"], "let go");
}

#[tokio::test]
async fn rights_to_what_is_listened_for_are_asked_at_a_place_of_the_caller() {
    let gate = Gate::closed();
    let waits = gate.clone();
    let note = Resource::new("note://a", |_, _| async { "a" }).check(move |_| {
        let gate = waits.clone();
        async move {
            gate.pass().await;
            Ok(())
        }
    });
    let server = Server::new("s").tool(held(&gate)).resource(note);
    let server = server.max_concurrent_calls_per_user(2).test_client().unwrap();
    let ada = user("ada");
    let calls = [Sent::call(&server, &ada, "held").await, Sent::call(&server, &ada, "held").await];
    let filter = json!({ "notifications": { "resourceSubscriptions": ["note://a"] } });
    let listens = Sent::new(&server, &ada, "subscriptions/listen", filter).await;
    let refused = listens.answered().await.unwrap_err();
    assert!(refused.message.starts_with(SHARE), "{refused}");
    gate.open();
    for call in calls {
        call.answered().await.unwrap();
    }
}
