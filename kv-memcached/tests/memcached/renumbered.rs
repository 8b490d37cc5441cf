//! A server that is started anew between the two steps of an operation: it gives the numbers of its items once more.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv_core::{Clock, ErrorKind, Key, NewEntry, PutMode, Store, Version};
use kv_memcached::{MemcachedConfig, MemcachedStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Server, get, put};

const KEY: Key<'static> = Key::new("c", "a");

/// Between the store and its server. Once `armed`, the next item that is read is handed on only when the server was started
/// anew and holds another item of the same number; then the connection is cut.
struct Between {
    server: Arc<Mutex<Server>>,
    armed: Arc<AtomicBool>,
    port: u16,
}

impl Between {
    async fn start() -> Option<Self> {
        let server = Arc::new(Mutex::new(Server::start(&[])?));
        let armed = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let between = Self { server, armed, port };
        let (server, armed) = (Arc::clone(&between.server), Arc::clone(&between.armed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, Arc::clone(&server), Arc::clone(&armed)));
            }
        });
        Some(between)
    }

    async fn open(&self, clock: &Clock) -> MemcachedStore {
        let mut config = MemcachedConfig::new([("127.0.0.1".to_owned(), self.port)]);
        config.clock = clock.clone();
        MemcachedStore::open(config).await.unwrap()
    }

    /// The first item of a server that has just started, and from then on the trap is set.
    async fn first(&self, store: &MemcachedStore, ttl: Option<Duration>) -> Version {
        self.server.lock().unwrap().restart();
        while get(store, "any").await.is_err() {}
        let version = store.put(KEY, NewEntry::new("first").ttl(ttl), PutMode::Replace).await.unwrap();
        self.armed.store(true, Ordering::SeqCst);
        version
    }

    /// That the trap was sprung, and the other item is as it was.
    async fn kept_the_other(&self) {
        assert!(!self.armed.load(Ordering::SeqCst), "nothing was read");
        let config = self.server.lock().unwrap().config();
        let entry = get(&MemcachedStore::open(config).await.unwrap(), "a").await.unwrap();
        assert_eq!(entry.unwrap().value, "other");
    }
}

async fn carry(client: TcpStream, server: Arc<Mutex<Server>>, armed: Arc<AtomicBool>) {
    let port = server.lock().unwrap().port;
    let Ok(upstream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut asked, mut answers) = client.into_split();
    let (mut answered, mut asks) = upstream.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut asked, &mut asks).await });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = answered.read(&mut buffer).await {
        let answer = &buffer[..read];
        let is_last = answer.starts_with(b"VA ") && armed.swap(false, Ordering::SeqCst);
        if is_last {
            start_anew(&server).await;
        }
        if answers.write_all(answer).await.is_err() || is_last {
            break;
        }
    }
    asking.abort();
}

async fn start_anew(server: &Mutex<Server>) {
    let config = {
        let mut server = server.lock().unwrap();
        server.restart();
        server.config()
    };
    put(&MemcachedStore::open(config).await.unwrap(), "a", "other").await.unwrap();
}

#[tokio::test]
async fn an_update_does_not_write_over_what_has_the_number_now() {
    let Some(between) = Between::start().await else { return };
    let store = between.open(&Clock::system()).await;
    let version = between.first(&store, None).await;
    let updated = store.put(KEY, NewEntry::new("second"), PutMode::Update(version)).await;
    let error = updated.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict || error.is_retryable(), "{error}");
    between.kept_the_other().await;
}

#[tokio::test]
async fn a_take_does_not_remove_what_has_the_number_now() {
    let Some(between) = Between::start().await else { return };
    let store = between.open(&Clock::system()).await;
    let version = between.first(&store, None).await;
    let error = store.take(KEY, Some(version)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict || error.is_retryable(), "{error}");
    between.kept_the_other().await;

    between.first(&store, None).await;
    match store.take(KEY, None).await {
        Ok(taken) => assert_eq!(taken.unwrap().value, "other"),
        Err(error) => assert!(error.is_retryable(), "{error}"),
    }
}

#[tokio::test]
async fn a_create_over_what_has_expired_does_not_write_over_what_has_the_number_now() {
    let Some(between) = Between::start().await else { return };
    let clock = Clock::manual();
    let store = between.open(&clock).await;
    between.first(&store, Some(Duration::from_secs(60))).await;
    clock.advance(Duration::from_secs(61));
    let error = store.put(KEY, NewEntry::new("second"), PutMode::Create).await.unwrap_err();
    assert!(error.kind() == ErrorKind::AlreadyExists || error.is_retryable(), "{error}");
    between.kept_the_other().await;
}
