//! What is written through it is seen at once.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{ErrorKind, NewEntry, PutMode, Store as _};

use crate::bench::{Bench, KEY, bench, put, value};

#[tokio::test]
async fn a_write_through_it_is_seen_at_once_however_it_was_done() {
    let Bench { near, .. } = bench(false);
    let again = near.clone();
    put(&near, "id", "0").await;
    for step in 1..6 {
        assert!(value(&near, "id").await.is_some() && value(&near, "id").await.is_some());
        let new = Bytes::from(step.to_string());
        match step {
            1 => drop(near.put_many(vec![(KEY, NewEntry::new(new.clone()))]).await.unwrap()),
            2 => {
                let version = near.get(KEY).await.unwrap().unwrap().version;
                near.put(KEY, NewEntry::new(new.clone()), PutMode::Update(version)).await.unwrap();
            }
            3 => drop(near.put(KEY, NewEntry::new(new.clone()), PutMode::Replace).await.unwrap()),
            4 => drop(near.take(KEY, None).await.unwrap()),
            _ => drop(put(&near, "id", "5").await),
        }
        assert_eq!(value(&again, "id").await, (step != 4).then_some(new), "step {step}");
        if step == 4 {
            put(&near, "id", "4").await;
        }
    }
    value(&near, "id").await;
    near.delete_many(&[KEY]).await.unwrap();
    assert_eq!(value(&near, "id").await, None);
}

#[tokio::test]
async fn a_write_that_may_still_land_keeps_its_entry_from_being_copied() {
    let Bench { clock, far, near } = bench(false);
    put(&far, "id", "1").await;
    *far.broken.lock().unwrap() = Some(ErrorKind::Timeout);
    near.put(KEY, NewEntry::new("2"), PutMode::Replace).await.unwrap_err();
    assert_eq!(value(&near, "id").await, Some("1".into()));
    put(&far.inner, "id", "2").await; // it lands
    assert_eq!(value(&near, "id").await, Some("2".into()));
    clock.advance(Duration::from_millis(5_001));
    value(&near, "id").await;
    far.asked();
    value(&near, "id").await;
    assert_eq!(far.asked(), 0, "by now it is copied again");
}

#[tokio::test]
async fn a_write_that_was_not_done_does_not_keep_copies_out() {
    let Bench { far, near, .. } = bench(false);
    put(&far, "id", "1").await;
    near.put(KEY, NewEntry::new("2"), PutMode::Create).await.unwrap_err();
    value(&near, "id").await;
    far.asked();
    assert_eq!(value(&near, "id").await, Some("1".into()));
    assert_eq!(far.asked(), 0);
}
