//! Killed at any moment, a store has every acknowledged write, and none half.
//!
//! A child process writes and says so; the parent kills it and looks. `LARDER_CRASH_ROUNDS` sets how often (8).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kv_core::{Key, NewEntry, PutMode, Scan, Store};
use kv_rocksdb::{Durability, RocksConfig, RocksStore};
use tempfile::TempDir;

use crate::support::{MODES, child};

const DIR: &str = "LARDER_TEST_CRASH";
const MODE: &str = "LARDER_TEST_MODE";
const ROUND: &str = "LARDER_TEST_ROUND";
const WRITER: &str = "crash::a_child_writes_until_it_is_killed";
const TASKS: usize = 8;

type State = BTreeMap<String, Vec<u8>>;

fn rounds() -> usize {
    std::env::var("LARDER_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(8)
}

/// What a task does in a step; both sides compute it.
enum Step {
    Replace(usize),
    Create(usize),
    Take(usize),
}

fn step(number: usize) -> Step {
    match number % 4 {
        0 => Step::Replace(number),
        1 => Step::Replace(number - 1), // over the one before
        2 => Step::Create(number),
        _ => Step::Take(number - 1),
    }
}

fn id(task: usize, number: usize) -> String {
    format!("{task}-{number:06}")
}

/// Mostly small; now and then more than an engine keeps in its log.
fn value(task: usize, number: usize) -> Vec<u8> {
    let copies = match number % 97 {
        13 => 2_000,
        96 => 12_000,
        rest => 1 + rest,
    };
    format!("task {task} step {number:06} ").into_bytes().repeat(copies)
}

/// The entries of one task after `steps` steps.
fn after(task: usize, steps: usize) -> State {
    let mut state = State::new();
    for number in 0..steps {
        match step(number) {
            Step::Replace(n) | Step::Create(n) => drop(state.insert(id(task, n), value(task, number))),
            Step::Take(n) => drop(state.remove(&id(task, n))),
        }
    }
    state
}

/// Only as a child of the tests below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_writes_until_it_is_killed() {
    let (Ok(dir), Ok(mode)) = (std::env::var(DIR), std::env::var(MODE)) else { return };
    let mut config = RocksConfig::new(Path::new(&dir));
    config.durability = MODES[mode.parse::<usize>().unwrap()];
    let store = RocksStore::open(config).await.unwrap();
    std::io::stdout().write_all(b"\n").unwrap(); // ends the line that the test runner began
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(write(store.clone(), task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn write(store: RocksStore, task: usize) {
    let round = std::env::var(ROUND).unwrap();
    for number in 0.. {
        let new = || NewEntry::new(value(task, number));
        match step(number) {
            Step::Replace(n) => {
                store.put(Key::new(&round, &id(task, n)), new(), PutMode::Replace).await.unwrap();
            }
            Step::Create(n) => {
                store.put(Key::new(&round, &id(task, n)), new(), PutMode::Create).await.unwrap();
            }
            Step::Take(n) => {
                let taken = store.take(Key::new(&round, &id(task, n)), None).await.unwrap().unwrap();
                assert_eq!(taken.value, value(task, number - 1));
            }
        }
        std::io::stdout().write_all(format!("ack {task} {number} .\n").as_bytes()).unwrap();
    }
}

/// The steps that each task of a killed child had acknowledged.
fn acknowledged(output: &str) -> [usize; TASKS] {
    let mut steps = [0; TASKS];
    for line in output.lines() {
        let ["ack", task, number, "."] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        steps[task.parse::<usize>().unwrap()] = number.parse::<usize>().unwrap() + 1;
    }
    steps
}

/// Starts a writer, kills it `delay` after its first acknowledgement (or after its start), and answers what it said.
fn killed(dir: &Path, mode: usize, round: usize, delay: Duration, from_start: bool) -> String {
    let (mode, round) = (mode.to_string(), format!("r{round}"));
    let variables = [(DIR, dir.to_str().unwrap()), (MODE, mode.as_str()), (ROUND, round.as_str())];
    let mut writer = child(WRITER, &variables).spawn().unwrap();
    let mut pipe = writer.stdout.take().unwrap();
    let (first, began) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut output, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let read = pipe.read(&mut buffer).unwrap();
            output.extend_from_slice(&buffer[..read]);
            if read == 0 {
                return String::from_utf8(output).unwrap();
            }
            if output.windows(4).any(|part| part == b"ack ") {
                let _ = first.send(()); // the receiver needs it once
            }
        }
    });
    if !from_start {
        began.recv_timeout(Duration::from_secs(60)).expect("the writer never acknowledged anything");
    }
    std::thread::sleep(delay);
    writer.kill().unwrap(); // SIGKILL
    writer.wait().unwrap();
    reader.join().unwrap()
}

