//! The caller's clock decides, whatever the server's says, and the server frees what has expired.

use std::time::Duration;

use kv_core::{Clock, ErrorKind, Key, NewEntry, PutMode, Store};
use kv_memcached::MemcachedStore;

use crate::support::{Server, get};

const DAY: Duration = Duration::from_secs(86_400);

async fn put_for(store: &MemcachedStore, id: &str, ttl: Duration) {
    store.put(Key::new("c", id), NewEntry::new("x").ttl(ttl), PutMode::Replace).await.unwrap();
}

#[tokio::test]
async fn with_clocks_that_differ_each_caller_judges_by_its_own() {
    let Some(server) = Server::start(&[]) else { return };
    let (ours, theirs) = (Clock::manual(), Clock::manual());
    let (store, other) = (server.open_with(&ours).await, server.open_with(&theirs).await);
    let ahead = |ms| theirs.skew_ms(ms);

    put_for(&store, "a", Duration::from_secs(10)).await;
    ahead(0);
    assert!(get(&other, "a").await.unwrap().is_some());
    ahead(15_000); // 15 s ahead: for them it has expired
    assert!(get(&other, "a").await.unwrap().is_none());
    assert!(get(&store, "a").await.unwrap().is_some(), "for us it lives");
    ahead(-15_000); // 15 s behind: it lives so much longer
    let entry = get(&other, "a").await.unwrap().unwrap();
    assert!(entry.ttl.unwrap() > Duration::from_secs(20));

    // What is expired for them they may create anew; our version then fits no more.
    ahead(15_000);
    let version = get(&store, "a").await.unwrap().unwrap().version;
    other.put(Key::new("c", "a"), NewEntry::new("y"), PutMode::Create).await.unwrap();
    let stale = store.put(Key::new("c", "a"), NewEntry::new("z"), PutMode::Update(version)).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(get(&store, "a").await.unwrap().unwrap().value, "y");
}

#[tokio::test]
async fn the_server_is_told_to_keep_entries_a_little_longer_than_they_live() {
    let Some(server) = Server::start(&[]) else { return };
    for (ttl, least, most) in [
        (Duration::from_millis(1), 0, 3),
        (Duration::from_millis(1_500), 1, 4),
        (Duration::from_secs(60), 59, 62),
        (Duration::from_secs(2_591_999), 2_591_998, 2_592_001),
        (30 * DAY, 2_678_398, 2_678_403),
        (400 * DAY, 34_646_398, 34_646_403),
    ] {
        let store = server.open().await;
        server.lines("flush_all");
        put_for(&store, "a", ttl).await;
        let left = server.lifetimes();
        assert!(left.len() == 1 && (least..=most).contains(&left[0]), "{ttl:?}: {left:?}");
        if ttl > DAY {
            assert!(get(&store, "a").await.unwrap().is_some(), "{ttl:?}");
        }
    }
}

#[tokio::test]
async fn beyond_2038_the_server_keeps_entries_for_ever_and_the_deadline_decides() {
    let Some(server) = Server::start(&[]) else { return };
    let clock = Clock::manual();
    let store = server.open_with(&clock).await;
    put_for(&store, "a", 99 * 365 * DAY).await;
    assert_eq!(server.lifetimes(), [-1]);
    assert!(get(&store, "a").await.unwrap().is_some());
    clock.advance(99 * 365 * DAY + Duration::from_millis(1));
    assert!(get(&store, "a").await.unwrap().is_none());
}

#[tokio::test]
async fn the_server_frees_what_has_expired() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    put_for(&store, "a", Duration::from_millis(1)).await;
    let until = std::time::Instant::now() + crate::support::PATIENCE;
    // Its crawler comes by itself, but not at once; asking makes it look.
    while !server.lifetimes().is_empty() {
        assert!(std::time::Instant::now() < until, "it is never freed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
