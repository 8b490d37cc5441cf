//! A thousand requests, and clients with open streams, while one replica is killed and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::load::{CALLERS, Caller, Failure, Pace, REQUESTS};
use super::pair::{Replica, pair};
use super::proxy::Proxy;
use super::seen::{Outcome, Seen};
use super::watchers::Watcher;
use super::{Era, soon};

/// The one that is killed; it carries every stream by then.
const KILLED: usize = 0;
/// The one that lives; it runs what the streams belong to.
const ALIVE: usize = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_costs_what_it_had_in_flight_and_nothing_else() {
    let Some(mut replicas) = pair("killed") else { return };
    let proxy = Proxy::before(replicas.iter().map(|replica| replica.address).collect()).await;
    proxy.pin("GET", KILLED);
    proxy.pin("subscriptions/listen", KILLED);
    let Some(mut watchers) = Watcher::all(&proxy).await else { return };
    let mut load = Load::start(&proxy).await;
    break_walks(&proxy, &mut watchers).await;

    let began = Instant::now();
    load.let_go_on(30);
    load.done(300).await;
    let flying = until_some_fly(&proxy).await;
    let (first, killed) = (replicas[KILLED].id(), Killed::now(&mut replicas[KILLED]));
    load.done(600).await;
    tokio::task::block_in_place(|| replicas[KILLED].restart());
    load.let_go_on(REQUESTS);
    let callers = load.end().await;
    let took = began.elapsed();

    let failures: Vec<_> = callers.iter().flat_map(|caller| caller.failures.clone()).collect();
    let seen = proxy.seen();
    assert_only_what_was_in_flight(&seen, &killed, &failures, flying);
    assert_ne!(first, replicas[KILLED].id());
    assert_streams_moved(&seen, &killed);
    for watcher in watchers {
        watcher.end().await;
    }
    let mut kept = 0;
    for caller in &callers {
        kept += caller.find_all().await;
    }
    report(&seen, &killed, &failures, kept, took);
}

/// The requests, as they are under way.
struct Load {
    pace: Pace,
    until: watch::Sender<u32>,
    callers: JoinSet<Caller>,
}

impl Load {
    /// Each caller makes its first ten requests.
    async fn start(proxy: &Proxy) -> Self {
        let (until, _) = watch::channel(10);
        let pace = Pace { done: Arc::new(AtomicU32::new(0)), until: until.subscribe() };
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let era = if number.is_multiple_of(2) { Era::Handshake } else { Era::Modern };
            let caller = Caller::new(proxy.address, number, era).await;
            callers.spawn(caller.run(pace.clone()));
        }
        let load = Self { pace, until, callers };
        load.done(10 * CALLERS).await;
        load
    }

    /// Each caller may make so many.
    fn let_go_on(&self, until: u32) {
        self.until.send_replace(until);
    }

    /// Waits until so many requests were answered, or failed.
    async fn done(&self, requests: u32) {
        let done = async {
            while self.pace.done.load(Ordering::SeqCst) < requests {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon("the requests", done).await;
    }

    async fn end(&mut self) -> Vec<Caller> {
        let mut callers = Vec::new();
        while let Some(caller) = soon("the requests", self.callers.join_next()).await {
            callers.push(caller.expect("no answer was wrong"));
        }
        callers
    }
}

/// When a replica died.
struct Killed {
    began: Instant,
    ended: Instant,
}

impl Killed {
    fn now(replica: &mut Replica) -> Self {
        let began = Instant::now();
        replica.kill();
        Self { began, ended: Instant::now() }
    }

    /// Whether this went to the replica while it lived, and had no answer when it died.
    fn had(&self, seen: &Seen) -> bool {
        seen.began <= self.ended && self.cut(seen)
    }

    /// Whether the replica carried this when it began to die; what a client asks again meanwhile is not among it.
    fn carried(&self, seen: &Seen) -> bool {
        seen.began < self.began && self.cut(seen)
    }

    /// Whether this went to the replica, and had no end before it died.
    fn cut(&self, seen: &Seen) -> bool {
        seen.replica == KILLED && seen.ended.is_none_or(|ended| ended >= self.began)
    }
}

/// Has the sessions take their steps at the one replica, and cuts the connections, so that all go on reading at the other.
async fn break_walks(proxy: &Proxy, watchers: &mut [Watcher]) {
    proxy.pin("steps", ALIVE);
    for watcher in watchers {
        watcher.walk().await;
    }
    let walks = |seen: &Seen| seen.what.tool == "steps" && seen.replica == ALIVE && flows(seen);
    until_seen(proxy, 4, walks).await;
    proxy.cut();
    proxy.unpin("steps");
    let resumed = |seen: &Seen| seen.what.method == "resume" && seen.replica == KILLED && flows(seen);
    until_seen(proxy, 4, resumed).await;
}

/// Whether something of the answer came, and more will.
fn flows(seen: &Seen) -> bool {
    seen.outcome == Outcome::Open && seen.pieces >= 3
}

async fn until_seen(proxy: &Proxy, count: usize, holds: impl Fn(&Seen) -> bool + Send + Sync) {
    let wait = async {
        while proxy.seen().iter().filter(|seen| holds(seen)).count() < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("what the proxy sees", wait).await;
}

/// Waits until the replica has several calls in flight, so that something is at stake; how many it has.
async fn until_some_fly(proxy: &Proxy) -> usize {
    let calls = || proxy.seen().iter().filter(|seen| flies(seen)).count();
    let wait = async {
        loop {
            let flying = calls();
            if flying >= 3 {
                return flying;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("calls in flight", wait).await
}

fn flies(seen: &Seen) -> bool {
    seen.replica == KILLED && seen.what.method == "tools/call" && seen.outcome == Outcome::Open
}

/// Every request that failed was in flight on the replica when it died.
fn assert_only_what_was_in_flight(seen: &[Seen], killed: &Killed, failures: &[Failure], flying: usize) {
    let broken = |seen: &&Seen| matches!(seen.outcome, Outcome::Lost | Outcome::BadGateway);
    let calls = || seen.iter().filter(|seen| seen.what.method == "tools/call");
    let lost = calls().filter(broken).count();
    assert!(calls().filter(broken).all(|seen| killed.had(seen)), "something failed that was not in flight");
    assert!(flying > 0 && lost > 0, "nothing was in flight: {flying}, {lost}");
    assert_eq!(failures.len(), lost, "{failures:?}");
    assert!(lost <= calls().filter(|seen| killed.had(seen)).count());
}

/// Every stream that the replica carried was lost with it.
fn assert_streams_moved(seen: &[Seen], killed: &Killed) {
    for (method, count) in [("GET", 4), ("resume", 4), ("subscriptions/listen", 3)] {
        let lost = seen.iter().filter(|seen| seen.what.method == method && killed.carried(seen));
        let outcomes: Vec<_> = lost.map(|seen| seen.outcome).collect();
        assert_eq!(outcomes, vec![Outcome::Lost; count], "{method}");
    }
}

fn report(seen: &[Seen], killed: &Killed, failures: &[Failure], kept: usize, took: Duration) {
    let in_flight = seen.iter().filter(|seen| seen.what.method == "tools/call" && killed.had(seen)).count();
    let cut = failures.iter().filter(|failure| **failure == Failure::Cut).count();
    eprintln!(
        "{} requests, {took:.1?} of them after the first 200: {in_flight} in flight on the killed replica, {cut} cut, {} \
         with 502, no other failed; {kept} kept values, all found",
        CALLERS * REQUESTS,
        failures.len() - cut,
    );
}