/// All entries of one round, by task.
async fn found(store: &RocksStore, round: usize) -> Vec<State> {
    let mut states = vec![State::new(); TASKS];
    let (collection, mut from) = (format!("r{round}"), None);
    loop {
        let page = store.scan(Scan::one(&collection).values(), from.as_ref()).await.unwrap();
        for item in page.items {
            let task: usize = item.id.split('-').next().unwrap().parse().unwrap();
            states[task].insert(item.id, item.entry.unwrap().value.to_vec());
        }
        from = page.next;
        if from.is_none() {
            return states;
        }
    }
}

/// Acknowledged steps were done, at most one more was, and nothing else is there.
async fn check(store: &RocksStore, round: usize, output: &str) -> Vec<State> {
    let states = found(store, round).await;
    for (task, (state, steps)) in states.iter().zip(acknowledged(output)).enumerate() {
        let fits = *state == after(task, steps) || *state == after(task, steps + 1);
        assert!(fits, "round {round}, task {task}: {steps} steps acknowledged, but the entries are others");
    }
    states
}

fn millis_below(limit: u64) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    Duration::from_micros(u64::from(nanos).wrapping_mul(2_654_435_761) % (limit * 1_000))
}

/// Kills a writer again and again on the same directory; every other time nobody opens the store in between.
async fn survives_kills(mode: usize) {
    let dir = TempDir::new().unwrap();
    let (mut outputs, mut before) = (Vec::new(), Vec::new());
    let mut slowest = Duration::ZERO;
    while outputs.len() < rounds() {
        for _ in 0..=outputs.len() % 2 {
            outputs.push(killed(dir.path(), mode, outputs.len(), millis_below(150), false));
        }
        let started = Instant::now();
        let store = RocksStore::open(RocksConfig::new(dir.path())).await.unwrap();
        slowest = slowest.max(started.elapsed());
        for (round, states) in before.iter().enumerate() {
            assert_eq!(found(&store, round).await, *states, "round {round} was whole once");
        }
        for (round, output) in outputs.iter().enumerate().skip(before.len()) {
            before.push(check(&store, round, output).await);
        }
        store.close().await.unwrap();
    }
    let durability = MODES[mode];
    let total: usize = outputs.iter().flat_map(|output| acknowledged(output)).sum();
    println!(
        "{durability:?}: {} kills, {total} writes acknowledged, 0 lost, slowest open {slowest:?}",
        outputs.len()
    );
}

/// Kills a writer while it creates its store.
async fn survives_kills_during_creation(mode: usize) {
    let durability = MODES[mode];
    let dir = TempDir::new().unwrap();
    let started = Instant::now();
    killed(&dir.path().join("whole"), mode, 0, Duration::ZERO, false);
    let whole = u64::try_from(started.elapsed().as_millis()).unwrap() + 2;
    let mut half_made = 0;
    for round in 0..rounds() {
        let store = dir.path().join(round.to_string());
        let output = killed(&store, mode, round, millis_below(whole), true);
        half_made += usize::from(!store.join("data").exists());
        let store = open_again(durability, &store).await;
        check(&store, round, &output).await;
        store.put(Key::new("after", "a"), NewEntry::new("b"), PutMode::Create).await.unwrap();
        store.close().await.unwrap();
    }
    println!("{durability:?}: {} kills during creation, {half_made} before there was a store", rounds());
}

async fn open_again(durability: Durability, dir: &Path) -> RocksStore {
    let mut config = RocksConfig::new(dir);
    config.durability = durability;
    RocksStore::open(config).await.unwrap()
}

#[tokio::test]
async fn a_killed_store_has_what_it_acknowledged() {
    survives_kills(0).await;
}

#[tokio::test]
async fn a_killed_store_that_syncs_has_what_it_acknowledged() {
    survives_kills(1).await;
}

#[tokio::test]
async fn a_store_killed_while_it_is_created_opens_again() {
    survives_kills_during_creation(0).await;
}
