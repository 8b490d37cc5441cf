//! Killed at any moment, a store has every acknowledged write, and none half.
//!
//! A child process writes and says so; the parent kills it and looks. `LARDER_CRASH_ROUNDS` sets how often (8).

mod kill;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::kill::{Creation, Moment, below, killed};
use super::kind::{Kind, opened};
use crate::{Key, NewEntry, PutMode, Scan, Store};

const DIR: &str = "LARDER_TEST_CRASH";
const MODE: &str = "LARDER_TEST_MODE";
const ROUND: &str = "LARDER_TEST_ROUND";
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

/// All entries of one round, by task.
async fn found(store: &impl Store, round: usize) -> Vec<State> {
    let mut states = vec![State::new(); TASKS];
    let (collection, mut from) = (format!("r{round}"), None);
    loop {
        let page = store.scan(Scan::one(&collection).values(), from.as_ref()).await.expect("a page");
        for item in page.items {
            let task = item.id.split('-').next().and_then(|task| task.parse::<usize>().ok()).expect("a task");
            let state = states.get_mut(task).expect("one of the tasks");
            state.insert(item.id.into(), item.entry.expect("its value").value.to_vec());
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

/// Kills a writer again and again on the same directory; every other time nobody opens the store in between.
///
/// # Panics
/// When something acknowledged is missing, or something else is there.
pub async fn survives_kills<K: Kind>(mode: K, dir: &Path) {
    let (mut outputs, mut before) = (Vec::new(), Vec::new());
    let mut slowest = Duration::ZERO;
    while outputs.len() < rounds() {
        for _ in 0..=outputs.len() % 2 {
            let moment = Moment::Writing(below(Duration::from_millis(150)));
            outputs.push(killed(mode, dir, outputs.len(), moment));
        }
        let started = Instant::now();
        let store = opened(mode, dir).await;
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

/// Kills a writer while it creates its store, each time below `dir` in a folder of its own: every other time within the
/// creation itself, else at any moment since its start.
///
/// # Panics
/// As [`survives_kills`]; when the store does not open or takes no write; and when no kill left one half made.
pub async fn survives_kills_during_creation<K: Kind>(mode: K, dir: &Path) {
    let usual = Usual::of(mode, &dir.join("whole"));
    let (mut nothing, mut half_made, mut round) = (0, 0, 0);
    // On a busy machine the kill may come late: what has to be seen is tried a few times more.
    while round < rounds() || (half_made == 0 && round < rounds() + 40) {
        let dir = dir.join(round.to_string());
        let output = killed(mode, &dir, round, usual.moment(round));
        match Creation::of(&dir) {
            Creation::Nothing => nothing += 1,
            Creation::Begun => half_made += 1,
            Creation::Done => {}
        }
        opens_and_works(mode, &dir, round, &output).await;
        round += 1;
    }
    say(
        mode,
        &format!("{round} kills during creation: {nothing} before it began, {half_made} left it half made"),
    );
    assert!(half_made > 0, "none of {round} kills left a store half made: this run has shown nothing");
}

/// How long it takes when nobody interferes.
struct Usual {
    /// From the start to the first acknowledgement.
    whole: Duration,
    /// Of that, the creation of the store.
    creation: Duration,
}

impl Usual {
    fn of<K: Kind>(mode: K, dir: &Path) -> Self {
        let watched = dir.to_owned();
        let creation = std::thread::spawn(move || {
            Creation::wait(&watched, &[Creation::Begun, Creation::Done]);
            let began = Instant::now();
            Creation::wait(&watched, &[Creation::Done]);
            began.elapsed()
        });
        let started = Instant::now();
        killed(mode, dir, 0, Moment::Writing(Duration::ZERO));
        Self { whole: started.elapsed(), creation: creation.join().expect("a store") }
    }

    /// Within the creation, at any time, and at its very beginning once the rounds are over.
    fn moment(&self, round: usize) -> Moment {
        if round >= rounds() {
            Moment::Creating(Duration::ZERO)
        } else if round.is_multiple_of(2) {
            Moment::Creating(below(self.creation))
        } else {
            Moment::Starting(below(self.whole))
        }
    }
}

/// What a killed creation left is no damage: the store opens, has what was acknowledged, and takes a write.
async fn opens_and_works<K: Kind>(mode: K, dir: &Path, round: usize, output: &str) {
    let store = opened(mode, dir).await;
    check(&store, round, output).await;
    assert_eq!(Creation::of(dir), Creation::Done);
    assert!(!dir.join("new").exists(), "what was half made is gone");
    store.put(Key::new("after", "a"), NewEntry::new("b"), PutMode::Create).await.expect("a put");
    store.close().await.expect("it closes");
}

fn say<K: Kind>(mode: K, what: &str) {
    let line = format!("{}: {what}\n", mode.name());
    std::io::stdout().write_all(line.as_bytes()).expect("somebody reads");
}
