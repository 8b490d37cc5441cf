//! Servers that lack something, and what the store then says of itself.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use kv_core::{Consistency, ErrorKind, Judge, Key, NewEntry, PutMode, Store};
use kv_mongo::MongoStore;

use crate::support::{Server, config, create, put, take, value};

/// Between the store and a server: writes `instead` for `word`, which is as long, in all that is sent to the server.
fn renaming(server: &Server, word: &'static [u8], instead: &'static [u8]) -> String {
    assert_eq!(word.len(), instead.len());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), server.port);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", behind)).unwrap());
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || carry(from, to, Some((word, instead))));
            thread::spawn(move || carry(server, client, None));
        }
    });
    server.url().replace(&behind.to_string(), &port.to_string())
}

type Renamed = (&'static [u8], &'static [u8]);

/// Carries message by message, so that no word is cut in two: each begins with its length.
fn carry(mut from: TcpStream, mut to: TcpStream, renamed: Option<Renamed>) {
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut message = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap()];
        message[..4].copy_from_slice(&length);
        if from.read_exact(&mut message[4..]).is_err() {
            break;
        }
        if let Some((word, instead)) = renamed {
            let found: Vec<_> =
                (0..=message.len() - word.len()).filter(|at| message[*at..].starts_with(word)).collect();
            for at in found {
                message[at..at + word.len()].copy_from_slice(instead);
            }
        }
        if to.write_all(&message).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both); // the other side may be gone
}

/// Creates, updates, takes, expires.
async fn behaves(store: &MongoStore) {
    let key = Key::new("c", "a");
    let version = create(store, "a", "x").await.unwrap();
    assert_eq!(create(store, "a", "y").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    store.put(key, NewEntry::new("z"), PutMode::Update(version)).await.unwrap();
    let stale = store.put(key, NewEntry::new("z"), PutMode::Update(version)).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    assert_eq!(store.take(key, Some(version)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(take(store, "a").await.unwrap().unwrap().value, "z");
    assert!(take(store, "a").await.unwrap().is_none());
    let entry = NewEntry::new("short").ttl(Duration::from_millis(300));
    store.put(Key::new("c", "b"), entry, PutMode::Create).await.unwrap();
    put(store, "d", "long").await.unwrap();
    tokio::time::sleep(Duration::from_millis(360)).await;
    assert_eq!(value(store, "b").await, None);
    assert_eq!(value(store, "d").await.as_deref(), Some("long"));
}

#[tokio::test]
async fn where_the_server_does_not_tell_the_time_the_caller_judges() {
    let Some(server) = Server::start(&[]) else { return };
    let url = renaming(&server, b"$$NOW", b"$$NOX");
    let store = MongoStore::open(config(&url)).await.unwrap();
    assert_eq!(store.capabilities().judge, Judge::Caller);
    assert_eq!(store.capabilities().consistency, Consistency::Linearizable);
    behaves(&store).await;
}

#[tokio::test]
async fn where_reads_cannot_be_linearizable_the_store_says_so() {
    let Some(server) = Server::start(&[]) else { return };
    let url = renaming(&server, b"linearizable", b"linearizabel");
    let store = MongoStore::open(config(&url)).await.unwrap();
    assert_eq!(store.capabilities().consistency, Consistency::UntilFailover);
    assert_eq!(store.capabilities().judge, Judge::Server);
    behaves(&store).await;
}

#[tokio::test]
async fn a_server_that_stands_alone_needs_no_read_concern() {
    let Some(server) = Server::start(&["--standalone"]) else { return };
    let store = server.open().await;
    assert_eq!(store.capabilities().consistency, Consistency::Linearizable);
    behaves(&store).await;
}

#[tokio::test]
async fn signals_and_changes_are_unsupported() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    assert!(!store.capabilities().signals && !store.capabilities().changes);
    let refused = [
        store.signal("t", "x".into()).await.unwrap_err(),
        store.signals("t").await.unwrap_err(),
        store.changes().await.unwrap_err(),
    ];
    assert!(refused.iter().all(|error| error.kind() == ErrorKind::Unsupported));
}
