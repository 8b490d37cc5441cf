//! What a broken network may do to a store, and what it may not.
//!
//! Every fault of [`fault::TABLE`] meets every operation, between us and each server: the call ends in time, no answer is wrong,
//! the outcome of an error is true, no value is taken twice, and the store works again soon after the network does.

#![cfg(any(feature = "dynamo", feature = "mongo", feature = "redis"))]

#[path = "network_faults/backend.rs"]
mod backend;
#[path = "network_faults/cell.rs"]
mod cell;
#[path = "network_faults/fault.rs"]
mod fault;
#[path = "network_faults/flapping.rs"]
mod flapping;
#[path = "network_faults/operation.rs"]
mod operation;
#[path = "network_faults/report.rs"]
mod report;

use std::time::{Duration, Instant};

use kv_core::{Key, NewEntry, Outcome, PutMode, Store as _, StoreExt as _};
use larder_tests::proxy::{Mode, Proxy};
#[cfg(feature = "redis")]
use tokio::runtime::Builder;

use crate::backend::{Backend, Server};
use crate::report::Report;

/// What `timeout` says in the URLs of these tests.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much later a call may return on a machine that is busy with other tests.
const LATE: Duration = Duration::from_secs(3);

/// One test binary for all backends; each has the same tests.
macro_rules! tests_of {
    ($($feature:literal $name:ident: $backend:expr;)+) => {$(
        #[cfg(feature = $feature)]
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn every_operation_bears_every_fault() {
                let Some(server) = $backend.server() else { return };
                every_fault(server).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_is_tried_again_is_done_once_and_told_truly() {
                let Some(server) = $backend.server() else { return };
                tried_again(server).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn takes_that_are_tried_again_while_the_network_flaps_give_nothing_twice() {
                let Some(server) = $backend.server() else { return };
                flapping::takes_tried_again(&server).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn nothing_is_taken_twice_and_no_answer_is_anothers_while_the_network_flaps() {
                let Some(server) = $backend.server() else { return };
                flapping::takes(&server).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_was_added_stays_added_while_the_network_flaps() {
                let Some(server) = $backend.server() else { return };
                flapping::adds(&server).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn opening_fails_in_time_while_the_network_is_broken() {
                let Some(server) = $backend.server() else { return };
                opening(&server).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_long_answer_over_a_slow_network_gets_the_time_of_the_url() {
                let Some(server) = $backend.server() else { return };
                slowly(&server).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_call_that_finds_nobody_says_that_nothing_was_done() {
                let Some(server) = $backend.server() else { return };
                nobody(&server).await;
            }
        }
    )+};
}

tests_of! {
    "redis" redis: Backend::REDIS;
    "mongo" mongodb: Backend::MONGODB;
    "dynamo" dynamodb: Backend::DYNAMODB;
}

async fn every_fault(server: Server) {
    let mut report = Report::new(server.name());
    for fault in fault::TABLE {
        // Nothing is tried again: that would hide what the first try said.
        report.add(fault, cell::all_operations(&server, fault, 0).await);
    }
    report.print();
    report.check();
}

/// What the URL of a server stands for that says nothing of it.
const RETRY: u32 = 3;

async fn tried_again(server: Server) {
    for fault in fault::TABLE.into_iter().filter(fault::Fault::loses) {
        cell::all_operations(&server, fault, RETRY).await;
    }
}

/// An outcome that is always unknown would be true, and of no use.
async fn nobody(server: &Server) {
    let proxy = Proxy::start(server.address()).await.expect("a port for the proxy");
    let store = server.open(proxy.address(), "&retry=0").await.expect("the network is whole");
    let collection = backend::random("n");
    let key = Key::new(&collection, "nobody");
    proxy.set(Mode::Down);
    let began = Instant::now();
    loop {
        let put = store.put(key, NewEntry::new(&b"never"[..]), PutMode::Replace).await;
        let error = put.expect_err("nobody listens");
        assert!(error.is_retryable(), "{error:?}");
        // The connection from before may still have been there at first.
        if error.outcome() == Outcome::NotDone {
            break;
        }
        assert!(began.elapsed() < TIMEOUT * 10, "{error:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.set(Mode::Pass);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.truth().await.get(key).await.expect("the server answers"), None);
}

/// Some seconds for a value, of which each driver's own patience with a silent server is a part.
async fn slowly(server: &Server) {
    let proxy = Proxy::start(server.address()).await.expect("a port for the proxy");
    let store = server.open_with(proxy.address(), "timeout=60s&retry=0").await.expect("the network is whole");
    let collection = backend::random("s");
    let key = Key::new(&collection, "long");
    let value = vec![b'x'; 300 << 10];
    store.put(key, NewEntry::new(value.clone()), PutMode::Replace).await.expect("it arrives");
    proxy.set(Mode::Slow { piece: 16 << 10, pause: Duration::from_millis(100) });
    let began = Instant::now();
    let found = store.get(key).await.expect("it comes back").expect("it is there");
    assert!(found.value == value, "it came back as something else");
    assert!(began.elapsed() > Duration::from_millis(1500), "the network was not slow: {:?}", began.elapsed());
    let found = store.get_many(&[key, key]).await.expect("a batch comes back");
    assert!(found.into_iter().all(|found| found.expect("it comes back").is_some()));
    store.delete(key).await.expect("it goes");
}

/// As its users have it: the driver sends a take once more by itself.
#[cfg(feature = "mongo")]
#[tokio::test(flavor = "multi_thread")]
async fn what_mongodbs_driver_sends_again_is_taken_once_at_most_while_the_network_flaps() {
    let Some(server) = Backend::MONGODB.server() else { return };
    flapping::takes_sent_again(&server).await;
}

/// One connection for all: a long value on its way holds up what is sent behind it, which is no reason to give the
/// connection up.
#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_redis_behind_a_long_value_waits_for_it() {
    let Some(server) = Backend::REDIS.server() else { return };
    behind(&server, 8 << 20, Mode::Slow { piece: 16 << 10, pause: Duration::from_millis(4) }).await;
}

/// A value that takes longer than a silent server is given.
#[cfg(feature = "memcached")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_memcached_behind_a_long_value_waits_for_it() {
    let Some(server) = Backend::MEMCACHED.server() else { return };
    behind(&server, 900 << 10, Mode::Slow { piece: 16 << 10, pause: Duration::from_millis(50) }).await;
}

#[cfg(any(feature = "memcached", feature = "redis"))]
async fn behind(server: &Server, bytes: usize, slow: Mode) {
    let proxy = Proxy::start(server.address()).await.expect("a port for the proxy");
    let store = server.open_with(proxy.address(), "timeout=60s&retry=0").await.expect("the network is whole");
    let collection = backend::random("b");
    let (long, short) = (Key::new(&collection, "long"), Key::new(&collection, "short"));
    store.put(short, NewEntry::new("x"), PutMode::Replace).await.expect("it arrives");
    proxy.set(slow);
    let began = Instant::now();
    let (put, ()) =
        tokio::join!(store.put(long, NewEntry::new(vec![b'x'; bytes]), PutMode::Replace), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            // A caller that goes away has the connection asked whether it lives: behind the value, too.
            let impatient = tokio::time::timeout(Duration::from_millis(100), store.get(short)).await;
            assert!(impatient.is_err(), "the value was not in the way");
            assert!(store.get(short).await.expect("it waits").is_some());
        });
    put.expect("the connection was not given up");
    assert!(began.elapsed() > Duration::from_millis(1500), "the network was not slow: {:?}", began.elapsed());
    proxy.set(Mode::Pass);
    store.delete(long).await.expect("it goes");
}

/// What looks after a connection ends with its executor, and begins anew with the connection.
#[cfg(feature = "redis")]
#[test]
fn a_store_that_outlived_its_executor_leaves_a_connection_that_fell_silent() {
    let executor =
        || Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread to run on");
    let Some(server) = Backend::REDIS.server() else { return };
    let (network, first, second) = (executor(), executor(), executor());
    let proxy = network.block_on(Proxy::start(server.address())).expect("a port for the proxy");
    let opening = server.open_with(proxy.address(), "timeout=500ms&retry=0");
    let store = first.block_on(opening).expect("the network is whole");
    drop(first);
    second.block_on(async {
        let key = Key::new("c", "a");
        let _first_finds_out = store.get(key).await;
        store.get(key).await.expect("it connects anew");
        proxy.set(Mode::Forget);
        let began = Instant::now();
        while let Err(error) = store.get(key).await {
            assert!(error.is_retryable() && began.elapsed() < TIMEOUT * 5, "{error:?}");
        }
    });
}

async fn opening(server: &Server) {
    for mode in [Mode::Down, Mode::Cut, Mode::Stall, Mode::HalfClose] {
        let proxy = Proxy::start(server.address()).await.expect("a port for the proxy");
        proxy.set(mode.clone());
        let began = Instant::now();
        let error = server.open(proxy.address(), "").await.expect_err("the network was broken");
        assert!(began.elapsed() < TIMEOUT * 10, "{mode:?}: opening took {:?}", began.elapsed());
        assert!(error.is_retryable(), "{mode:?}: {error:?}");
        proxy.set(Mode::Pass);
        server.open(proxy.address(), "").await.expect("the network is whole again");
    }
}
