//! Servers whose clock is set, and connections that come back from another server with another clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kv_core::{Key, NewEntry, PutMode, Store};
use kv_redis::RedisStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::place::config;
use crate::private::{PROGRAMS, Server, until};

const TTL: Duration = Duration::from_secs(60);
/// What of it may be gone until it is looked at, on a busy machine.
const GONE: Duration = Duration::from_secs(40);

/// Between the store and its server: a server that is so many seconds ahead, and another one after each cut.
struct Between {
    port: u16,
    ahead: Arc<AtomicI64>,
    cut: watch::Sender<()>,
}

impl Between {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ahead, cut) = (Arc::new(AtomicI64::new(0)), watch::Sender::new(()));
        let between = Self { port, ahead: Arc::clone(&ahead), cut: cut.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&ahead), cut.subscribe()));
            }
        });
        between
    }

    /// From now on another server is there, so many seconds ahead.
    fn moves(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::SeqCst);
        self.cut.send_replace(());
    }
}

async fn carry(client: TcpStream, server: u16, ahead: Arc<AtomicI64>, mut cut: watch::Receiver<()>) {
    let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut asked, mut answers) = client.into_split();
    let (mut answered, mut asks) = upstream.into_split();
    let asking = async { tokio::io::copy(&mut asked, &mut asks).await.map(drop) };
    let answering = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = answered.read(&mut buffer).await {
            shift(&mut buffer[..read], ahead.load(Ordering::SeqCst));
            answers.write_all(&buffer[..read]).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    tokio::select! {
        _ = asking => {}
        _ = answering => {}
        _ = cut.changed() => {}
    }
}

/// Sets the seconds in an answer to `TIME` ahead.
fn shift(answer: &mut [u8], ahead: i64) {
    let Some(seconds) = answer.strip_prefix(b"*2\r\n$10\r\n").and_then(|rest| rest.get(..10)) else { return };
    let Ok(seconds) = std::str::from_utf8(seconds).unwrap_or_default().parse::<i64>() else { return };
    answer[9..19].copy_from_slice((seconds + ahead).to_string().as_bytes());
}

/// A store on the other side.
async fn opened(between: &Between, wait: u8) -> RedisStore {
    let mut config = config(&format!("redis://127.0.0.1:{}", between.port), "test");
    config.wait = wait;
    RedisStore::open(config).await.unwrap()
}

fn entry() -> NewEntry {
    NewEntry::new("x").ttl(TTL)
}

async fn left(store: &RedisStore, key: Key<'_>) -> Duration {
    store.get(key).await.unwrap().unwrap().ttl.unwrap()
}

fn is_told_well(left: Duration) -> bool {
    left <= TTL && left + GONE > TTL
}

#[tokio::test]
async fn a_write_tells_its_deadline_by_the_clock_of_the_server_that_gets_it() {
    let Some((server, _replica)) = Server::replicated(PROGRAMS[0], &[]).await else { return };
    for wait in [0, 1] {
        told_by_who_gets_it(&server, wait).await;
    }
}

async fn told_by_who_gets_it(server: &Server, wait: u8) {
    let between = Between::start(server.port).await;
    let store = opened(&between, wait).await;
    let (one, many) = (Key::new("c", "one"), Key::new("c", "many"));
    for ahead in [3_600, -3_600, 0] {
        for key in [one, many] {
            between.moves(ahead);
            until("it is written", async || {
                if key == one {
                    store.put(key, entry(), PutMode::Replace).await.is_ok()
                } else {
                    store.put_many(vec![(key, entry())]).await.is_ok_and(|all| all[0].is_ok())
                }
            })
            .await;
            let left = left(&store, key).await;
            assert!(is_told_well(left), "{left:?} of {key:?} are left, {ahead} s ahead, wait={wait}");
            between.moves(0);
            until("the first server is back", async || store.get(key).await.is_ok()).await;
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_set_meanwhile_is_that_of_all_connections() {
    let Some((server, _replica)) = Server::replicated(PROGRAMS[0], &[]).await else { return };
    for wait in [0, 1] {
        let between = Between::start(server.port).await;
        let store = opened(&between, wait).await;
        let _listening = store.changes().await.unwrap(); // the clock is read more often
        let (earlier, later) = (Key::new("c", "earlier"), Key::new("c", "later"));
        for ahead in [3_600, 0] {
            // Over as many connections as there are.
            for _ in 0..8 {
                store.put(earlier, entry(), PutMode::Replace).await.unwrap();
            }
            between.ahead.store(ahead, Ordering::SeqCst);
            until("the clock is read", async || !is_told_well(left(&store, earlier).await)).await;
            for _ in 0..8 {
                store.put(later, entry(), PutMode::Replace).await.unwrap();
                let left = left(&store, later).await;
                assert!(is_told_well(left), "{left:?} are left, {ahead} s ahead, wait={wait}");
            }
        }
    }
}
