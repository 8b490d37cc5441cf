//! Processes that write the same keys: a test starts its own binary again, and each child plays a part.
//!
//! A backend's tests have one test that plays, whose name the others hand to the functions here:
//!
//! ```no_run
//! # use kv_core::testing::{ReferenceStore, processes};
//! # use kv_core::Clock;
//! # async fn open(url: String) -> kv_core::Result<ReferenceStore> { Ok(ReferenceStore::new(&Clock::system())) }
//! // #[tokio::test(flavor = "multi_thread")]
//! async fn a_child_plays_its_part() {
//!     processes::play(open).await;
//! }
//!
//! // #[tokio::test(flavor = "multi_thread")]
//! async fn of_two_processes_one_wins() {
//!     processes::one_wins("shared::a_child_plays_its_part", "redis://localhost/0");
//! }
//! ```

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::{ErrorKind, Key, NewEntry, PutMode, Result, Store};

const ROUNDS: usize = 30;
/// How long a part may take, all of it.
const PATIENCE: Duration = Duration::from_secs(300);
const KEY: Key<'static> = Key::new("shared", "a");
/// What a child is told by its environment: its part, its number, and what its `open` takes.
const TOLD: [&str; 3] = ["LARDER_TEST_CHILD", "LARDER_TEST_CHILD_IS", "LARDER_TEST_CHILD_PLACE"];

/// Plays a part with the store that `open` makes of the place it is told. Does nothing where nobody told one: when the
/// test runs as one among the others.
///
/// # Panics
/// When the store does not answer as it should.
pub async fn play<S: Store, F: Future<Output = Result<S>>>(open: impl FnOnce(String) -> F) {
    let told = TOLD.map(|name| std::env::var(name).ok());
    let [Some(part), Some(number), Some(place)] = told else { return };
    let playing = async {
        let store = open(place).await.expect("the child opens the store");
        match part.as_str() {
            "race" => race(&store, number == "0").await,
            "count" => count(&store).await,
            "read" => read_on_demand(&store).await,
            part => panic!("{part} is no part"),
        }
    };
    tokio::time::timeout(PATIENCE, playing).await.expect("the part ends");
}

/// Of two processes that create, update or take an entry at the same moment one wins, each time. `test` is the one that
/// calls [`play`].
///
/// # Panics
/// When it is otherwise.
pub fn one_wins(test: &str, place: &str) {
    let racers = [0, 1].map(|number| Other::start(test, "race", number, place).end());
    let mut won = vec![[0; 3]; ROUNDS];
    for line in racers.into_iter().flat_map(|racer| racer.join().expect("a child that ends well")) {
        let Some(line) = line.strip_prefix("won ") else { continue };
        let mut words = line.split(' ');
        let round = words.next().and_then(|round| won.get_mut(round.parse::<usize>().ok()?));
        for (won, word) in round.expect("a round").iter_mut().zip(words) {
            *won += usize::from(word == "true");
        }
    }
    assert_eq!(won, vec![[1; 3]; ROUNDS], "who created, updated and took, by round");
}

/// Two other processes and this one count on one entry, and none of what they add is lost. `here` is a store at
/// `place`, with nothing in it.
///
/// # Panics
/// When it is otherwise.
pub async fn counting_loses_nothing(test: &str, place: &str, here: &impl Store) {
    here.put(KEY, NewEntry::new("0"), PutMode::Create).await.expect("an empty store");
    let others = [0, 1].map(|number| Other::start(test, "count", number, place).end());
    count(here).await;
    for other in others {
        other.join().expect("a child that ends well");
    }
    let counted = here.take(KEY, None).await.expect("a take").expect("what was counted");
    assert_eq!(counted.value, (ROUNDS * 3).to_string());
}

