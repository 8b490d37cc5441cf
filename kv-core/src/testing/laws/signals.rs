//! Wake-ups and news of changes: lossy, so a law sends again until it hears, but never on the wrong line.

use std::time::Instant;

use bytes::Bytes;

use crate::testing::tools::{LAWS, Subject, empty, ms, needs, refused, siblings};
use crate::testing::{Harness, Shown, Skipped};
use crate::{Change, Changes, ErrorKind, Key, NewEntry, PutMode, Result, Signal, Signals, Store};

async fn signalling<H: Harness>(h: &H) -> Result<Subject<H::Store>, Skipped> {
    let store = empty(h).await?;
    needs(store.capabilities().signals, "carries no signals")?;
    Ok(store)
}

/// Sends on `topic` until `listener` hears a message; what it heard.
async fn heard<H: Harness>(
    h: &H,
    store: &Subject<H::Store>,
    topic: &str,
    message: &str,
    listener: &mut Signals,
) -> Bytes {
    let until = Instant::now() + h.size().patience;
    while Instant::now() < until {
        store.signal(topic, Bytes::from(message.to_owned())).await.expect("a signal");
        let wait = tokio::time::timeout(ms(500), listener.next()).await;
        match wait {
            Ok(Some(Signal::Message(heard))) => return heard,
            Ok(Some(Signal::Gap)) | Err(_) => {}
            Ok(None) => panic!("the subscription ended"),
        }
    }
    panic!("nothing was heard on {topic:?}");
}

/// A signal reaches each subscriber of its topic.
pub async fn a_signal_reaches_each_subscriber_of_its_topic(h: &impl Harness) -> Shown {
    let store = signalling(h).await?;
    let mut listeners =
        [store.signals("t").await, store.signals("t").await].map(|signals| signals.expect("one"));
    for listener in &mut listeners {
        assert_eq!(heard(h, &store, "t", "wake", listener).await, "wake");
    }
    Ok(())
}

/// A signal sent through one handle reaches who listens at another.
pub async fn a_signal_reaches_other_handles(h: &impl Harness) -> Shown {
    let (here, there) = siblings(h).await?;
    needs(here.capabilities().signals, "carries no signals")?;
    let mut listener = there.signals("t").await.expect("a subscription");
    assert_eq!(heard(h, &here, "t", "wake", &mut listener).await, "wake");
    Ok(())
}

/// A signal reaches its own topic alone, whatever characters topics hold.
pub async fn a_signal_reaches_no_other_topic(h: &impl Harness) -> Shown {
    let store = signalling(h).await?;
    let topics = ["", "a", "A", "ab", "a/b", "a:b", "a*", "*", "a?", "[a]", "a%2Fb", "a\0", "é", "e\u{301}"];
    let mut listeners = Vec::new();
    for topic in topics {
        listeners.push(store.signals(topic).await.expect("a subscription"));
    }
    for topic in topics {
        store.signal(topic, Bytes::from(topic)).await.expect("a signal");
    }
    for (topic, listener) in topics.into_iter().zip(&mut listeners) {
        assert_eq!(heard(h, &store, topic, topic, listener).await, topic);
    }
    Ok(())
}

/// A message of 1 KiB is carried whole, an empty one too; a longer one is `Invalid`.
pub async fn a_signal_above_1_kib_is_invalid(h: &impl Harness) -> Shown {
    let store = signalling(h).await?;
    for (topic, size) in [("empty", 0), ("largest", Signal::MAX_BYTES)] {
        let mut listener = store.signals(topic).await.expect("a subscription");
        let message = "x".repeat(size);
        assert_eq!(heard(h, &store, topic, &message, &mut listener).await, message);
    }
    let message = Bytes::from(vec![b'x'; Signal::MAX_BYTES + 1]);
    refused(store.signal("t", message).await, ErrorKind::Invalid);
    Ok(())
}

