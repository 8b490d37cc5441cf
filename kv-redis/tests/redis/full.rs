//! Servers whose memory is full.

use bytes::Bytes;
use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_redis::RedisStore;

use crate::private::{PROGRAMS, Server};

const LARGE: usize = 64 << 10;

#[tokio::test]
async fn a_full_server_refuses_writes_and_goes_on_reading_and_deleting() {
    for program in PROGRAMS {
        let settings = ["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"];
        for wait in [0, 1] {
            let Some((server, _replica)) = Server::replicated(program, &settings).await else { continue };
            full(&server, wait).await;
        }
    }
}

async fn full(server: &Server, wait: u8) {
    let mut settings = server.config();
    settings.wait = wait;
    let store = RedisStore::open(settings).await.unwrap();
    assert!(!store.capabilities().evicts);
    let value = Bytes::from(vec![7; LARGE]);
    let mut written = Vec::new();
    let error = loop {
        let id = written.len().to_string();
        match store.put(Key::new("c", &id), NewEntry::new(value.clone()), PutMode::Create).await {
            Ok(version) => written.push(version),
            Err(error) => break error,
        }
        assert!(written.len() < 1_000, "it is never full");
    };
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Full, Outcome::NotDone), "{error:?}");

    let first = Key::new("c", "0");
    let version = written[0];
    for mode in [PutMode::Replace, PutMode::Update(version)] {
        let error = store.put(first, NewEntry::new(value.clone()), mode).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Full, Outcome::NotDone),
            "{mode:?}: {error:?}"
        );
    }
    let answers = store.put_many(vec![(first, NewEntry::new("x"))]).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::Full);
    for (n, written) in written.iter().enumerate() {
        let id = n.to_string();
        let entry = store.get(Key::new("c", &id)).await.unwrap().expect("nothing was evicted");
        assert_eq!((entry.version, entry.value.len()), (*written, LARGE));
    }
    let absent = store.delete_many(&[Key::new("c", "absent")]).await.unwrap();
    assert!(absent[0].is_ok(), "wait={wait}: {absent:?}");
    let last = written.len() - 1;
    let ids: Vec<_> = (1..last).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    assert!(store.delete_many(&keys).await.unwrap().iter().all(Result::is_ok));
    assert!(store.take(first, Some(version)).await.unwrap().is_some());
    store.put(first, NewEntry::new(value), PutMode::Create).await.expect("there is room again");
}

#[tokio::test]
async fn a_value_larger_than_the_server_takes_is_refused_and_the_old_one_stays() {
    let Some(server) = Server::start(&["--proto-max-bulk-len", "1mb"]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let most = store.capabilities().max_value.expect("the server says so");
    assert!((512 << 10..1 << 20).contains(&most), "{most}");
    let key = Key::new("c", "a");
    let largest = Bytes::from(vec![7; most]);
    let version = store.put(key, NewEntry::new(largest.clone()), PutMode::Create).await.unwrap();

    let larger = || NewEntry::new(vec![8; most + 1]);
    let mut errors = vec![store.put_many(vec![(key, larger())]).await.unwrap().remove(0).unwrap_err()];
    for mode in [PutMode::Replace, PutMode::Update(version)] {
        errors.push(store.put(key, larger(), mode).await.unwrap_err());
    }
    for error in errors {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotDone), "{error:?}");
    }
    let entry = store.get(key).await.unwrap().unwrap();
    assert_eq!(entry.version, version);
    assert!(entry.value == largest, "the old value is as it was");
}

#[tokio::test]
async fn a_server_that_evicts_says_so() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let Some(server) = Server::start(&["--maxmemory-policy", policy]).await else { return };
        let store = RedisStore::open(server.config()).await.unwrap();
        assert!(store.capabilities().evicts, "{policy}");
    }
}
