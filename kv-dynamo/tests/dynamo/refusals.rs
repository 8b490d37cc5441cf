//! Refusals and lost answers: kind, outcome, and how often a request is sent.

use std::time::Duration;

use kv_core::{Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Scan, Store, Version};
use kv_dynamo::{DynamoConfig, DynamoCredentials, DynamoStore};
use serde_json::json;

use crate::scripted::{Answer, Scripted, ready};
use crate::support::{C, PATIENCE, value};

/// The error of each operation, with the request that it sends.
async fn errors(store: &DynamoStore) -> Vec<(&'static str, Error)> {
    let key = Key::new(C, "a");
    let put = |mode| store.put(key, NewEntry::new("x"), mode);
    vec![
        ("GetItem", store.get(key).await.unwrap_err()),
        ("PutItem", put(PutMode::Replace).await.unwrap_err()),
        ("PutItem", put(PutMode::Create).await.unwrap_err()),
        ("PutItem", put(PutMode::Update(Version::random())).await.unwrap_err()),
        ("DeleteItem", store.take(key, None).await.unwrap_err()),
        ("DeleteItem", store.take(key, Some(Version::random())).await.unwrap_err()),
        ("BatchGetItem", store.get_many(&[key]).await.unwrap().remove(0).unwrap_err()),
        (
            "BatchWriteItem",
            store.put_many(vec![(key, NewEntry::new("x"))]).await.unwrap().remove(0).unwrap_err(),
        ),
        ("BatchWriteItem", store.delete_many(&[key]).await.unwrap().remove(0).unwrap_err()),
        ("Query", store.scan(Scan::one(C), None).await.unwrap_err()),
        ("Scan", store.scan(Scan::under(""), None).await.unwrap_err()),
    ]
}

/// Opens a store on a server that answers everything but the opening with `answer`; checks what each operation says, and
/// that none was sent twice.
async fn each_says(answer: impl Fn() -> Answer + Send + Sync + 'static, kind: ErrorKind, outcome: Outcome) {
    let server = Scripted::start(ready(move |_, _| answer())).await;
    let mut config = server.config();
    config.timeout = Duration::from_millis(500);
    let store = DynamoStore::open(config).await.unwrap();
    let errors = errors(&store).await;
    for (request, error) in &errors {
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{request}: {error:?}");
        let sent = errors.iter().filter(|(of, _)| of == request).count();
        assert_eq!(server.asked(request).len(), sent, "{request} was sent again");
    }
}

fn refused(status: u16, code: &'static str) -> impl Fn() -> Answer {
    move || Answer::refusal(status, code, "why")
}

#[tokio::test]
async fn wrong_credentials_and_missing_rights_are_denied() {
    for code in [
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "AccessDeniedException",
    ] {
        each_says(refused(400, code), ErrorKind::Denied, Outcome::NotDone).await;
    }
}

#[tokio::test]
async fn a_service_at_its_limit_is_throttled_and_has_done_nothing() {
    for code in ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"] {
        each_says(refused(400, code), ErrorKind::Throttled, Outcome::NotDone).await;
    }
}

#[tokio::test]
async fn a_collection_at_its_limit_is_full() {
    let code = "ItemCollectionSizeLimitExceededException";
    each_says(refused(400, code), ErrorKind::Full, Outcome::NotDone).await;
}

#[tokio::test]
async fn a_failure_inside_the_service_leaves_the_outcome_open_and_is_not_repeated() {
    each_says(refused(500, "InternalServerError"), ErrorKind::Unavailable, Outcome::Unknown).await;
    each_says(|| Answer::Json(503, json!("busy")), ErrorKind::Unavailable, Outcome::Unknown).await;
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_open_and_nothing_is_repeated() {
    each_says(|| Answer::Cut, ErrorKind::Unavailable, Outcome::Unknown).await;
}

#[tokio::test]
async fn silence_is_a_timeout() {
    each_says(|| Answer::Silence, ErrorKind::Timeout, Outcome::Unknown).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_has_done_nothing() {
    let server = Scripted::start(ready(|_, _| Answer::Cut)).await;
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let mut config = server.config();
    config.endpoint = Some(dead);
    let error = DynamoStore::open(config).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
    assert!(error.message().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_service_that_answers_something_else_is_not_believed() {
    let server = Scripted::start(ready(|_, _| Answer::ok(json!("<html>welcome</html>")))).await;
    let store = server.open().await;
    let error = value(&store, "a").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{error:?}");
}

#[tokio::test]
async fn no_error_shows_the_secret_key_or_a_value() {
    let secret = "s3cretk3y";
    let server =
        Scripted::start(ready(|_, _| Answer::refusal(400, "InvalidSignatureException", "s3cretk3y"))).await;
    let mut config: DynamoConfig = server.config();
    config.credentials = Some(DynamoCredentials::new("AKIATEST", secret));
    let store = DynamoStore::open(config).await.unwrap();
    for (_, error) in errors(&store).await {
        assert!(!format!("{error} {error:?} {store:?}").contains(secret), "{error:?}");
    }
}

#[tokio::test]
async fn a_write_that_meets_itself_has_been_done() {
    // A proxy on the way may send a request twice: then the second meets what the first has written.
    let server = Scripted::start(ready(|_, body| {
        let mut met = json!({ "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException" });
        met["Item"] = body["Item"].clone();
        Answer::Json(400, met)
    }));
    let store = server.await.open().await;
    for mode in [PutMode::Create, PutMode::Update(Version::random())] {
        let entry = NewEntry::new("x");
        let version = entry.version();
        assert_eq!(store.put(Key::new(C, "a"), entry, mode).await.unwrap(), version);
    }
}

#[tokio::test]
async fn a_closed_store_sends_nothing() {
    let server = Scripted::start(ready(|_, _| Answer::Cut)).await;
    let store = server.open().await;
    store.close().await.unwrap();
    for (request, error) in errors_outer(&store).await {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Closed, Outcome::NotDone), "{request}");
        assert!(server.asked(request).is_empty(), "{request}");
    }
}

/// As `errors`, where batches fail as a whole.
async fn errors_outer(store: &DynamoStore) -> Vec<(&'static str, Error)> {
    let key = Key::new(C, "a");
    vec![
        ("GetItem", store.get(key).await.unwrap_err()),
        ("PutItem", store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap_err()),
        ("DeleteItem", store.take(key, None).await.unwrap_err()),
        ("BatchGetItem", store.get_many(&[key]).await.unwrap_err()),
        ("BatchWriteItem", store.put_many(vec![(key, NewEntry::new("x"))]).await.unwrap_err()),
        ("BatchWriteItem", store.delete_many(&[key]).await.unwrap_err()),
        ("Query", store.scan(Scan::one(C), None).await.unwrap_err()),
    ]
}

#[tokio::test]
async fn a_request_that_is_stuck_does_not_hold_up_the_others_and_close_waits_for_it() {
    let server = Scripted::start(ready(|operation, _| match operation {
        "GetItem" => Answer::Silence,
        _ => Answer::ok(json!({})),
    }));
    let mut config = server.await.config();
    config.timeout = Duration::from_secs(1);
    let store = DynamoStore::open(config).await.unwrap();
    let stuck = tokio::spawn({
        let store = store.clone();
        async move { value(&store, "a").await }
    });
    tokio::task::yield_now().await;
    store.put(Key::new(C, "a"), NewEntry::new("x"), PutMode::Replace).await.unwrap();
    tokio::time::timeout(PATIENCE, store.close()).await.unwrap().unwrap();
    let error = stuck.await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Closed), "{error}");
}
