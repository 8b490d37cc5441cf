//! An answer that is lost on the way back: what is told of the outcome is what the server then holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kv_core::{Entry, Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Result, Store, Version};
use kv_memcached::{MemcachedConfig, MemcachedStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{PATIENCE, Server, get};

const TASKS: usize = 8;

/// Between the store and its server. Once armed, the next answers that begin with `HD` are lost, and the connection is cut:
/// whatever they answer was done.
struct Between {
    server: Server,
    armed: Arc<AtomicBool>,
    port: u16,
}

impl Between {
    async fn start() -> Option<Self> {
        let server = Server::start(&[])?;
        let armed = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (upstream, shared) = (server.port, Arc::clone(&armed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream, Arc::clone(&shared)));
            }
        });
        Some(Self { server, armed, port })
    }

    /// A store that reaches the server through here, and one that reaches it directly.
    async fn open(&self) -> (MemcachedStore, MemcachedStore) {
        let config = MemcachedConfig::new([("127.0.0.1".to_owned(), self.port)]);
        (MemcachedStore::open(config).await.unwrap(), self.server.open().await)
    }

    fn lose_the_next(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    fn has_lost(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, upstream: u16, armed: Arc<AtomicBool>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await else { return };
    let (mut asked, mut answers) = client.into_split();
    let (mut answered, mut asks) = server.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut asked, &mut asks).await });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = answered.read(&mut buffer).await {
        let answer = buffer.get(..read).unwrap();
        let is_lost = answer.starts_with(b"HD") && armed.swap(false, Ordering::SeqCst);
        if is_lost || answers.write_all(answer).await.is_err() {
            break;
        }
    }
    asking.abort();
}

fn unknown(error: &Error) {
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{error}");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_and_was_done() {
    let Some(between) = Between::start().await else { return };
    let (store, direct) = between.open().await;
    let key = Key::new("c", "a");
    let entries = [NewEntry::new("x"), NewEntry::new("y"), NewEntry::new("z")];
    let modes = [PutMode::Create, PutMode::Replace, PutMode::Update(entries[1].version())];
    for (entry, mode) in entries.into_iter().zip(modes) {
        let version = entry.version();
        between.lose_the_next();
        unknown(&store.put(key, entry, mode).await.unwrap_err());
        assert!(between.has_lost());
        assert_eq!(get(&direct, "a").await.unwrap().unwrap().version, version, "{mode:?}");
    }
    between.lose_the_next();
    unknown(&store.delete_many(&[key]).await.unwrap().remove(0).unwrap_err());
    assert!(get(&direct, "a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_take_whose_answer_is_lost_is_unknown_and_never_delivered_again() {
    let Some(between) = Between::start().await else { return };
    let (store, direct) = between.open().await;
    let key = Key::new("c", "a");
    for conditional in [false, true] {
        let version = direct.put(key, NewEntry::new("once"), PutMode::Replace).await.unwrap();
        between.lose_the_next();
        unknown(&store.take(key, conditional.then_some(version)).await.unwrap_err());
        assert!(between.has_lost());
        assert!(store.take(key, None).await.unwrap().is_none(), "delivered again");
    }
}

/// What became of one entry, as far as those know who wrote and took it.
struct Fate {
    id: String,
    created: Result<Version>,
    taken: [Result<Option<Entry>>; 2],
}

impl Fate {
    fn is_cut_off(&self) -> bool {
        self.created.is_err() || self.taken.iter().any(Result::is_err)
    }

    /// Compares what `direct` finds with what they were told. Nothing is evicted: all of it is small.
    async fn check(&self, direct: &MemcachedStore) {
        let (id, holds) = (&self.id, get(direct, &self.id).await.unwrap().is_some());
        let delivered = self.taken.iter().filter(|taken| matches!(taken, Ok(Some(_)))).count();
        let unknown = self.taken.iter().filter(|taken| is(taken, Outcome::Unknown)).count();
        assert!(delivered <= 1, "{id} was taken twice");
        assert!(delivered == 0 || !holds, "{id} was taken and is there");
        assert!(delivered == 0 || !is(&self.created, Outcome::NotDone), "{id} was not created and was taken");
        match &self.created {
            Ok(_) if delivered + unknown == 0 => assert!(holds, "{id} was created, not taken, and is gone"),
            Err(error) if error.outcome() == Outcome::NotDone => {
                assert!(!holds, "{id} was not created and is there");
            }
            _ => {}
        }
    }
}

fn is<T>(answer: &Result<T>, outcome: Outcome) -> bool {
    let Err(error) = answer else { return false };
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
    error.outcome() == outcome
}

/// Creates entries, each of which two take, until the end is told.
async fn trade(store: MemcachedStore, task: usize, done: Arc<AtomicBool>) -> Vec<Fate> {
    let mut fates = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let id = format!("{task} {}", fates.len());
        let key = Key::new("c", &id);
        let created = store.put(key, NewEntry::new("x"), PutMode::Create).await;
        let (one, other) = tokio::join!(store.take(key, None), store.take(key, None));
        fates.push(Fate { id, created, taken: [one, other] });
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fates
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_traffic_too_nothing_is_taken_twice_and_what_was_not_done_is_not_there() {
    let Some(between) = Between::start().await else { return };
    let (store, direct) = between.open().await;
    let done = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> =
        (0..TASKS).map(|task| tokio::spawn(trade(store.clone(), task, Arc::clone(&done)))).collect();
    let until = Instant::now() + PATIENCE;
    for _ in 0..40 {
        between.lose_the_next();
        while !between.has_lost() {
            assert!(Instant::now() < until, "nothing is asked any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut fates = Vec::new();
    for task in tasks {
        fates.extend(task.await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await; // what was cut off may still be at work
    let cut_off = fates.iter().filter(|fate| fate.is_cut_off()).count();
    assert!(cut_off >= 20 && fates.len() > cut_off, "{cut_off} of {} were cut off", fates.len());
    for fate in &fates {
        fate.check(&direct).await;
    }
}
