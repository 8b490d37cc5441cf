//! Caches with a near tier in two processes, on one Redis: what one changes the other hears of, by client tracking.
//!
//! The near tiers would keep what they hold for an hour, so nothing but the news can be what ends it.

#![cfg(feature = "near")]

use std::convert::Infallible;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kv_cache::{Cache, Near, NearCache, NearExt as _};
use kv_core::testing::service;
use kv_core::{Key, NewEntry, PutMode, Store, StoreExt as _, StoreUrl};
use kv_redis::{RedisConfig, RedisStore};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Set for the second process: the namespace that both are in.
const OTHER: &str = "LARDER_TEST_CACHE_NAMESPACE";
/// How long news may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3_600);
const TRUTH: Key<'static> = Key::new("truth", "id");
/// What stands before an answer of the second process; the rest is what a test runner says.
const ANSWER: &str = "the other process: ";

/// One process: a store, a near tier, a cache.
#[derive(Clone)]
struct Process {
    store: RedisStore,
    near: NearCache<RedisStore>,
    cache: Cache<u64>,
}

impl Process {
    async fn new(url: &str, namespace: &str) -> Self {
        let mut config = RedisConfig::from_url(&mut StoreUrl::parse(url).expect("a URL")).expect("its parts");
        namespace.clone_into(&mut config.namespace);
        config.response_timeout = PATIENCE;
        config.connect_timeout = PATIENCE;
        let store = RedisStore::open(config).await.expect("the server");
        let near = store.clone().near_cached(&Near::default().ttl(HOUR));
        let cache = Cache::new(near.clone(), "c").ttl(HOUR);
        Self { store, near, cache }
    }

    async fn truth(&self) -> u64 {
        let entry = self.store.get(TRUTH).await.expect("the server").expect("the truth");
        std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse().ok()).expect("a number")
    }

    async fn becomes_true(&self, value: u64) {
        let entry = NewEntry::new(value.to_string()).ttl(HOUR);
        self.store.put(TRUTH, entry, PutMode::Replace).await.expect("the server");
    }

    async fn found(&self, id: &str) -> Option<u64> {
        self.cache.get(id).await.map(|hit| hit.value)
    }

    /// Fetches what is true if nothing is cached.
    async fn asked(&self, id: &str) -> u64 {
        let from = self.clone();
        let fetch = move || async move { Ok::<_, Infallible>(from.truth().await) };
        let answer = self.cache.tagged(["tag"]).get_or_fetch(id, fetch).await;
        answer.unwrap_or_else(|error| match *error {})
    }

    /// Until something is found near without asking the server: from then on it is followed and copies stay.
    async fn settles(&self, id: &str) {
        let until = Instant::now() + PATIENCE;
        while self.near.held().bytes < 100 {
            assert!(Instant::now() < until, "nothing is kept near");
            self.found(id).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The second process, told line by line what to do.
struct Other {
    child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(url: &str, namespace: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", "the_second_process", "--nocapture"]);
        command.env(OTHER, namespace).env("LARDER_TEST_REDIS", url);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("a second process");
        let stdin = child.stdin.take().expect("its input");
        let answers = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, stdin, answers }
    }

    async fn send(&mut self, order: &str) {
        self.stdin.write_all(format!("{order}\n").as_bytes()).await.expect("it listens");
    }

    async fn answer(&mut self) -> Option<u64> {
        let answer = async {
            loop {
                let line = self.answers.next_line().await.expect("its output").expect("it answers");
                if let Some((_, answer)) = line.split_once(ANSWER) {
                    return answer.parse().ok();
                }
            }
        };
        tokio::time::timeout(2 * PATIENCE, answer).await.expect("it answers in time")
    }

    async fn does(&mut self, order: &str) -> Option<u64> {
        self.send(order).await;
        self.answer().await
    }

    /// Until `order` is answered with `expected`.
    async fn comes_to(&mut self, order: &str, expected: Option<u64>) {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.does(order).await;
            if answer == expected {
                return;
            }
            assert!(Instant::now() < until, "{order}: {answer:?} and not {expected:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ends(mut self) {
        drop(self.stdin);
        let status =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("its status");
        assert!(status.success(), "{status}");
    }
}

/// Does what it is told, as the second process; in the first one it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_process() {
    let Ok(namespace) = std::env::var(OTHER) else { return };
    let url = service("LARDER_TEST_REDIS").expect("the first process gives it");
    let process = Process::new(&url, &namespace).await;
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await.expect("an order") {
        let (verb, id) = order.split_once(' ').expect("a verb and an id");
        let answer = match verb {
            "find" => process.found(id).await,
            "ask" => Some(process.asked(id).await),
            "settle" => {
                process.settles(id).await;
                Some(0)
            }
            "invalidate" => {
                process.cache.invalidate(id).await.expect("the server");
                Some(0)
            }
            "ask-often" => {
                for _ in 0..300 {
                    process.asked(id).await;
                }
                Some(0)
            }
            _ => panic!("no such order: {order}"),
        };
        println!("{ANSWER}{}", answer.map_or("-".to_owned(), |n| n.to_string()));
    }
}

async fn both() -> Option<(Process, Other)> {
    let url = service("LARDER_TEST_REDIS")?;
    let namespace =
        format!("test-{}", NewEntry::new("").version().as_bytes().map(|b| format!("{b:02x}")).concat());
    let here = Process::new(&url, &namespace).await;
    here.becomes_true(1).await;
    Some((here, Other::start(&url, &namespace)))
}

async fn clean(here: &Process) {
    for collection in ["c", "c/#tags", "truth"] {
        here.store.destroy(collection).await.expect("the server");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_invalidates_the_other_does_not_find() {
    let Some((here, mut there)) = both().await else { return };
    assert_eq!(here.asked("id").await, 1);
    there.does("settle id").await;
    assert_eq!(there.does("find id").await, Some(1));
    here.becomes_true(2).await;
    assert_eq!(there.does("find id").await, Some(1), "it is kept near, and nobody told of a change");
    here.cache.invalidate("id").await.expect("the server");
    there.comes_to("find id", None).await;
    assert_eq!(there.does("ask id").await, Some(2));

    here.asked("id").await;
    here.settles("id").await;
    assert_eq!(here.found("id").await, Some(2));
    here.becomes_true(3).await;
    there.does("invalidate id").await;
    let until = Instant::now() + PATIENCE;
    while here.found("id").await.is_some() {
        assert!(Instant::now() < until, "the news did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    assert_eq!(here.asked("id").await, 3);
    there.comes_to("find id", Some(3)).await;
    here.becomes_true(4).await;
    here.cache.invalidate_tag("tag").await.expect("the server");
    assert_eq!(here.found("id").await, None);
    there.comes_to("find id", None).await;
    there.ends().await;
    clean(&here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_two_processes_that_race_with_writes_leave_nothing_old() {
    let Some((here, mut there)) = both().await else { return };
    there.does("ask id").await;
    there.send("ask-often id").await;
    for value in 2..150 {
        here.becomes_true(value).await;
        here.cache.invalidate("id").await.expect("the server");
        let asked = here.asked("id").await;
        assert_eq!(asked, value, "in this process nothing is stale");
        // Asked by several at once, and found near.
        tokio::join!(here.asked("id"), here.found("id"), here.found("id"));
    }
    there.answer().await;
    let truth = here.truth().await;
    assert_eq!(here.asked("id").await, truth);
    there.comes_to("ask id", Some(truth)).await;
    there.comes_to("find id", Some(truth)).await;
    assert_eq!(here.found("id").await, Some(truth));
    there.ends().await;
    clean(&here).await;
}
