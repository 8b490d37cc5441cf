//! Killed at any moment, a store has every acknowledged write, and none half.
//!
//! A child process writes and says so; the parent kills it and looks. `LARDER_CRASH_ROUNDS` sets how often (8).

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::child;
use crate::{Key, NewEntry, PutMode, Scan, Store};

const DIR: &str = "LARDER_TEST_CRASH";
const MODE: &str = "LARDER_TEST_MODE";
const ROUND: &str = "LARDER_TEST_ROUND";
const TASKS: usize = 8;

/// A kind of store that is killed while it writes, in one of its modes.
pub trait Killed: Copy + Send + Sync + 'static {
    /// The store.
    type Store: Store + Clone;

    /// The test of this very binary that calls [`write_until_killed`].
    const WRITER: &'static str;

    /// This mode, by a number that the writer is told.
    fn number(self) -> usize;

    /// This mode, as the output calls it.
    fn name(self) -> String;

    /// Opens the store in `dir`, or creates it.
    fn open(self, dir: &Path) -> impl Future<Output = Self::Store> + Send;
}

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

/// The writer's side: the directory and the number of the mode; `None` where this is no such child.
///
/// # Panics
/// When the mode is no number.
pub fn asked() -> Option<(PathBuf, usize)> {
    let (dir, mode) = (std::env::var(DIR).ok()?, std::env::var(MODE).ok()?);
    Some((dir.into(), mode.parse().expect("a number")))
}

/// The writer's side: tasks that write, and say so, until this process is killed.
///
/// # Panics
/// When the store refuses a write.
pub async fn write_until_killed<S: Store + Clone>(store: S) {
    std::io::stdout().write_all(b"\n").expect("somebody reads"); // ends the line that the test runner began
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(write(store.clone(), task))).collect();
    for task in tasks {
        task.await.expect("a task that writes");
    }
}

async fn write<S: Store>(store: S, task: usize) {
    let round = std::env::var(ROUND).expect("a round");
    for number in 0.. {
        let new = || NewEntry::new(value(task, number));
        match step(number) {
            Step::Replace(n) => {
                store.put(Key::new(&round, &id(task, n)), new(), PutMode::Replace).await.expect("a put");
            }
            Step::Create(n) => {
                store.put(Key::new(&round, &id(task, n)), new(), PutMode::Create).await.expect("a put");
            }
            Step::Take(n) => {
                let taken = store
                    .take(Key::new(&round, &id(task, n)), None)
                    .await
                    .expect("a take")
                    .expect("it was put");
                assert_eq!(taken.value, value(task, number - 1));
            }
        }
        std::io::stdout().write_all(format!("ack {task} {number} .\n").as_bytes()).expect("somebody reads");
    }
}

/// The steps that each task of a killed child had acknowledged.
fn acknowledged(output: &str) -> [usize; TASKS] {
    let mut steps = [0; TASKS];
    for line in output.lines() {
        let ["ack", task, number, "."] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        let (task, number): (usize, usize) = (task.parse().expect("a task"), number.parse().expect("a step"));
        *steps.get_mut(task).expect("one of the tasks") = number + 1;
    }
    steps
}

