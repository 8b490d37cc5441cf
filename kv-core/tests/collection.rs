//! Typed collections on a store in memory.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::time::Duration;

use kv_core::{
    AnyStore, Clock, Collection, ErrorKind, Key, Meta, NewEntry, Outcome, PutMode, Store, StoreExt,
    Unreadable,
};
use kv_memory::{MemoryConfig, MemoryStore};
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Token {
    user: String,
    #[serde(default)]
    uses: u64,
}

fn token(user: &str) -> Token {
    Token { user: user.to_owned(), uses: 0 }
}

fn memory(clock: &Clock) -> AnyStore {
    MemoryStore::open(MemoryConfig::default().clock(clock.clone())).unwrap().erased()
}

fn tokens() -> Collection<Token> {
    memory(&Clock::manual()).collection("tokens")
}

/// Writes bytes that are no token, with this codec's number.
async fn plant(tokens: &Collection<Token>, id: &str, bytes: &'static [u8], codec: u16) {
    let entry = NewEntry::new(bytes).meta(Meta::codec(codec));
    tokens.store().put(Key::new("tokens", id), entry, PutMode::Replace).await.unwrap();
}

#[tokio::test]
async fn values_come_back_as_they_were_put() {
    let tokens = tokens();
    assert_eq!(tokens.get("a").await.unwrap(), None);
    let version = tokens.put("a", &token("ada")).await.unwrap();
    let found = tokens.get_entry("a").await.unwrap().unwrap();
    assert_eq!((found.value, found.version, found.ttl), (token("ada"), version, None));
    assert_eq!(tokens.create("a", &token("bob")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    tokens.update("a", &token("eve"), version).await.unwrap();
    assert_eq!(tokens.update("a", &token("bob"), version).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(tokens.take("a").await.unwrap(), Some(token("eve")));
    assert_eq!(tokens.take("a").await.unwrap(), None);
    tokens.create("b", &token("bob")).await.unwrap();
    assert!(tokens.exists("b").await.unwrap());
    tokens.delete("b").await.unwrap();
    assert!(!tokens.exists("b").await.unwrap());
}

#[tokio::test]
async fn what_is_stored_is_json_with_its_number() {
    let tokens = tokens();
    tokens.put("a", &token("ada")).await.unwrap();
    let entry = tokens.store().get(Key::new("tokens", "a")).await.unwrap().unwrap();
    assert_eq!(entry.value, r#"{"user":"ada","uses":0}"#);
    assert_eq!(entry.meta.codec, 1);
}

#[tokio::test]
async fn a_new_field_reads_old_entries() {
    let tokens = tokens();
    plant(&tokens, "old", br#"{"user":"ada","gone":true}"#, 1).await;
    assert_eq!(tokens.get("old").await.unwrap(), Some(token("ada")));
}

#[cfg(feature = "cbor")]
#[tokio::test]
async fn reading_goes_by_the_codec_of_the_entry() {
    let json = tokens();
    let cbor = json.clone().cbor();
    json.put("j", &token("ada")).await.unwrap();
    cbor.put("c", &token("bob")).await.unwrap();
    assert_eq!(cbor.get("j").await.unwrap(), Some(token("ada")));
    let found = json.get_entry("c").await.unwrap().unwrap();
    assert_eq!((found.value, found.meta.codec), (token("bob"), 2));
    json.update_with("c", |old| old).await.unwrap();
    assert_eq!(json.get_entry("c").await.unwrap().unwrap().meta.codec, 1, "rewritten as JSON");
}

#[tokio::test]
async fn batches_and_listings_are_typed() {
    let tokens = tokens();
    let values = [("b", token("bob")), ("a", token("ada")), ("a", token("eve"))];
    for answer in tokens.put_many(&values).await.unwrap() {
        answer.unwrap();
    }
    let read = tokens.get_many(&["a", "x", "b", "a"]).await.unwrap();
    let users: Vec<_> = read.into_iter().map(|answer| answer.unwrap().map(|token| token.user)).collect();
    assert_eq!(users, [Some("eve".to_owned()), None, Some("bob".to_owned()), Some("eve".to_owned())]);
    let first = tokens.list("", 1, None).await.unwrap();
    assert_eq!(first.items[0].0, "a");
    let second = tokens.list("", 1, first.next.as_ref()).await.unwrap();
    assert_eq!((second.items[0].0.as_str(), &second.items[0].1.value), ("b", &token("bob")));
    let mut ids = tokens.ids("b");
    assert_eq!(ids.next().await.unwrap().unwrap().id, "b");
    assert!(ids.next().await.unwrap().is_none());
}

#[tokio::test]
async fn the_ttl_is_the_collections_unless_a_write_names_its_own() {
    let clock = Clock::manual();
    let tokens = memory(&clock).collection::<Token>("tokens").ttl(HOUR);
    let ttl = async |id: &str| tokens.get_entry(id).await.unwrap().unwrap().ttl;
    tokens.put("a", &token("ada")).await.unwrap();
    tokens.put_for("b", &token("ada"), HOUR / 2).await.unwrap();
    tokens.put_for("c", &token("ada"), None).await.unwrap();
    tokens.create_for("d", &token("ada"), HOUR / 4).await.unwrap();
    assert_eq!(
        [ttl("a").await, ttl("b").await, ttl("c").await, ttl("d").await],
        [Some(HOUR), Some(HOUR / 2), None, Some(HOUR / 4)]
    );
    clock.advance(HOUR + Duration::from_millis(50));
    assert_eq!(tokens.get("a").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_tags_and_what_was_left_or_takes_the_collections_ttl() {
    let clock = Clock::manual();
    let tokens = memory(&clock).collection::<Token>("tokens");
    let mut meta = Meta::codec(1);
    meta.tags = vec![("users".into(), [7; 16])];
    let entry = NewEntry::new(r#"{"user":"ada"}"#).meta(meta.clone()).ttl(HOUR);
    tokens.store().put(Key::new("tokens", "a"), entry, PutMode::Replace).await.unwrap();
    clock.advance(HOUR / 2);
    let used = |old: Option<Token>| old.map(|token| Token { uses: token.uses + 1, ..token });
    assert_eq!(tokens.update_with("a", used).await.unwrap().unwrap().uses, 1);
    let found = tokens.get_entry("a").await.unwrap().unwrap();
    assert_eq!((found.ttl, &found.meta), (Some(HOUR / 2), &meta));
    tokens.clone().ttl(HOUR).update_with("a", used).await.unwrap();
    assert_eq!(tokens.get_entry("a").await.unwrap().unwrap().ttl, Some(HOUR));
}

#[tokio::test]
async fn an_update_creates_removes_or_leaves_absent() {
    let tokens = tokens();
    assert_eq!(tokens.update_with("a", |old| old).await.unwrap(), None);
    assert_eq!(tokens.update_with("a", |_| Some(token("ada"))).await.unwrap(), Some(token("ada")));
    assert_eq!(tokens.update_with("a", |_| None).await.unwrap(), None);
    assert_eq!(tokens.get("a").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_racing_updaters_none_loses_a_count() {
    let tokens = memory(&Clock::system()).collection::<u64>("counts");
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    tokens.update_with("n", |count| Some(count.unwrap_or(0) + 1)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(tokens.get("n").await.unwrap(), Some(64 * 20));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_always_meets_another_writer_gives_up_as_conflict() {
    let tokens = tokens();
    let other = tokens.clone();
    let mut tries = 0;
    let error = tokens
        .update_with("a", |_| {
            tries += 1;
            // Another writer gets in between each time; memory answers at once, so this needs no waiting.
            let write = std::pin::pin!(async { other.put("a", &token("bob")).await });
            assert!(answers_at_once(write), "memory answers without waiting");
            Some(token("ada"))
        })
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.operation(), tries), (ErrorKind::Conflict, Some("update_with"), 64));
    assert_eq!(tokens.get("a").await.unwrap(), Some(token("bob")));
}

#[tokio::test]
async fn what_an_update_removes_was_removed_by_nobody_else() {
    let tokens = tokens();
    let other = tokens.clone();
    tokens.put("code", &token("ada")).await.unwrap();
    let mut seen = Vec::new();
    let removed = tokens.update_with("code", |old| {
        if seen.is_empty() {
            let take = std::pin::pin!(async { other.take("code").await });
            assert!(answers_at_once(take), "memory answers without waiting");
        }
        seen.push(old.is_some());
        None
    });
    assert_eq!(removed.await.unwrap(), None);
    assert_eq!(seen, [true, false], "who was slower has to see that nothing is left to remove");
}

/// Polls twice, since memory yields now and then; whether that was enough.
fn answers_at_once(mut future: std::pin::Pin<&mut impl Future>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    (0..2).any(|_| future.as_mut().poll(&mut context).is_ready())
}

#[tokio::test]
async fn an_unreadable_entry_is_an_error_that_does_not_quote_it() {
    let tokens = tokens();
    plant(&tokens, "type", br#"{"user":"s3cret","uses":"s3cret"}"#, 1).await;
    plant(&tokens, "plain", br#"{"user":"s3cret"}"#, 0).await;
    plant(&tokens, "later", b"s3cret", 99).await;
    for id in ["type", "plain", "later"] {
        let error = tokens.get(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{id}");
        assert_eq!(error.key(), Some(format!("tokens/{id}").as_str()));
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(tokens.update_with(id, |_| None).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(tokens.create(id, &token("ada")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
    assert!(tokens.list("", 10, None).await.is_err());
}

#[tokio::test]
async fn what_is_taken_and_cannot_be_read_is_gone_and_that_is_said() {
    let tokens = tokens();
    plant(&tokens, "a", b"no json", 1).await;
    let error = tokens.take("a").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Corrupt, Outcome::Unknown));
    assert!(!tokens.exists("a").await.unwrap());
}

/// Faults are in the feature `testing`.
#[cfg(feature = "testing")]
#[tokio::test]
async fn what_is_removed_is_gone_though_the_store_cannot_read_it_or_it_is_an_error() {
    use kv_core::testing::{Fault, Faults, Faulty};

    let corrupt = ErrorKind::Corrupt;
    for (fault, removed) in [
        (None, Ok(true)),
        (Some(Fault::refused(corrupt)), Ok(true)), // it takes nothing that it cannot read
        (Some(Fault::lost(corrupt)), Ok(true)),    // it took it first
        (Some(Fault::vanished(corrupt)), Err(corrupt)), // it failed halfway, and nothing was done
        (Some(Fault::refused(ErrorKind::Denied)), Err(ErrorKind::Denied)),
    ] {
        let faults = Faults::none();
        let store = Faulty::new(memory(&Clock::manual()), &faults);
        let tokens: Collection<Token, _> = Collection::new(store, "tokens");
        assert!(!tokens.remove("a").await.unwrap());
        tokens.put("a", &token("ada")).await.unwrap();
        if let Some(fault) = fault {
            faults.next("take", fault);
        }
        let told = tokens.remove("a").await.map_err(|error| error.kind());
        assert_eq!(told, removed);
        assert_eq!(tokens.exists("a").await.unwrap(), removed.is_err(), "{removed:?}");
    }
}

/// Faults are in the feature `testing`.
#[cfg(feature = "testing")]
#[tokio::test(start_paused = true)]
async fn an_update_prolongs_nothing_by_the_time_that_it_takes() {
    use kv_core::testing::{Fault, Faults, Faulty};

    let (clock, faults) = (Clock::manual(), Faults::none());
    let store = Faulty::new(memory(&clock), &faults);
    let tokens: Collection<Token, _> = Collection::new(store.clone(), "tokens");
    let key = Key::new("tokens", "a");
    let entry = NewEntry::new(r#"{"user":"ada","uses":0}"#).ttl(Duration::from_secs(60)).meta(Meta::codec(1));
    store.put(key, entry, PutMode::Create).await.unwrap();
    let ttl = async || store.get(key).await.unwrap().unwrap().ttl.unwrap();
    // The clock of the store stands still, so that all of it is the way.
    faults.next("get", Fault::delayed(Duration::from_millis(20)));
    tokens.update_with("a", |found| found).await.unwrap();
    assert_eq!(ttl().await, Duration::from_millis(59_980));
    faults.next("get", Fault::delayed(Duration::from_millis(20)));
    store.update_with(key, |value| value).await.unwrap();
    assert_eq!(ttl().await, Duration::from_millis(59_960));
    faults.next("get", Fault::delayed(Duration::from_secs(99)));
    store.update_with(key, |value| value).await.unwrap();
    assert_eq!(ttl().await, Duration::from_millis(59_935), "most of that was not the way");
}

/// Faults are in the feature `testing`.
#[cfg(feature = "testing")]
#[tokio::test]
async fn an_update_that_may_have_been_done_is_not_made_once_more() {
    use kv_core::testing::{Fault, Faults, Faulty};

    let faults = Faults::none();
    let store = Faulty::new(memory(&Clock::manual()), &faults);
    let key = Key::new("c", "n");
    store.put(key, NewEntry::new("1"), PutMode::Create).await.unwrap();
    faults.next("put", Fault::lost(ErrorKind::Conflict));
    let error = store.update_with(key, |value| value).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict, Outcome::Unknown));
}

/// Faults are in the feature `testing`.
#[cfg(feature = "testing")]
#[tokio::test]
async fn a_creation_that_may_have_been_done_is_not_made_once_more() {
    use kv_core::testing::{Fault, Faults, Faulty};

    for kind in [ErrorKind::Corrupt, ErrorKind::AlreadyExists] {
        let (held, faults) = (memory(&Clock::manual()), Faults::none());
        let store = Faulty::new(held.clone(), &faults);
        let tokens: Collection<Token, _> = Collection::new(store, "tokens").unreadable(Unreadable::Miss);
        faults.next("put", Fault::vanished(kind)); // it may be there, and may have been taken since
        let error = tokens.create("a", &token("ada")).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::Unknown));
        assert!(!held.exists(Key::new("tokens", "a")).await.unwrap());
    }
}

/// Faults are in the feature `testing`.
#[cfg(all(feature = "testing", feature = "compress"))]
#[tokio::test(start_paused = true)]
async fn what_another_writes_in_place_of_an_unreadable_entry_stays() {
    use kv_core::testing::{Fault, Faults, Faulty};

    let (below, faults) = (memory(&Clock::manual()), Faults::none());
    plant(&Collection::<Token, _>::new(below.clone(), "tokens"), "a", b"not packed", 1).await;
    let tokens = |store| Collection::<Token, _>::new(store, "tokens").unreadable(Unreadable::Miss);
    let (slow, other) = (
        tokens(Faulty::new(below.clone(), &faults).erased().compressed().erased()),
        tokens(below.erased().compressed().erased()),
    );
    faults.next("take", Fault::delayed(Duration::from_millis(10)));
    let late = token("late");
    let (created, others) = tokio::join!(slow.create("a", &late), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        other.create("a", &token("early")).await.unwrap();
        other.get_entry("a").await.unwrap().unwrap()
    });
    assert_eq!(created.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(other.get_entry("a").await.unwrap(), Some(others), "not removed and put back");
}

#[tokio::test]
async fn an_unreadable_entry_counts_as_absent_where_that_is_asked_for() {
    let tokens = tokens().unreadable(Unreadable::Miss);
    for id in ["a", "b", "c", "d"] {
        plant(&tokens, id, b"no json", 1).await;
    }
    assert_eq!(tokens.get("a").await.unwrap(), None);
    assert!(tokens.get_many(&["a"]).await.unwrap()[0].as_ref().unwrap().is_none());
    assert!(tokens.list("", 10, None).await.unwrap().items.is_empty());
    tokens.create("a", &token("ada")).await.unwrap();
    assert_eq!(tokens.create("a", &token("bob")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(tokens.update_with("b", |old| old.or(Some(token("bob")))).await.unwrap(), Some(token("bob")));
    assert_eq!(tokens.take("c").await.unwrap(), None);
    assert!(!tokens.exists("c").await.unwrap(), "a take removes it all the same");
    tokens.put("d", &token("eve")).await.unwrap();
    assert_eq!(tokens.get("d").await.unwrap(), Some(token("eve")));
}

/// What a store below calls `Corrupt`, as encryption does with a foreign key; here compression with foreign bytes.
#[cfg(feature = "compress")]
mod corrupt_below {
    use bytes::Bytes;

    use super::{Clock, ErrorKind, Key, NewEntry, PutMode, Store, StoreExt, Unreadable, memory, token};

    #[tokio::test]
    async fn counts_as_absent_too_and_is_written_over() {
        let bare = memory(&Clock::manual());
        for id in ["get", "create", "update", "take"] {
            let foreign = NewEntry::new(Bytes::from_static(b"\xff foreign"));
            bare.put(Key::new("tokens", id), foreign, PutMode::Replace).await.unwrap();
        }
        let store = bare.compressed().erased();
        let strict = store.collection("tokens");
        assert_eq!(strict.get("get").await.map(|_: Option<u8>| ()).unwrap_err().kind(), ErrorKind::Corrupt);
        let tokens = store.collection("tokens").unreadable(Unreadable::Miss);
        tokens.put("good", &token("eve")).await.unwrap();
        let listed = tokens.list("g", 10, None).await.unwrap();
        let listed: Vec<_> = listed.items.into_iter().map(|(id, found)| (id, found.value)).collect();
        assert_eq!(listed, [("good".to_owned(), token("eve"))]);
        assert_eq!(
            strict.list("", 10, None).await.map(drop::<kv_core::Listed<u8>>).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
        assert_eq!(tokens.get("get").await.unwrap(), None);
        tokens.create("create", &token("ada")).await.unwrap();
        tokens.update_with("update", |old| old.or(Some(token("bob")))).await.unwrap();
        assert_eq!(tokens.take("take").await.unwrap(), None);
        let read = tokens.get_many(&["create", "update", "take"]).await.unwrap();
        let read: Vec<_> = read.into_iter().map(Result::unwrap).collect();
        assert_eq!(read, [Some(token("ada")), Some(token("bob")), None]);
    }
}
