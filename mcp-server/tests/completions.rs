//! Completions on their way to a client: rights, limits, middlewares, caches.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_server::protocol::{Completion, Revision};
use mcp_server::{
    Answer, CachePolicy, Middleware, Next, Operation, Principal, Prompt, PromptArgument, Reference, Refusal,
    Reply, Request, Resource, ResponseCache, Server, TestClient, TestError,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

fn example() -> Prompt {
    Prompt::new("example", [PromptArgument::required("language")], |_, _| async { "x" })
}

fn client(prompt: Prompt) -> TestClient {
    Server::new("test").prompt(prompt).test_client().unwrap()
}

async fn completed(client: &TestClient, value: &str) -> Result<Value, TestError> {
    let reference = Reference::prompt("example");
    let mut result = client.complete(reference, "language", value, json!({})).await?;
    Ok(result["completion"].take())
}

async fn values(client: &TestClient, value: &str) -> Value {
    completed(client, value).await.unwrap()["values"].take()
}

#[tokio::test]
async fn without_anything_that_completes_the_method_is_unknown() {
    for revision in Revision::ALL {
        let bare = client(example()).revision(revision);
        let error = completed(&bare, "").await.unwrap_err();
        assert_eq!(error.code, -32_601, "{revision}: {error}");
        let able = client(example().complete_from("language", ["rust"])).revision(revision);
        assert_eq!(values(&able, "").await, json!(["rust"]), "{revision}");
    }
}

#[tokio::test]
async fn a_resource_without_parameters_has_no_argument_to_complete() {
    let resource = Resource::new("note://text", |_, _| async { "x" });
    let prompt = example().complete_from("language", ["rust"]);
    let client = Server::new("test").prompt(prompt).resource(resource).test_client().unwrap();
    let reference = Reference::resource("note://text");
    let error = client.complete(reference, "text", "", json!({})).await.unwrap_err();
    assert_eq!((error.code, &*error.message), (-32_602, "unknown argument `text`: there are no arguments"));
}

/// What a middleware saw of completions, and refuses of them.
#[derive(Clone, Default)]
struct Watch {
    seen: Arc<Mutex<Vec<String>>>,
    closed: Arc<Mutex<bool>>,
}

impl Middleware for Watch {
    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        let closed = *self.closed.lock().unwrap();
        match request.operation {
            Operation::Complete { .. } if closed => Err(Refusal::new("no completions today")),
            _ => Ok(()),
        }
    }

    async fn handle(&self, request: Request, next: Next) -> Answer {
        let asked = format!("{} {:?}", request.operation.method(), request.operation.target());
        assert!(!format!("{request:?}").contains("s3cret"), "the value may be one");
        let answer = next.run(request).await;
        let count = match &answer {
            Answer::Done(Reply::Completion(completion)) => completion.values.len(),
            other => panic!("{other:?}"),
        };
        self.seen.lock().unwrap().push(format!("{asked} {count}"));
        answer
    }
}

