//! What it hears of changes elsewhere.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kv_core::{Change, ErrorKind, Store as _};

use crate::bench::{Bench, bench, changed, heard, put, value};

#[tokio::test]
async fn news_of_a_change_remove_its_copy_alone() {
    let Bench { far, near, .. } = bench(true);
    for id in ["a", "b"] {
        put(&far, id, "1").await;
    }
    value(&near, "a").await; // from the first use on it follows
    heard().await;
    for id in ["a", "b"] {
        value(&near, id).await;
        put(&far, id, "2").await;
    }
    assert_eq!((value(&near, "a").await, value(&near, "b").await), (Some("1".into()), Some("1".into())));
    far.tell(changed("a"));
    heard().await;
    assert_eq!((value(&near, "a").await, value(&near, "b").await), (Some("2".into()), Some("1".into())));
    far.tell(Change::All);
    heard().await;
    assert_eq!(value(&near, "b").await, Some("2".into()));
    assert_eq!(far.subscriptions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_lost_subscription_empties_it_and_is_asked_for_again() {
    let Bench { far, near, .. } = bench(true);
    put(&far, "id", "1").await;
    value(&near, "id").await;
    heard().await;
    value(&near, "id").await;
    put(&far, "id", "2").await;
    far.lose_the_subscription();
    heard().await;
    assert_eq!(value(&near, "id").await, Some("2".into()));
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while far.subscriptions.load(Ordering::SeqCst) < 2 {
        assert!(std::time::Instant::now() < until, "it never subscribes again");
        tokio::time::sleep(Duration::from_millis(20)).await;
        value(&near, "id").await;
    }
}

#[tokio::test]
async fn news_that_are_refused_are_not_asked_for_again() {
    for refusal in [ErrorKind::Denied, ErrorKind::Unsupported, ErrorKind::Unavailable] {
        let Bench { far, near, .. } = bench(true);
        *far.broken.lock().unwrap() = Some(refusal);
        for _ in 0..2 {
            assert_eq!(value(&near, "id").await, None);
            heard().await;
            tokio::time::sleep(Duration::from_millis(1100)).await; // a lost one is tried each second
        }
        assert_eq!(value(&near, "id").await, None);
        heard().await;
        let tries = far.subscriptions.load(Ordering::SeqCst);
        assert_eq!(tries == 1, refusal != ErrorKind::Unavailable, "{refusal:?}: {tries}");
    }
}

#[tokio::test]
async fn the_subscription_ends_with_the_last_handle() {
    let Bench { far, near, .. } = bench(true);
    value(&near, "id").await;
    heard().await;
    drop(near.clone());
    heard().await;
    far.tell(changed("id"));
    drop(near);
    heard().await;
    let news = far.news.lock().unwrap().clone().unwrap();
    assert!(news.is_closed());
}

#[tokio::test]
async fn who_hears_of_a_change_through_it_finds_no_older_copy() {
    let Bench { far, near, .. } = bench(false);
    put(&far, "id", "1").await;
    value(&near, "id").await;
    put(&far, "id", "2").await;
    let mut changes = near.changes().await.unwrap();
    assert_eq!(changes.next().await, Some(Change::All));
    assert_eq!(value(&near, "id").await, Some("2".into()));
    put(&far, "id", "3").await;
    far.tell(changed("id"));
    assert_eq!(changes.next().await, Some(changed("id")));
    assert_eq!(value(&near, "id").await, Some("3".into()));
}
