//! What is read is copied, as it was and for as long as it may.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{Consistency, ErrorKind, Key, Meta, NewEntry, PutMode, Store as _};

use crate::bench::{Bench, KEY, bench, put, value};

#[tokio::test]
async fn what_was_read_once_is_answered_from_here_as_it_was() {
    let Bench { clock, far, near } = bench(false);
    let mut meta = Meta::codec(9);
    meta.tags = vec![("tag".into(), [7; 16])];
    let entry = NewEntry::new("value").ttl(Duration::from_secs(60)).meta(meta);
    near.put(KEY, entry, PutMode::Create).await.unwrap();
    let first = near.get(KEY).await.unwrap().unwrap();
    clock.advance(Duration::from_secs(1));
    let mut second = near.get(KEY).await.unwrap().unwrap();
    assert_eq!(far.asked(), 1);
    assert_eq!(second.ttl, Some(Duration::from_secs(59)));
    second.ttl = first.ttl;
    assert_eq!(second, first);
    assert_eq!(far.get(KEY).await.unwrap().unwrap().version, second.version);
}

#[tokio::test]
async fn a_copy_is_used_for_the_near_ttl_and_the_entrys_own() {
    let Bench { clock, far, near } = bench(false);
    put(&far, "long", "1").await;
    let short = NewEntry::new("1").ttl(Duration::from_secs(2));
    far.put(Key::new("c", "short"), short, PutMode::Replace).await.unwrap();
    value(&near, "long").await;
    value(&near, "short").await;
    put(&far, "long", "2").await;
    clock.advance(Duration::from_millis(1_999));
    assert_eq!(value(&near, "short").await, Some("1".into()));
    clock.advance(Duration::from_millis(2));
    assert_eq!(value(&near, "short").await, None);
    clock.advance(Duration::from_millis(2_998));
    assert_eq!(value(&near, "long").await, Some("1".into()), "nobody told");
    clock.advance(Duration::from_millis(2));
    assert_eq!(value(&near, "long").await, Some("2".into()), "5 s at most");
}

#[tokio::test]
async fn while_the_store_is_away_a_batch_still_has_what_is_here() {
    let Bench { far, near, .. } = bench(false);
    put(&far, "here", "1").await;
    value(&near, "here").await;
    *far.broken.lock().unwrap() = Some(ErrorKind::Unavailable);
    let keys = ["away", "here", "away"].map(|id| Key::new("c", id));
    let answers = near.get_many(&keys).await.unwrap();
    let kinds: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().err().map(kv_core::Error::kind)).collect();
    assert_eq!(kinds, [Some(ErrorKind::Unavailable), None, Some(ErrorKind::Unavailable)]);
    let nothing_here = near.get_many(&keys[..1]).await;
    assert_eq!(nothing_here.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_batch_asks_only_for_what_is_not_here_and_keeps_its_order() {
    let Bench { far, near, .. } = bench(false);
    let ids: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    for id in &ids {
        far.put(Key::new("c", id), NewEntry::new(id.clone()), PutMode::Replace).await.unwrap();
    }
    for id in ids.iter().step_by(2) {
        value(&near, id).await;
    }
    far.asked();
    let keys: Vec<_> =
        ids.iter().chain(&ids).map(|id| Key::new("c", id)).chain([Key::new("c", "none")]).collect();
    for asked in [11, 1] {
        let answers = near.get_many(&keys).await.unwrap();
        for (key, answer) in keys.iter().zip(answers) {
            let expected = (key.id != "none").then(|| Bytes::from(key.id.to_owned()));
            assert_eq!(answer.unwrap().map(|entry| entry.value), expected);
        }
        assert_eq!(far.asked(), asked);
    }
}

#[tokio::test]
async fn a_read_that_was_dropped_does_not_keep_copies_out() {
    let Bench { far, near, .. } = bench(false);
    put(&far, "id", "1").await;
    // Nothing waits in there, so the mark is left by a read that finds nothing.
    assert_eq!(value(&near, "later").await, None);
    put(&far, "later", "1").await;
    value(&near, "later").await;
    far.asked();
    assert_eq!(value(&near, "later").await, Some("1".into()));
    assert_eq!(far.asked(), 0);
}

#[tokio::test]
async fn it_promises_no_more_than_best_effort() {
    let Bench { far, near, .. } = bench(true);
    let mut told = near.capabilities().clone();
    assert_eq!(told.consistency, Consistency::BestEffort);
    told.consistency = far.capabilities().consistency;
    assert_eq!(&told, far.capabilities());
}