#[tokio::test]
async fn middlewares_see_what_is_completed_and_may_refuse_it() {
    let watch = Watch::default();
    let prompt = example().complete("language", |value, _| async move { [value] });
    let client = Server::new("test").with(watch.clone()).prompt(prompt).test_client().unwrap();
    assert_eq!(values(&client, "s3cret").await, json!(["s3cret"]));
    assert_eq!(*watch.seen.lock().unwrap(), [r#"completion/complete Some("example") 1"#]);
    *watch.closed.lock().unwrap() = true;
    let error = completed(&client, "").await.unwrap_err();
    assert_eq!((error.code, &*error.message), (-32_600, "no completions today"));
}

#[tokio::test]
async fn a_response_cache_keeps_no_completions() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let prompt = example().cache(CachePolicy::public(Duration::from_secs(60)));
    let prompt = prompt.complete("language", move |_, context| {
        let run = counter.fetch_add(1, Ordering::SeqCst);
        async move { [format!("run {run} for {}", context.principal().unwrap().is_anonymous())] }
    });
    let client = Server::new("test").with(ResponseCache::new()).prompt(prompt).test_client().unwrap();
    assert_eq!(values(&client, "").await, json!(["run 0 for false"]));
    assert_eq!(values(&client, "").await, json!(["run 1 for false"]));
    let anonymous = client.another().principal(Principal::anonymous());
    assert_eq!(values(&anonymous, "").await, json!(["run 2 for true"]));
}

#[tokio::test]
async fn what_a_caller_may_not_use_completes_as_what_is_not_there() {
    let hidden = example().complete_from("language", ["rust"]).check(|request| {
        let user = request.principal.is_user();
        async move { if user { Ok(()) } else { Err(Refusal::new("users only")) } }
    });
    let open = Prompt::new("open", [PromptArgument::required("a")], |_, _| async { "x" });
    let with = Server::new("test").prompt(hidden).prompt(open.clone().complete_from("a", ["b"]));
    let with = with.test_client().unwrap().principal(Principal::anonymous());
    let without = Server::new("test").prompt(open.complete_from("a", ["b"])).test_client().unwrap();
    let reference = || Reference::prompt("example");
    for (argument, value, chosen) in [
        ("language", "", json!({})),
        ("nothing", "", json!({})),
        ("language", "x".repeat(70_000).as_str(), json!({})),
        ("language", "", json!({ "a": 1 })),
    ] {
        let refused = with.complete(reference(), argument, value, chosen.clone()).await.unwrap_err();
        let unknown = without.complete(reference(), argument, value, chosen).await.unwrap_err();
        assert_eq!(refused, unknown);
        assert_eq!((unknown.code, &*unknown.message), (-32_602, "unknown prompt: example"));
    }
    let user = with.another().principal(Principal::user("test", "ada"));
    assert_eq!(values(&user, "").await, json!(["rust"]));
}

/// A completer that waits until it is let go.
fn held() -> (Prompt, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let inner = Arc::clone(&gate);
    let prompt = example().complete("language", move |_, _| {
        let gate = Arc::clone(&inner);
        async move {
            drop(gate.acquire().await);
            ["let go"]
        }
    });
    (prompt, gate)
}

async fn sent(client: &TestClient) -> JoinHandle<Result<Value, TestError>> {
    let client = client.another();
    let answer = tokio::spawn(async move { completed(&client, "").await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    answer
}

#[tokio::test]
async fn completions_at_work_count_among_the_calls_of_a_user() {
    let (prompt, gate) = held();
    let server = Server::new("test").prompt(prompt).max_concurrent_calls_per_user(2);
    let client = server.test_client().unwrap().principal(Principal::user("test", "ada"));
    let slow = [sent(&client).await, sent(&client).await];
    let refused = completed(&client, "").await.unwrap_err();
    assert_eq!(refused.code, -32_603);
    assert!(refused.message.contains("one user may have 2 requests at work at once"), "{refused}");
    gate.close();
    for answer in slow {
        assert_eq!(answer.await.unwrap().unwrap()["values"], json!(["let go"]));
    }
    assert_eq!(values(&client, "").await, json!(["let go"]));
}

#[tokio::test(start_paused = true)]
async fn a_completer_that_takes_too_long_is_given_up() {
    let (prompt, _gate) = held();
    let server = Server::new("test").prompt(prompt).handler_timeout(Duration::from_secs(2));
    let error = completed(&server.test_client().unwrap(), "").await.unwrap_err();
    assert_eq!((error.code, &*error.message), (-32_603, "the request took too long and was given up"));
}

#[tokio::test]
async fn a_completer_that_panics_fails_its_own_request_only() {
    let prompt = example().complete("language", |value, _| async move {
        assert!(!value.is_empty(), "broken on purpose");
        [value]
    });
    let client = client(prompt);
    let error = completed(&client, "").await.unwrap_err();
    assert_eq!((error.code, &*error.message), (-32_603, "internal error"));
    assert_eq!(values(&client, "x").await, json!(["x"]));
}

#[tokio::test]
async fn a_hundred_values_are_sent_and_the_others_counted() {
    let prompt = example().complete("language", |value, _| async move {
        let many = Completion::new((0..150).map(|index| index.to_string()));
        if value == "own" { many.total(4_000) } else { many }
    });
    let client = client(prompt);
    let completion = completed(&client, "").await.unwrap();
    assert_eq!(completion["values"].as_array().unwrap().len(), 100);
    assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(150), &json!(true)));
    let completion = completed(&client, "own").await.unwrap();
    assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(4_000), &json!(true)));
}
