//! Clocks that differ.

use std::time::Duration;

use kv_core::{Clock, ErrorKind, Judge, Key, NewEntry, PutMode, Store};
use kv_mongo::{MongoConfig, MongoStore};
use mongodb::bson::doc;
use tempfile::TempDir;

use crate::support::{PATIENCE, Server, value};

/// Sets the clock of a server in Python ahead, without touching the machine's.
const AHEAD: &str = r"
import datetime
import os

real = datetime.datetime
ahead = datetime.timedelta(seconds=int(os.environ['AHEAD_SECONDS']))


class Meta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, real)


class Shifted(real, metaclass=Meta):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + ahead


datetime.datetime = Shifted
";

fn ahead_by(seconds: i64) -> Option<Server> {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("sitecustomize.py"), AHEAD).unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    Server::start_in(dir, &[], &[("PYTHONPATH", &path), ("AHEAD_SECONDS", &seconds.to_string())])
}

async fn put_for(store: &MongoStore, id: &str, ttl: Duration) {
    let entry = NewEntry::new("x").ttl(ttl);
    store.put(Key::new("c", id), entry, PutMode::Create).await.unwrap();
}

#[tokio::test]
async fn a_server_whose_clock_is_hours_off_judges_all_the_same() {
    for seconds in [7_200, -7_200] {
        let Some(server) = ahead_by(seconds) else { return };
        let store = server.open().await;
        assert_eq!(store.capabilities().judge, Judge::Server);
        let (long, short) = (Duration::from_secs(3_600), Duration::from_millis(300));
        put_for(&store, "long", long).await;
        put_for(&store, "taken", long).await;
        put_for(&store, "short", short).await;
        let document =
            server.documents().await.find_one(doc! { "_id": "larder/c/long" }).await.unwrap().unwrap();
        let off = document.get_datetime("x").unwrap().timestamp_millis() - now_ms() - 3_600_000;
        assert!((off / 1_000 - seconds).abs() < 600, "the server's clock was not set: {off} ms");

        let left = |entry: kv_core::Entry| entry.ttl.unwrap();
        let read = left(store.get(Key::new("c", "long")).await.unwrap().unwrap());
        let taken = left(store.take(Key::new("c", "taken"), None).await.unwrap().unwrap());
        for left in [read, taken] {
            assert!(left <= long && left > long / 2, "{left:?} left");
        }
        tokio::time::sleep(short + Duration::from_millis(60)).await;
        assert_eq!(value(&store, "short").await, None, "it outlived its ttl by the clocks' difference");
        put_for(&store, "short", long).await;
    }
}

fn now_ms() -> i64 {
    i64::try_from(Clock::system().unix_ms()).unwrap()
}

fn judged_by(server: &Server, clock: &Clock) -> MongoConfig {
    let mut config = server.config();
    config.clock = Some(clock.clone());
    config
}

#[tokio::test]
async fn where_callers_judge_an_entry_leaves_early_or_late_by_their_difference() {
    let Some(server) = Server::start(&[]) else { return };
    let (here, there) = (Clock::manual(), Clock::manual());
    there.skew_ms(5_000);
    let store = MongoStore::open(judged_by(&server, &here)).await.unwrap();
    let other = MongoStore::open(judged_by(&server, &there)).await.unwrap();
    assert_eq!(store.capabilities().judge, Judge::Caller);
    put_for(&store, "a", Duration::from_secs(10)).await;
    assert!(value(&other, "a").await.is_some());
    here.advance(Duration::from_secs(6));
    there.advance(Duration::from_secs(6));
    assert!(value(&store, "a").await.is_some(), "by its own clock there are 4 seconds left");
    assert_eq!(value(&other, "a").await, None, "its clock is 5 seconds ahead");
    let again = NewEntry::new("y").ttl(PATIENCE);
    other.put(Key::new("c", "a"), again, PutMode::Create).await.unwrap();
    let refused = store.put(Key::new("c", "a"), NewEntry::new("z"), PutMode::Create).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
}
