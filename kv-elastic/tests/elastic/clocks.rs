//! Callers whose clocks differ. Each judges by its own: an entry may go early by the skew, or late by it, and no more.

use std::time::Duration;

use kv_core::{Clock, ErrorKind, Key, NewEntry, PutMode, Scan, Store};
use kv_elastic::ElasticStore;

use crate::server::{HERE, Server, ids, list, read, set_for};

const SKEW: Duration = Duration::from_secs(5);

/// Two callers of one namespace: the second one's clock is ahead by five seconds.
async fn apart(server: &Server) -> ((ElasticStore, Clock), (ElasticStore, Clock)) {
    let clocks = [Clock::manual(), Clock::manual()];
    let behind = clocks[0].unix_ms().max(clocks[1].unix_ms());
    for (clock, target) in clocks.iter().zip([behind, behind + 5_000]) {
        clock.skew_ms(i64::try_from(target - clock.unix_ms()).unwrap());
    }
    let config = server.config();
    let [slow, fast] = clocks.map(|clock| {
        let mut config = config.clone();
        config.clock = clock.clone();
        (config, clock)
    });
    let slow = (ElasticStore::open(slow.0).await.unwrap(), slow.1);
    let fast = (ElasticStore::open(fast.0).await.unwrap(), fast.1);
    (slow, fast)
}

#[tokio::test]
async fn who_is_ahead_sees_an_entry_go_early_by_the_skew_at_most() {
    let Some(server) = Server::found() else { return };
    let ((slow, _), (fast, fast_clock)) = apart(&server).await;
    set_for(&slow, "short", Duration::from_secs(4)).await;
    set_for(&slow, "long", Duration::from_secs(9)).await;
    assert!(read(&slow, "short").await.is_some());
    assert!(read(&fast, "short").await.is_none(), "for the one ahead its four seconds are over");
    assert_eq!(read(&fast, "long").await.unwrap().ttl, Some(Duration::from_secs(4)));
    assert_eq!(ids(&list(&fast, Scan::one(HERE)).await), ["long"]);
    assert_eq!(ids(&list(&slow, Scan::one(HERE)).await), ["long", "short"]);
    fast_clock.advance(Duration::from_secs(4));
    assert!(read(&fast, "long").await.is_some(), "its last millisecond");
    fast_clock.advance(Duration::from_millis(1));
    assert!(read(&fast, "long").await.is_none());
}

#[tokio::test]
async fn who_is_behind_sees_an_entry_go_late_by_the_skew_at_most() {
    let Some(server) = Server::found() else { return };
    let ((slow, slow_clock), (fast, fast_clock)) = apart(&server).await;
    set_for(&fast, "a", Duration::from_secs(1)).await;
    let left = read(&slow, "a").await.unwrap().ttl.unwrap();
    assert_eq!(left, Duration::from_secs(6), "more than was asked by the skew, and no more");
    fast_clock.advance(Duration::from_millis(1_001));
    assert!(read(&fast, "a").await.is_none());
    assert!(read(&slow, "a").await.is_some());
    slow_clock.advance(Duration::from_millis(1_001) + SKEW);
    assert!(read(&slow, "a").await.is_none());
}

#[tokio::test]
async fn what_one_took_or_created_anew_the_other_cannot_have() {
    let Some(server) = Server::found() else { return };
    let ((slow, _), (fast, _)) = apart(&server).await;
    let key = Key::new(HERE, "a");
    let old = set_for(&slow, "a", Duration::from_secs(4)).await;
    let new = fast.put(key, NewEntry::new("new"), PutMode::Create).await.unwrap(); // gone, for the one ahead
    let update = slow.put(key, NewEntry::new("late"), PutMode::Update(old)).await.unwrap_err();
    assert_eq!(update.kind(), ErrorKind::Conflict);
    assert_eq!(slow.take(key, Some(old)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(slow.take(key, None).await.unwrap().unwrap().version, new);
    assert!(fast.take(key, None).await.unwrap().is_none());
}
