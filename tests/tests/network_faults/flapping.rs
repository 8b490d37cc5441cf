//! Many tasks, while the network fails in one way after the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kv_core::{AnyStore, Entry, Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Result, Scan, Store as _};
use larder_tests::proxy::{Loss, Lost, Mode, Proxy};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backend::{Server, random};

const TASKS: usize = 8;
const VALUES: usize = 240;
/// Two tasks want each value.
const RIVALS: usize = 2;
/// After which even a slow machine has been through all faults.
const FLAPS: u32 = 12;
const LONGEST: Duration = Duration::from_secs(120);

/// What became of each value.
#[derive(Debug, Default)]
struct Takes {
    taken: HashMap<String, u32>,
    unknown: HashMap<String, u32>,
    errors: u32,
}

/// Each value is wanted by two tasks, which ask until they hear something. Whoever gets it gets the right one, nobody gets
/// it twice, and one that nobody got was lost with an answer, which an error has said.
pub(crate) async fn takes(server: &Server) {
    // MongoDB holds what its driver sends again until the first is done; its stand-in runs both at once.
    let (takes, ids) = taken(server, &server.once()).await;
    takes.none_twice(&ids);
    takes.none_lost_unsaid(&ids);
}

/// The same as users have it, where Larder tries again what was certainly not done.
pub(crate) async fn takes_tried_again(server: &Server) {
    let (takes, ids) = taken(server, server.driven_once()).await;
    takes.none_twice(&ids);
    takes.none_lost_unsaid(&ids);
}

/// The same where the driver sends a take again by itself, to a server that may not know it again: then a value may be lost
/// without an error, but nobody gets it twice, or another's.
#[cfg(feature = "mongo")]
pub(crate) async fn takes_sent_again(server: &Server) {
    let (takes, ids) = taken(server, "&retry=0").await;
    takes.none_twice(&ids);
}

