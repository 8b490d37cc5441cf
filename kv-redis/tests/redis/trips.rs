//! Batches go in one round trip.

use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kv_core::{Key, NewEntry, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::place::open;
use crate::private::{PATIENCE, Server, calls};

/// Stands once in each request about a key of these tests.
const MARK: &[u8] = b"marked-";

/// Stands before a server and keeps its answers back until so many keys have been sent.
struct Relay {
    port: u16,
    sent: Arc<watch::Sender<usize>>,
    wanted: Arc<AtomicUsize>,
}

impl Relay {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let relay = Self { port, sent: Arc::default(), wanted: Arc::default() };
        let (sent, wanted) = (Arc::clone(&relay.sent), Arc::clone(&relay.wanted));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(requests(from_client, to_server, Arc::clone(&sent)));
                tokio::spawn(answers(from_server, to_client, sent.subscribe(), Arc::clone(&wanted)));
            }
        });
        relay
    }

    /// From now on no answer passes before `keys` more have been sent.
    fn hold_until(&self, keys: usize) {
        self.wanted.store(self.sent() + keys, Ordering::SeqCst);
    }

    fn sent(&self) -> usize {
        *self.sent.borrow()
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, sent: Arc<watch::Sender<usize>>) {
    let (mut all, mut passed, mut counted) = (Vec::new(), 0, 0);
    while let Ok(1..) = from.read_buf(&mut all).await {
        let marks = all.windows(MARK.len()).filter(|window| *window == MARK).count();
        sent.send_modify(|sent| *sent += marks - counted);
        if to.write_all(&all[passed..]).await.is_err() {
            return;
        }
        (passed, counted) = (all.len(), marks);
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut sent: watch::Receiver<usize>,
    wanted: Arc<AtomicUsize>,
) {
    let mut answer = Vec::new();
    while let Ok(1..) = from.read_buf(&mut answer).await {
        let enough = sent.wait_for(|sent| *sent >= wanted.load(Ordering::SeqCst)).await.is_ok();
        if !enough || to.write_all(&answer).await.is_err() {
            return;
        }
        answer.clear();
    }
}

fn named(number: usize) -> String {
    format!("marked-{number:02}")
}

async fn in_time<T>(what: &str, call: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| panic!("{what}: a second round trip"))
}

#[tokio::test]
async fn a_batch_is_sent_whole_before_its_first_answer_is_needed() {
    let Some(server) = Server::start(&[]).await else { return };
    let relay = Relay::start(server.port).await;
    let store = open(&format!("redis://127.0.0.1:{}", relay.port), "test").await.unwrap();
    let mut raw = server.raw().await;
    let ids: Vec<_> = (0..50).map(named).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let entries = || keys.iter().map(|key| (*key, NewEntry::new("x"))).collect();

    relay.hold_until(51);
    let mut held = pin!(store.put_many(entries()));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut held).await;
    assert!(early.is_err(), "the relay holds answers back");
    let (got, put) = in_time("one key more", async { tokio::join!(store.get(keys[0]), held) }).await;
    assert!(got.is_ok() && put.is_ok(), "{got:?}, {put:?}");

    relay.hold_until(50);
    let sent = relay.sent();
    let answers = in_time("put_many", store.put_many(entries())).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(relay.sent() - sent, 50, "each key goes once");

    relay.hold_until(50);
    let (sent, mgets, gets) = (relay.sent(), calls(&mut raw, "mget").await, calls(&mut raw, "get").await);
    let answers = in_time("get_many", store.get_many(&keys)).await.unwrap();
    assert!(answers.into_iter().all(|answer| answer.unwrap().unwrap().value == "x"));
    assert_eq!(relay.sent() - sent, 50, "each key goes once");
    assert_eq!(calls(&mut raw, "mget").await - mgets, 1, "one command for all keys");
    assert_eq!(calls(&mut raw, "get").await, gets);

    relay.hold_until(50);
    let answers = in_time("delete_many", store.delete_many(&keys)).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}
