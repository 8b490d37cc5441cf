//! What a store says of itself is so, and does not change.

use crate::testing::tools::{LAWS, Subject, empty, refused, siblings};
use crate::testing::{Harness, Shown};
use crate::{
    Capabilities, Consistency, ErrorKind, Judge, Key, Listing, NewEntry, PutMode, Scan, Store, Version,
};

/// The facts that a store tells of itself agree with each other.
pub async fn what_a_store_says_of_itself_agrees(h: &impl Harness) -> Shown {
    let store = h.empty().await;
    let told = store.capabilities();
    let Capabilities { backend, read_batch, write_batch, consistency, evicts, judge, durable, .. } = told;
    assert!(!backend.is_empty() && backend.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    assert!(*read_batch >= 1 && *write_batch >= 1, "a batch carries at least one key");
    assert!(told.max_value.is_none_or(|max| max > 0), "it takes no value at all");
    assert!(!(*durable && *judge == Judge::Process), "a process's clock cannot judge what outlives it");
    assert!(!(*evicts && *consistency == Consistency::Linearizable && *durable), "it keeps and drops");
    Ok(())
}

/// A store says the same of itself at any time and through any handle.
pub async fn a_store_says_the_same_of_itself_through_any_handle(h: &impl Harness) -> Shown {
    let (store, sibling) = siblings(h).await?;
    let before = store.capabilities().clone();
    store.set("a", "x").await;
    assert_eq!(*store.capabilities(), before);
    assert_eq!(*sibling.capabilities(), before);
    store.close().await.expect("a close");
    assert_eq!(*store.capabilities(), before);
    Ok(())
}

/// `scan` is `Unsupported` exactly where the capabilities say that the store cannot list.
pub async fn scan_is_unsupported_exactly_where_capabilities_say(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let answer = store.scan(Scan::one(LAWS), None).await;
    if store.capabilities().scan == Listing::No {
        refused(answer, ErrorKind::Unsupported);
    } else {
        assert!(answer.expect("a page").items.is_empty());
    }
    Ok(())
}

/// A store that says it takes no writes refuses each of them, as `Denied` or `Unsupported`; one that says it does takes them.
pub async fn writes_are_refused_exactly_where_capabilities_say(h: &impl Harness) -> Shown {
    let store = Subject(std::sync::Arc::new(h.empty().await));
    let key = Key::new(LAWS, "a");
    let mut answers = Vec::new();
    for mode in [PutMode::Create, PutMode::Replace] {
        answers.push(store.put(key, NewEntry::new("x"), mode).await.map(drop));
    }
    answers.extend(each(store.put_many(vec![(key, NewEntry::new("x"))]).await.map(forget)));
    answers.push(store.take(key, None).await.map(drop));
    answers.extend(each(store.delete_many(&[key]).await));
    if !store.capabilities().writable {
        answers.push(store.put(key, NewEntry::new("x"), PutMode::Update(Version::random())).await.map(drop));
    }
    for answer in answers {
        match answer {
            Ok(()) => assert!(store.capabilities().writable, "it took a write"),
            Err(error) => {
                assert!(!store.capabilities().writable, "{error}");
                assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unsupported), "{error}");
            }
        }
    }
    Ok(())
}

fn forget<T>(answers: Vec<crate::Result<T>>) -> Vec<crate::Result<()>> {
    answers.into_iter().map(|answer| answer.map(drop)).collect()
}

/// The answers of a batch; one for all if it failed as a whole.
fn each(answer: crate::Result<Vec<crate::Result<()>>>) -> Vec<crate::Result<()>> {
    answer.unwrap_or_else(|error| vec![Err(error)])
}
