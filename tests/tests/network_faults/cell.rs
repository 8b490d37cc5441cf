//! One operation under one fault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kv_core::{AnyStore, Key, NewEntry, Outcome, PutMode, Store as _, StoreExt as _};
use larder_tests::proxy::{Mode, Proxy};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::backend::{Server, random};
use crate::fault::{Fault, Then};
use crate::operation::{ALL, Answer, Ground, Operation, PROBE, Part, old};
use crate::{LATE, TIMEOUT};

/// What a cell showed that is worth a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) operation: Operation,
    /// How long the call took under the fault.
    pub(crate) call: Duration,
    /// From the end of the fault to the first success.
    pub(crate) recovery: Duration,
    /// Whether the call succeeded.
    pub(crate) succeeded: bool,
    /// Whether the error, if any, said that nothing was done.
    pub(crate) not_done: bool,
}

/// So many cells at once: each waits most of its time.
const AT_ONCE: usize = 4;
/// In which a server executes what it was still sent.
const SETTLED: Duration = Duration::from_millis(300);

/// All operations under `fault`, each with a proxy and a store of its own; `retry` is what its URL says.
pub(crate) async fn all_operations(server: &Server, fault: Fault, retry: u32) -> Vec<Seen> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut cells = JoinSet::new();
    for operation in ALL {
        let (server, permits) = (server.clone(), Arc::clone(&permits));
        cells.spawn(async move {
            let _permit = permits.acquire().await.expect("nobody closes it");
            Cell::open(&server, fault, operation, retry).await.run().await
        });
    }
    cells.join_all().await
}

struct Cell {
    fault: Fault,
    operation: Operation,
    proxy: Proxy,
    store: AnyStore,
    truth: AnyStore,
    ground: Ground,
    /// How long a call may take.
    longest: Duration,
}

impl Cell {
    async fn open(server: &Server, fault: Fault, operation: Operation, retry: u32) -> Self {
        let proxy = Proxy::start(server.address()).await.expect("a port for the proxy");
        let truth = server.truth().await;
        let store =
            server.open(proxy.address(), &format!("&retry={retry}")).await.expect("the network is whole");
        warm(&store).await;
        let ground = Ground::prepare(&truth, random("c")).await;
        Self { fault, operation, proxy, store, truth, ground, longest: TIMEOUT * retry.max(1) + LATE }
    }

    async fn run(self) -> Seen {
        self.proxy.set(self.fault.mode(&self.ground.collection));
        let began = Instant::now();
        let parts = self.operation.run(&self.store, &self.ground).await;
        let call = began.elapsed();
        let lost = self.proxy.lost();
        self.proxy.set(Mode::Pass);
        let recovery = self.recovered().await;

        assert!(call < self.longest, "{}: the call took {call:?}", self.name());
        self.the_fault_was_there(&parts, lost);
        tokio::time::sleep(SETTLED).await;
        for part in &parts {
            self.judge(part).await;
        }
        if self.operation.takes() {
            self.nothing_is_taken_twice(parts.first().expect("one part")).await;
        }
        let seen = Seen {
            operation: self.operation,
            call,
            recovery,
            succeeded: parts.iter().all(|part| part.result.is_ok()),
            not_done: parts
                .iter()
                .any(|part| matches!(&part.result, Err(error) if error.outcome() == Outcome::NotDone)),
        };
        self.truth.destroy(&self.ground.collection).await.ok();
        seen
    }

    fn name(&self) -> String {
        format!("{:?} while {}", self.operation, self.fault.name)
    }

    /// From now to the first call that succeeds.
    async fn recovered(&self) -> Duration {
        let began = Instant::now();
        loop {
            match self.store.get(Key::new(&self.ground.collection, PROBE)).await {
                Ok(entry) => {
                    let found = entry.map(|entry| entry.value);
                    assert_eq!(found, Some(old(PROBE)), "{}: another's value", self.name());
                    return began.elapsed();
                }
                Err(error) => {
                    assert!(began.elapsed() < TIMEOUT * 10, "{}: it never recovers: {error:?}", self.name());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    fn the_fault_was_there(&self, parts: &[Part], lost: u32) {
        let failed = parts.iter().any(|part| part.result.is_err());
        match self.fault.then {
            Then::Succeeds => assert!(!failed, "{}: {parts:?}", self.name()),
            Then::Fails => assert!(failed, "{}: it succeeded", self.name()),
            Then::FailsDone => assert!(failed && lost > 0, "{}: {lost} lost, {parts:?}", self.name()),
            Then::Loses | Then::LosesDone => assert!(lost > 0, "{}: nothing was lost", self.name()),
        }
    }

    /// The answer is right, or the error tells the truth about what is stored.
    async fn judge(&self, part: &Part) {
        let name = format!("{}, {}", self.name(), part.id);
        let stored = self.stored(&part.id).await;
        let error = match &part.result {
            Ok(answer) => {
                assert_eq!(answer, &part.right, "{name}: a wrong answer");
                assert_eq!(stored, part.after, "{name}: what was acknowledged is not so");
                return;
            }
            Err(error) => error,
        };
        assert!(error.is_retryable(), "{name}: a network that fails is {error:?}");
        match error.outcome() {
            Outcome::NotDone => assert_eq!(stored, part.before, "{name}: not done, it said: {error:?}"),
            Outcome::Unknown => assert!(stored == part.before || stored == part.after, "{name}: neither"),
        }
        if matches!(self.fault.then, Then::FailsDone | Then::LosesDone) && self.operation != Operation::Scan {
            assert_eq!(stored, part.after, "{name}: the server had executed it");
        }
    }

    async fn stored(&self, id: &str) -> Option<Bytes> {
        let entry = self.truth.get(Key::new(&self.ground.collection, id)).await;
        entry.expect("the server answers").map(|entry| entry.value)
    }

    async fn nothing_is_taken_twice(&self, first: &Part) {
        let second = self.store.take(Key::new(&self.ground.collection, &first.id), None).await;
        let second = second.expect("the network is whole again").map(|entry| entry.value);
        match &first.result {
            Ok(Answer::Value(Some(_))) => assert_eq!(second, None, "{}: taken twice", self.name()),
            Err(error) if error.outcome() == Outcome::NotDone => {
                assert_eq!(second, Some(old(&first.id)), "{}: not done, it said: {error:?}", self.name());
            }
            _ => {}
        }
        assert_eq!(self.stored(&first.id).await, None);
    }
}

/// Connections are there and scripts are known before anything breaks.
async fn warm(store: &AnyStore) {
    let collection = random("w");
    let key = Key::new(&collection, "warm");
    let entry = || NewEntry::new(&b"warm"[..]);
    let version = store.put(key, entry(), PutMode::Create).await.expect("a create");
    let version = store.put(key, entry(), PutMode::Update(version)).await.expect("an update");
    store.get_many(&[key, key]).await.expect("a batch");
    store.take(key, Some(version)).await.expect("a take").expect("an entry");
}
