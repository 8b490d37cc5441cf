//! Law 10: an error says what to do, where it happened and whether it was done; never the value.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use crate::testing::tools::{LAWS, Subject, empty, refused};
use crate::testing::{Harness, Shown};
use crate::{Cursor, Error, ErrorKind, Key, Listing, NewEntry, Outcome, PutMode, Scan, Store, Version};

/// What stands in every value of these laws and must stand in no text.
const MARK: &str = "marked-value-7f3a91";

/// Every refusal that can be had from a store without breaking anything, with the operation that it is of.
async fn refusals<S: Store>(store: &Subject<S>) -> Vec<(&'static str, Error)> {
    let key = Key::new(LAWS, "a");
    let entry = || NewEntry::new(MARK);
    let wrong = Version::random();
    store.put(key, entry(), PutMode::Replace).await.expect("a put");
    let mut errors = vec![
        ("put", refused(store.put(key, entry(), PutMode::Create).await, ErrorKind::AlreadyExists)),
        ("put", refused(store.put(key, entry(), PutMode::Update(wrong)).await, ErrorKind::Conflict)),
        (
            "put",
            refused(store.put(key, entry().ttl(Duration::ZERO), PutMode::Replace).await, ErrorKind::Invalid),
        ),
        ("take", refused(store.take(key, Some(wrong)).await, ErrorKind::Conflict)),
    ];
    if let Some(max) = store.capabilities().max_value.filter(|max| *max <= 32 << 20) {
        let large = Bytes::from(MARK.repeat(max / MARK.len() + 1));
        let answer = store.put(key, NewEntry::new(large), PutMode::Replace).await;
        errors.push(("put", refused(answer, ErrorKind::TooLarge)));
    }
    errors
}

/// A refusal names its kind, the operation and the key, as the caller wrote it.
pub async fn a_refusal_names_kind_operation_and_key(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for (operation, error) in refusals(&store).await {
        assert_eq!(error.operation(), Some(operation), "{error}");
        assert_eq!(error.key(), Some("laws/a"), "{error}");
        assert!(error.to_string().contains(error.kind().as_str()), "{error}");
        assert!(!error.message().is_empty() && !error.message().ends_with('.'), "{error}");
    }
    Ok(())
}

/// A refusal says that nothing was done.
pub async fn a_refusal_says_that_nothing_was_done(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for (_, error) in refusals(&store).await {
        assert_eq!(error.outcome(), Outcome::NotDone, "{error}");
        assert!(!error.is_retryable(), "{error}");
    }
    store.close().await.expect("a close");
    let error = refused(store.get(Key::new(LAWS, "a")).await, ErrorKind::Closed);
    assert_eq!(error.outcome(), Outcome::NotDone);
    Ok(())
}

/// A refused scan names the operation.
pub async fn a_refused_scan_names_the_operation(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let cursor = Cursor::from_bytes("none");
    let kind =
        if store.capabilities().scan == Listing::No { ErrorKind::Unsupported } else { ErrorKind::Invalid };
    for (limit, cursor) in [(0, None), (10, Some(&cursor))] {
        let error = refused(store.scan(Scan::one(LAWS).limit(limit), cursor).await, kind);
        assert_eq!((error.operation(), error.outcome()), (Some("scan"), Outcome::NotDone), "{error}");
    }
    Ok(())
}

/// No text of a refusal shows a value, neither the one offered nor the one stored.
pub async fn no_refusal_shows_a_value(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for (_, error) in refusals(&store).await {
        let text = everything_said(&error);
        assert!(!text.contains(MARK), "the value stands in: {error}");
        let bytes: Vec<_> = MARK.bytes().map(|byte| byte.to_string()).collect();
        assert!(!text.contains(&bytes.join(", ")), "the bytes of the value stand in: {error}");
    }
    Ok(())
}

/// Each text of an error and of all its causes.
fn everything_said(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {}", error.message());
    let mut cause = error.source();
    while let Some(source) = cause {
        let _ = write!(text, " {source} {source:?}"); // a String takes everything
        cause = source.source();
    }
    text
}

/// Neither a store nor what it hands out shows a value by `Debug`.
pub async fn debug_shows_no_value(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set("a", MARK).await;
    let entry = store.read("a").await;
    let text = format!("{:?} {:#?} {entry:?} {:?}", *store.0, *store.0, NewEntry::new(MARK));
    assert!(!text.contains(MARK), "{text}");
    Ok(())
}

/// A long key is cut in an error, a hostile one escaped.
pub async fn a_long_or_hostile_key_is_cut_and_escaped_in_an_error(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for id in ["x".repeat(100_000), "\n\u{1b}[31m".repeat(100)] {
        let key = Key::new(LAWS, &id);
        let error = refused(store.create_twice(key).await, ErrorKind::AlreadyExists);
        let named = error.key().expect("a key");
        assert!(named.chars().count() <= 80 && named.starts_with("laws/"), "{named}");
        assert!(!error.to_string().chars().any(char::is_control), "{error}");
    }
    Ok(())
}

impl<S: Store> Subject<S> {
    /// Creates an entry twice.
    async fn create_twice(&self, key: Key<'_>) -> crate::Result<Version> {
        self.0.put(key, NewEntry::new("x"), PutMode::Create).await.expect("a create");
        self.0.put(key, NewEntry::new("x"), PutMode::Create).await
    }
}

/// In a batch too a refusal names the key that it is of.
pub async fn a_refusal_in_a_batch_names_its_key(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let entries = [("a", None), ("b", Some(Duration::ZERO))];
    let entries = entries.map(|(id, ttl)| (Key::new(LAWS, id), NewEntry::new(MARK).ttl(ttl)));
    let answers = store.put_many(entries.into()).await.expect("each entry answers for itself");
    let error = answers.into_iter().find_map(Result::err).expect("a ttl of zero is refused");
    assert_eq!((error.kind(), error.key()), (ErrorKind::Invalid, Some("laws/b")));
    assert!(error.operation().is_some(), "{error}");
    assert!(!everything_said(&error).contains(MARK));
    Ok(())
}
