//! A disk that fails for a while when it is read: `strace` answers in its place.

use std::io::{BufRead as _, BufReader, Write as _, stdin};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kv_core::testing::skip;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};
use kv_disk::{DiskStore, Engine};
use tempfile::TempDir;

use crate::support::{child, config, entries, expected, fill, id, value};

const DIR: &str = "LARDER_TEST_FAILING";
/// What the child does first once the disk is well again.
const FIRST: &str = "LARDER_TEST_FIRST";
const PATIENCE: Duration = Duration::from_secs(30);

/// Says it, and waits until the parent has done its part.
fn meet(words: &str) {
    writeln!(std::io::stdout(), "\n{words}").unwrap();
    stdin().read_line(&mut String::new()).unwrap();
}

/// Only as a child of the test below.
#[tokio::test]
async fn a_child_meets_a_disk_that_fails() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let mut config = config(Engine::Redb, Path::new(&dir));
    config.cache_bytes = 0;
    let store = DiskStore::open(config).await.unwrap();
    fill(&store, 0..100).await;
    let get = async || store.get(Key::new("c", &id(7))).await;
    meet("filled");
    get().await.unwrap_err();
    meet("failed");
    if std::env::var(FIRST).is_ok_and(|first| first == "put") {
        let put = store.put(Key::new("c", &id(100)), NewEntry::new(value(100)), PutMode::Create).await;
        put.expect("no write is refused for a read that failed");
    }
    let begun = Instant::now();
    while let Err(error) = get().await {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(begun.elapsed() < PATIENCE, "{error:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.put(Key::new("c", &id(100)), NewEntry::new(value(100)), PutMode::Replace).await.unwrap();
    assert_eq!(entries(&store).await.unwrap(), expected(0..101));
    store.close().await.unwrap();
    writeln!(std::io::stdout(), "\nended").unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn redb_goes_on_by_itself_after_a_read_that_failed() {
    for first in ["get", "put"] {
        let dir = TempDir::new().unwrap();
        let test = child("failing::a_child_meets_a_disk_that_fails", &[]);
        let mut command = Command::new(test.get_program());
        command.args(test.get_args()).env(DIR, dir.path()).env(FIRST, first);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut to_child = child.stdin.take().unwrap();
        hears(&mut said, "filled");
        let Some(mut failing) = Failing::begin(child.id(), &dir.path().join("data/store.redb")) else {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        };
        to_child.write_all(b"\n").unwrap();
        hears(&mut said, "failed");
        failing.end();
        to_child.write_all(b"\n").unwrap();
        hears(&mut said, "ended");
        assert!(child.wait().unwrap().success(), "{first}");
    }
}

fn hears(said: &mut impl std::io::BufRead, words: &str) {
    assert!(said.lines().any(|line| line.unwrap() == words), "the child ended before it said `{words}`");
}

/// Every read of a file fails in one process.
#[cfg(target_os = "linux")]
struct Failing(Child);

#[cfg(target_os = "linux")]
impl Failing {
    /// `None`, said aloud, where there is no `strace`.
    fn begin(process: u32, path: &Path) -> Option<Self> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-e", "inject=pread64:error=EIO", "-P"]).arg(path);
        strace.args(["-p", &process.to_string()]).stderr(Stdio::piped());
        match strace.spawn() {
            Ok(mut strace) => {
                let told = BufReader::new(strace.stderr.take().expect("it is piped"));
                let attached = told.lines().any(|line| line.unwrap().contains("attached"));
                assert!(attached, "strace ended before it began");
                Some(Self(strace))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                skip("without strace no disk fails: scripts/setup installs it");
                None
            }
            Err(e) => panic!("strace: {e}"),
        }
    }

    /// The disk is well again.
    fn end(&mut self) {
        let ended = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        assert!(ended.unwrap().success());
        self.0.wait().unwrap(); // it has let go of the process
    }
}
