//! Two processes on the same keys: this one starts itself again as children.

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};
use kv_redis::RedisStore;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};

use crate::place::{namespace, open, variable};
use crate::private::{PATIENCE, until};

const ROUNDS: usize = 50;
const KEY: Key<'static> = Key::new("shared", "a");
/// What a child is told by its environment: its part, its number, the URL and the namespace.
const CHILD: [&str; 4] =
    ["LARDER_TEST_CHILD", "LARDER_TEST_CHILD_IS", "LARDER_TEST_CHILD_URL", "LARDER_TEST_CHILD_NS"];

/// Only as a child of the tests below: plays its part.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_plays_its_part() {
    let told = CHILD.map(|name| std::env::var(name).ok());
    let [Some(part), Some(number), Some(url), Some(namespace)] = told else { return };
    let store = open(&url, &namespace).await.unwrap();
    match part.as_str() {
        "race" => race(&store, number.parse().unwrap()).await,
        "read" => read_on_demand(&store).await,
        "count" => count(&store).await,
        part => panic!("{part} is no part"),
    }
}

/// A process of its own that plays a part.
struct Other {
    child: Child,
    stdin: ChildStdin,
    says: Lines<BufReader<ChildStderr>>,
}

impl Other {
    fn start(part: &str, number: usize, url: &str, namespace: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "shared::a_child_plays_its_part", "--nocapture", "--test-threads=1"]);
        command.envs(CHILD.into_iter().zip([part, &number.to_string(), url, namespace]));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let says = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { stdin: child.stdin.take().unwrap(), child, says }
    }

    async fn tell(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> Option<String> {
        tokio::time::timeout(PATIENCE, self.says.next_line())
            .await
            .expect("the child says something")
            .unwrap()
    }

    /// What it still says, once it has ended well.
    async fn end(mut self) -> Vec<String> {
        drop(self.stdin);
        let mut lines = Vec::new();
        while let Some(line) = tokio::time::timeout(PATIENCE, self.says.next_line()).await.unwrap().unwrap() {
            lines.push(line);
        }
        assert!(self.child.wait().await.unwrap().success(), "{lines:?}");
        lines
    }
}

/// Waits until the other process has come to the same point.
async fn meet(store: &RedisStore, me: usize, point: &str) {
    let [mine, other] = [me, 1 - me].map(|who| format!("{point}-{who}"));
    store.put(Key::new("met", &mine), NewEntry::new("x"), PutMode::Create).await.unwrap();
    until("the other one comes", async || {
        tokio::time::sleep(Duration::from_millis(1)).await;
        store.get(Key::new("met", &other)).await.unwrap().is_some()
    })
    .await;
}

/// Creates, updates and takes one entry again and again, at the same time as the other; says what it won of each round.
async fn race(store: &RedisStore, me: usize) {
    for round in 0..ROUNDS {
        meet(store, me, &format!("create-{round}")).await;
        let created = store.put(KEY, NewEntry::new("x"), PutMode::Create).await.map_err(|e| e.kind());
        assert!(matches!(created, Ok(_) | Err(ErrorKind::AlreadyExists)), "{created:?}");
        meet(store, me, &format!("read-{round}")).await;
        let version = store.get(KEY).await.unwrap().expect("one of us made it").version;
        meet(store, me, &format!("update-{round}")).await;
        let updated =
            store.put(KEY, NewEntry::new("y"), PutMode::Update(version)).await.map_err(|e| e.kind());
        assert!(matches!(updated, Ok(_) | Err(ErrorKind::Conflict)), "{updated:?}");
        meet(store, me, &format!("take-{round}")).await;
        let taken = store.take(KEY, None).await.unwrap();
        eprintln!("won {round} {} {} {}", created.is_ok(), updated.is_ok(), taken.is_some());
        meet(store, me, &format!("end-{round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_create_take_or_update_one_wins() {
    for server in ["LARDER_TEST_REDIS", "LARDER_TEST_VALKEY", "LARDER_TEST_REDIS_CLUSTER"] {
        let Some(url) = variable(server) else { continue };
        let namespace = namespace();
        let racers = [0, 1].map(|number| Other::start("race", number, &url, &namespace).end());
        let mut won = [[0; 3]; ROUNDS];
        for line in join_all(racers).await.into_iter().flatten() {
            let Some(line) = line.strip_prefix("won ") else { continue };
            let words: Vec<_> = line.split(' ').collect();
            for (won, word) in won[words[0].parse::<usize>().unwrap()].iter_mut().zip(&words[1..]) {
                *won += usize::from(*word == "true");
            }
        }
        assert_eq!(won, [[1; 3]; ROUNDS], "{server}");
    }
}

/// Adds to a number as often as there are rounds.
async fn count(store: &RedisStore) {
    for _ in 0..ROUNDS {
        loop {
            let entry = store.get(KEY).await.unwrap().unwrap();
            let next = std::str::from_utf8(&entry.value).unwrap().parse::<usize>().unwrap() + 1;
            match store.put(KEY, NewEntry::new(next.to_string()), PutMode::Update(entry.version)).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_count_lose_nothing() {
    let Some(url) = variable("LARDER_TEST_REDIS") else { return };
    let namespace = namespace();
    let here = open(&url, &namespace).await.unwrap();
    here.put(KEY, NewEntry::new("0"), PutMode::Create).await.unwrap();
    let others = [0, 1].map(|number| Other::start("count", number, &url, &namespace).end());
    tokio::join!(join_all(others), count(&here));
    assert_eq!(here.take(KEY, None).await.unwrap().unwrap().value, (ROUNDS * 3).to_string());
}

/// Says what it reads, as often as it is asked.
async fn read_on_demand(store: &RedisStore) {
    while std::io::stdin().read_line(&mut String::new()).unwrap() > 0 {
        let entry = store.get(KEY).await.unwrap().unwrap();
        eprintln!("read {} {:?}", std::str::from_utf8(&entry.value).unwrap(), entry.version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_was_acknowledged_the_other_reads() {
    let Some(url) = variable("LARDER_TEST_REDIS") else { return };
    let namespace = namespace();
    let here = open(&url, &namespace).await.unwrap();
    let mut there = Other::start("read", 0, &url, &namespace);
    for n in 0..200 {
        let version = here.put(KEY, NewEntry::new(n.to_string()), PutMode::Replace).await.unwrap();
        there.tell("read").await;
        let read = loop {
            let line = there.line().await.expect("it reads");
            if line.starts_with("read ") {
                break line;
            }
        };
        assert_eq!(read, format!("read {n} {version:?}"));
    }
    there.end().await;
    here.take(KEY, None).await.unwrap();
}
