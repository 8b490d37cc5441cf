//! Who may ask, and who answers.

use std::fmt::Write as _;

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_elastic::{Credentials, ElasticConfig, ElasticStore};
use serde_json::json;

use crate::fake::{Asked, Fake, exception, root};

fn refuse_unless(asked: &Asked, authorization: &str) -> Option<(u16, serde_json::Value)> {
    let known = asked.authorization.as_deref() == Some(authorization);
    (!known).then(|| exception(401, "security_exception", "unable to authenticate user [ann]"))
}

#[tokio::test]
async fn a_password_is_sent_and_a_wrong_one_is_denied() {
    let fake = Fake::start(|asked| refuse_unless(asked, "Basic YW5uOmh1bnRlcjI=")).await;
    let with = |password: &str| {
        let mut config = fake.config();
        config.credentials = Credentials::Basic { user: "ann".to_owned(), password: password.to_owned() };
        config
    };
    let store = ElasticStore::open(with("hunter2")).await.unwrap();
    store.put(Key::new("c", "i"), NewEntry::new("x"), PutMode::Replace).await.unwrap();
    for config in [with("secret-guess"), fake.config()] {
        let error = ElasticStore::open(config).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone));
        let shown = format!("{error} {error:?} {store:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("secret-guess"), "{shown}");
    }
}

#[tokio::test]
async fn an_api_key_is_sent_as_one() {
    let fake = Fake::start(|asked| refuse_unless(asked, "ApiKey a2V5")).await;
    let text = format!("elasticsearch://:a2V5@{}", fake.host);
    let mut url = kv_core::StoreUrl::parse(&text).unwrap();
    ElasticStore::open(ElasticConfig::from_url(&mut url).unwrap()).await.unwrap();
    let mut config = fake.config();
    config.credentials = Credentials::ApiKey("line\nbreak".to_owned());
    assert_eq!(ElasticStore::open(config).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_missing_right_is_denied_and_nothing_was_done() {
    let fake = Fake::start(|asked| {
        let write = asked.path.contains("/_doc/") || asked.path.contains("/_bulk");
        write.then(|| exception(403, "security_exception", "action is unauthorized for user [ann]"))
    })
    .await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let key = Key::new("c", "i");
    let put = store.put(key, NewEntry::new("x"), PutMode::Replace).await.unwrap_err();
    let get = store.get(key).await.unwrap_err();
    let take = store.take(key, None).await.unwrap_err();
    let batch = store.put_many(vec![(key, NewEntry::new("x"))]).await.unwrap().remove(0).unwrap_err();
    for error in [put, get, take, batch] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error}");
        assert_eq!(error.key(), Some("c/i"));
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_or_something_else_is_refused_with_its_name() {
    for (answer, text) in [
        (root("6.8.23", None), "Elasticsearch 6.8.23 is too old"),
        (json!({ "couchdb": "Welcome", "version": "3.3.3" }), "neither Elasticsearch nor OpenSearch"),
    ] {
        let fake = Fake::start(move |asked| (asked.path == "/").then(|| (200, answer.clone()))).await;
        let error = ElasticStore::open(fake.config()).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Invalid, Some("open")));
        assert!(error.message().contains(text), "{error}");
    }
}

#[tokio::test]
async fn where_the_body_limit_may_not_be_asked_for_it_is_taken_to_be_small() {
    let fake = Fake::start(|asked| {
        asked.path.starts_with("/_nodes").then(|| exception(403, "security_exception", "no monitor"))
    })
    .await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let max = store.capabilities().max_value.unwrap();
    assert!(((7 << 20)..(10 << 20) / 4 * 3).contains(&max), "{max}");
}

#[tokio::test]
async fn what_the_server_says_of_a_value_is_not_repeated() {
    let fake = Fake::start(|asked| {
        let said = "failed to parse field [value]. Preview of field's value: 'hunter2'";
        asked.path.contains("/_doc/").then(|| exception(400, "mapper_parsing_exception", said))
    })
    .await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let error = store.put(Key::new("c", "i"), NewEntry::new("hunter2"), PutMode::Replace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        let _ = write!(text, " {source} {source:?}"); // a String takes everything
        cause = source.source();
    }
    assert!(text.contains("mapper_parsing_exception") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_busy_server_is_throttled_and_the_write_was_not_done() {
    let fake = Fake::start(|asked| {
        let busy = exception(429, "es_rejected_execution_exception", "rejected execution");
        asked.path.contains("/_update/").then_some(busy)
    })
    .await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    let error = store.put(Key::new("c", "i"), NewEntry::new("x"), PutMode::Create).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::NotDone));
    assert!(error.is_retryable());
    assert_eq!(fake.writes().len(), 1, "the backend repeats nothing by itself");
}