/// What tasks made of the values behind a network that flaps, with these parameters of the store.
async fn taken(server: &Server, more: &str) -> (Takes, Vec<String>) {
    let net = Flapping::start(server, more).await;
    let collection = random("t");
    let ids: Vec<_> = (0..VALUES).map(|number| format!("v{number}")).collect();
    let entries = ids.iter().map(|id| (Key::new(&collection, id), NewEntry::new(value(id)))).collect();
    for put in net.truth.put_many(entries).await.expect("a batch") {
        put.expect("a value");
    }

    net.flap(&collection);
    let takes = Arc::new(Mutex::new(Takes::default()));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS * RIVALS {
        let own: Vec<_> = ids.iter().skip(task / RIVALS).step_by(TASKS).cloned().collect();
        let (store, collection, takes) = (net.store.clone(), collection.clone(), Arc::clone(&takes));
        tasks.spawn(async move {
            for id in own {
                take_until_answered(&store, &collection, &id, &takes).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
    }
    tasks.join_all().await;
    net.calm();

    let takes = Arc::into_inner(takes).and_then(|takes| takes.into_inner().ok()).expect("no task is left");
    // A driver that tries again by itself may hide every fault.
    assert!(takes.errors > 0 || net.proxy.lost() > 0, "the network never failed");
    let left = net.truth.scan(Scan::one(&collection), None).await.expect("a page").items;
    assert!(left.is_empty(), "{left:?} was said to be absent");
    (takes, ids)
}

/// What is stored under `id`: nobody else's.
fn value(id: &str) -> Bytes {
    format!("the value of {id}; ").repeat(5).into()
}

async fn take_until_answered(store: &AnyStore, collection: &str, id: &str, takes: &Mutex<Takes>) {
    let until = Instant::now() + LONGEST;
    loop {
        let answer = store.take(Key::new(collection, id), None).await;
        if takes.lock().expect("no task failed").note(id, answer) {
            return;
        }
        assert!(Instant::now() < until, "{id}: no answer in {LONGEST:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Takes {
    fn none_twice(&self, ids: &[String]) {
        assert!(!self.taken.is_empty(), "nothing was taken");
        for id in ids {
            let taken = self.taken.get(id).copied().unwrap_or(0);
            assert!(taken <= 1, "{id} was taken {taken} times");
        }
    }

    fn none_lost_unsaid(&self, ids: &[String]) {
        for id in ids {
            let said = self.taken.contains_key(id) || self.unknown.contains_key(id);
            assert!(said, "{id} was lost, and no error said so");
        }
    }

    /// Counts what came; whether it is an answer.
    fn note(&mut self, id: &str, answer: Result<Option<Entry>>) -> bool {
        match answer {
            Ok(None) => true,
            Ok(Some(entry)) => {
                assert_eq!(entry.value, value(id), "another's value");
                *self.taken.entry(id.to_owned()).or_default() += 1;
                true
            }
            Err(error) => {
                self.errors += 1;
                if of_the_network(&error) {
                    *self.unknown.entry(id.to_owned()).or_default() += 1;
                }
                false
            }
        }
    }
}

/// Whether the outcome is unknown; any error that the network cannot cause fails the test.
fn of_the_network(error: &Error) -> bool {
    assert!(error.is_retryable(), "a network that fails is {error:?}");
    error.outcome() == Outcome::Unknown
}

/// One task adds to a number by get and `Update`. It is always between what was acknowledged and that plus what is unknown, and a
/// conflict is never the echo of one's own write.
pub(crate) async fn adds(server: &Server) {
    let net = Flapping::start(server, "&retry=0").await;
    let collection = random("n");
    let key = Key::new(&collection, "number");
    net.truth.put(key, NewEntry::new(&b"0"[..]), PutMode::Replace).await.expect("a number");

    net.flap(&collection);
    let (mut acknowledged, mut unknown) = (0, 0);
    let until = Instant::now() + LONGEST;
    while !net.done() || acknowledged < 50 {
        assert!(Instant::now() < until, "{acknowledged} additions in {LONGEST:?}");
        let Ok(Some(entry)) = net.store.get(key).await else { continue };
        let now = number(&entry.value);
        assert!((acknowledged..=acknowledged + unknown).contains(&now), "{acknowledged} + {unknown}: {now}");
        if now > acknowledged {
            (acknowledged, unknown) = (now, 0);
        }
        let sum = NewEntry::new(Bytes::from((now + 1).to_string()));
        match net.store.put(key, sum, PutMode::Update(entry.version)).await {
            Ok(_) => (acknowledged, unknown) = (now + 1, 0),
            // The one before was still on its way. Only one of the two can have met this version.
            Err(error) if error.kind() == ErrorKind::Conflict && unknown > 0 => {}
            Err(error) => unknown = unknown.max(u64::from(of_the_network(&error))),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    net.calm();
    let entry = net.truth.get(key).await.expect("an answer").expect("the number");
    let end = number(&entry.value);
    assert!((acknowledged..=acknowledged + unknown).contains(&end), "{acknowledged} + {unknown}: {end}");
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).expect("a number")
}

/// A store behind a network that fails and heals by turns.
struct Flapping {
    store: AnyStore,
    truth: AnyStore,
    proxy: Arc<Proxy>,
    done: Arc<AtomicBool>,
}

impl Flapping {
    async fn start(server: &Server, more: &str) -> Self {
        let proxy = Proxy::start(server.address()).await.expect("a port for the proxy");
        let store = server.open(proxy.address(), more).await.expect("the network is whole");
        Self { store, truth: server.truth().await, proxy: Arc::new(proxy), done: Arc::default() }
    }

    /// Begins to fail, for requests that name `needle` where only some are lost.
    fn flap(&self, needle: &str) {
        let (proxy, done, needle) = (Arc::clone(&self.proxy), Arc::clone(&self.done), needle.to_owned());
        tokio::spawn(async move {
            let lose = |lost| Mode::Lose(Loss::new(lost, &needle, 1));
            for turn in 0..FLAPS {
                let mode = match turn % 6 {
                    0 => lose(Lost::Answer { from: 0 }),
                    1 => Mode::Cut,
                    2 => lose(Lost::Answer { from: 3 }),
                    3 => Mode::Down,
                    4 => Mode::HalfClose,
                    _ => lose(Lost::Request),
                };
                proxy.set(mode);
                tokio::time::sleep(Duration::from_millis(40)).await;
                proxy.set(Mode::Pass);
                // Long enough to connect anew and to work for a while.
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            done.store(true, Ordering::SeqCst);
        });
    }

    /// Whether every fault has been there.
    fn done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// The network is whole from now on.
    fn calm(&self) {
        self.done.store(true, Ordering::SeqCst);
        self.proxy.set(Mode::Pass);
    }
}