/// A dropped subscription takes nobody else's with it, however many there were.
pub async fn dropping_a_subscription_ends_no_other(h: &impl Harness) -> Shown {
    let store = signalling(h).await?;
    let mut kept = store.signals("t").await.expect("a subscription");
    for _ in 0..200 {
        drop(store.signals("t").await.expect("a subscription"));
    }
    let other = store.signals("other").await.expect("a subscription");
    drop(other);
    assert_eq!(heard(h, &store, "t", "wake", &mut kept).await, "wake");
    Ok(())
}

/// Closing the store ends its subscriptions.
pub async fn close_ends_subscriptions(h: &impl Harness) -> Shown {
    let store = signalling(h).await?;
    let mut listener = store.signals("t").await.expect("a subscription");
    store.close().await.expect("a close");
    let end = async { while listener.next().await.is_some() {} };
    tokio::time::timeout(h.size().patience, end).await.expect("the subscription outlives the store");
    Ok(())
}

/// A store that carries no signals says `Unsupported`; one that does says so in its capabilities.
pub async fn signals_are_unsupported_exactly_where_capabilities_say(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let told = [store.signal("t", Bytes::new()).await.err(), store.signals("t").await.err()];
    for error in told {
        let expected = (!store.capabilities().signals).then_some(ErrorKind::Unsupported);
        assert_eq!(error.map(|error| error.kind()), expected);
    }
    let expected = (!store.capabilities().changes).then_some(ErrorKind::Unsupported);
    assert_eq!(store.changes().await.err().map(|error| error.kind()), expected);
    Ok(())
}

async fn telling<H: Harness>(h: &H) -> Result<Subject<H::Store>, Skipped> {
    let store = empty(h).await?;
    needs(store.capabilities().changes, "does not tell what changed")?;
    Ok(store)
}

async fn next(h: &impl Harness, changes: &mut Changes) -> Option<Change> {
    tokio::time::timeout(h.size().patience, changes.next()).await.expect("no news")
}

/// News of changes begin with "anything may have changed".
pub async fn news_of_changes_begin_with_all(h: &impl Harness) -> Shown {
    let store = telling(h).await?;
    for _ in 0..2 {
        let mut changes = store.changes().await.expect("a subscription");
        assert_eq!(next(h, &mut changes).await, Some(Change::All));
        store.set("a", "x").await;
    }
    Ok(())
}

/// A key written, replaced, taken or deleted through another handle is told by name, or all is.
pub async fn a_change_through_another_handle_is_told(h: &impl Harness) -> Shown {
    let (here, there) = siblings(h).await?;
    needs(here.capabilities().changes, "does not tell what changed")?;
    let mut changes = there.changes().await.expect("a subscription");
    assert_eq!(next(h, &mut changes).await, Some(Change::All));
    let key = Key::new(LAWS, "a/b: é");
    for step in 0..5 {
        there.get(key).await.expect("a get"); // some servers tell only of what was read
        match step {
            0 | 3 => drop(here.put(key, NewEntry::new("x"), PutMode::Replace).await.expect("a put")),
            1 => drop(here.put_many(vec![(key, NewEntry::new("y"))]).await.expect("a batch")),
            2 => drop(here.take(key, None).await.expect("a take")),
            _ => drop(here.delete_many(&[key]).await.expect("a batch")),
        }
        told(h, &mut changes, key).await;
    }
    Ok(())
}

async fn told(h: &impl Harness, changes: &mut Changes, key: Key<'_>) {
    loop {
        match next(h, changes).await.expect("the subscription ended") {
            Change::All => return,
            Change::Key { collection, id } if (&*collection, &*id) == (key.collection, key.id) => return,
            Change::Key { .. } => {}
        }
    }
}

/// Closing the store ends its news of changes.
pub async fn close_ends_news_of_changes(h: &impl Harness) -> Shown {
    let store = telling(h).await?;
    let mut changes = store.changes().await.expect("a subscription");
    store.close().await.expect("a close");
    let end = async { while changes.next().await.is_some() {} };
    tokio::time::timeout(h.size().patience, end).await.expect("the subscription outlives the store");
    Ok(())
}