/// What this process was acknowledged, another one reads at once. `here` is a store at `place`.
///
/// # Panics
/// When it is otherwise.
pub async fn what_was_acknowledged_is_read(test: &str, place: &str, here: &impl Store) {
    let mut there = Other::start(test, "read", 0, place);
    for n in 0..ROUNDS * 2 {
        let version = here.put(KEY, NewEntry::new(n.to_string()), PutMode::Replace).await.expect("a put");
        assert_eq!(there.read(), format!("read {n} {version:?}"));
    }
    there.end().join().expect("a child that ends well");
    here.take(KEY, None).await.expect("a take");
}

/// A process of its own that plays a part.
struct Other(Child);

impl Other {
    fn start(test: &str, part: &str, number: u8, place: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
        command.envs(TOLD.into_iter().zip([part, &number.to_string(), place]));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().expect("a child"))
    }

    /// Has it read, and hears what it read.
    fn read(&mut self) -> String {
        let (stdin, stderr) = (self.0.stdin.as_mut(), self.0.stderr.as_mut());
        writeln!(stdin.expect("its stdin"), "read").expect("a child that hears");
        // It says one line for each that it is told, so that nothing is left in the reader's buffer.
        let mut said = BufReader::with_capacity(1, stderr.expect("its stderr")).lines();
        said.find_map(|line| line.ok().filter(|line| line.starts_with("read "))).expect("it reads")
    }

    /// What it still says, once it has ended well.
    fn end(self) -> JoinHandle<Vec<String>> {
        thread::spawn(move || {
            let Output { status, stderr, .. } = self.0.wait_with_output().expect("a child");
            let said = String::from_utf8_lossy(&stderr).lines().map(str::to_owned).collect();
            assert!(status.success(), "{said:?}");
            said
        })
    }
}

/// Waits until the other process has come to the same point.
async fn meet(store: &impl Store, is_first: bool, point: &str) {
    let [mine, other] = [is_first, !is_first].map(|first| format!("{point}-{first}"));
    store.put(Key::new("met", &mine), NewEntry::new("x"), PutMode::Create).await.expect("a create");
    while store.get(Key::new("met", &other)).await.expect("a get").is_none() {
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Creates, updates and takes one entry again and again, at the same time as the other; says what it won of each round.
async fn race(store: &impl Store, is_first: bool) {
    for round in 0..ROUNDS {
        meet(store, is_first, &format!("create-{round}")).await;
        let created =
            won(store.put(KEY, NewEntry::new("x"), PutMode::Create).await, ErrorKind::AlreadyExists);
        meet(store, is_first, &format!("read-{round}")).await;
        let version = store.get(KEY).await.expect("a get").expect("one of us made it").version;
        meet(store, is_first, &format!("update-{round}")).await;
        let updated = store.put(KEY, NewEntry::new("y"), PutMode::Update(version)).await;
        let updated = won(updated, ErrorKind::Conflict);
        meet(store, is_first, &format!("take-{round}")).await;
        let taken = store.take(KEY, None).await.expect("a take").is_some();
        eprintln!("won {round} {created} {updated} {taken}");
        meet(store, is_first, &format!("end-{round}")).await;
    }
}

fn won<T>(answer: Result<T>, lost: ErrorKind) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) if error.kind() == lost => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// Adds one as often as there are rounds.
async fn count(store: &impl Store) {
    for _ in 0..ROUNDS {
        loop {
            let entry = store.get(KEY).await.expect("a get").expect("the number");
            let number = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<usize>().ok());
            let next = NewEntry::new((number.expect("a number") + 1).to_string());
            if won(store.put(KEY, next, PutMode::Update(entry.version)).await, ErrorKind::Conflict) {
                break;
            }
        }
    }
}

/// Says what it reads, as often as it is asked.
async fn read_on_demand(store: &impl Store) {
    while std::io::stdin().read_line(&mut String::new()).expect("stdin") > 0 {
        let entry = store.get(KEY).await.expect("a get").expect("what was put");
        eprintln!("read {} {:?}", String::from_utf8_lossy(&entry.value), entry.version);
    }
}