/// Starts a writer, kills it `delay` after its first acknowledgement (or after its start), and answers what it said.
fn killed<K: Killed>(mode: K, dir: &Path, round: usize, delay: Duration, from_start: bool) -> String {
    let (mode, round) = (mode.number().to_string(), format!("r{round}"));
    let variables =
        [(DIR, dir.to_str().expect("a path of a test")), (MODE, mode.as_str()), (ROUND, round.as_str())];
    let mut writer = child(K::WRITER, &variables).spawn().expect("a child");
    let mut pipe = writer.stdout.take().expect("its output");
    let (first, began) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut output, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let read = pipe.read(&mut buffer).expect("its output");
            output.extend_from_slice(buffer.get(..read).unwrap_or_default());
            if read == 0 {
                return String::from_utf8(output).expect("text");
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
    writer.kill().expect("it runs"); // SIGKILL
    writer.wait().expect("it has ended");
    reader.join().expect("all it said")
}

/// All entries of one round, by task.
async fn found(store: &impl Store, round: usize) -> Vec<State> {
    let mut states = vec![State::new(); TASKS];
    let (collection, mut from) = (format!("r{round}"), None);
    loop {
        let page = store.scan(Scan::one(&collection).values(), from.as_ref()).await.expect("a page");
        for item in page.items {
            let task = item.id.split('-').next().and_then(|task| task.parse::<usize>().ok()).expect("a task");
            let state = states.get_mut(task).expect("one of the tasks");
            state.insert(item.id, item.entry.expect("its value").value.to_vec());
        }
        from = page.next;
        if from.is_none() {
            return states;
        }
    }
}

/// Acknowledged steps were done, at most one more was, and nothing else is there.
async fn check(store: &impl Store, round: usize, output: &str) -> Vec<State> {
    let states = found(store, round).await;
    for (task, (state, steps)) in states.iter().zip(acknowledged(output)).enumerate() {
        let fits = *state == after(task, steps) || *state == after(task, steps + 1);
        assert!(fits, "round {round}, task {task}: {steps} steps acknowledged, but the entries are others");
    }
    states
}

fn millis_below(limit: u64) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    Duration::from_micros(u64::from(nanos).wrapping_mul(2_654_435_761) % (limit * 1_000))
}

/// Kills a writer again and again on the same directory; every other time nobody opens the store in between.
///
/// # Panics
/// When something acknowledged is missing, or something else is there.
pub async fn survives_kills<K: Killed>(mode: K, dir: &Path) {
    let (mut outputs, mut before) = (Vec::new(), Vec::new());
    let mut slowest = Duration::ZERO;
    while outputs.len() < rounds() {
        for _ in 0..=outputs.len() % 2 {
            outputs.push(killed(mode, dir, outputs.len(), millis_below(150), false));
        }
        let started = Instant::now();
        let store = mode.open(dir).await;
        slowest = slowest.max(started.elapsed());
        for (round, states) in before.iter().enumerate() {
            assert_eq!(found(&store, round).await, *states, "round {round} was whole once");
        }
        for (round, output) in outputs.iter().enumerate().skip(before.len()) {
            before.push(check(&store, round, output).await);
        }
        store.close().await.expect("it closes");
    }
    let (kills, total) =
        (outputs.len(), outputs.iter().flat_map(|output| acknowledged(output)).sum::<usize>());
    say(mode, &format!("{kills} kills, {total} writes acknowledged, 0 lost, slowest open {slowest:?}"));
}

/// Kills a writer while it creates its store, each time below `dir` in a folder of its own. `is_made` says whether there
/// was one.
///
/// # Panics
/// As [`survives_kills`], and when the store does not open or takes no write.
pub async fn survives_kills_during_creation<K: Killed>(mode: K, dir: &Path, is_made: impl Fn(&Path) -> bool) {
    let started = Instant::now();
    killed(mode, &dir.join("whole"), 0, Duration::ZERO, false);
    let whole = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX / 2) + 2;
    let mut half_made = 0;
    for round in 0..rounds() {
        let dir = dir.join(round.to_string());
        let output = killed(mode, &dir, round, millis_below(whole), true);
        half_made += usize::from(!is_made(&dir));
        let store = mode.open(&dir).await;
        check(&store, round, &output).await;
        store.put(Key::new("after", "a"), NewEntry::new("b"), PutMode::Create).await.expect("a put");
        store.close().await.expect("it closes");
    }
    say(mode, &format!("{} kills during creation, {half_made} before there was a store", rounds()));
}

fn say<K: Killed>(mode: K, what: &str) {
    let line = format!("{}: {what}\n", mode.name());
    std::io::stdout().write_all(line.as_bytes()).expect("somebody reads");
}
