//! A child that is killed at a chosen moment.

use std::io::Read as _;
use std::path::Path;
use std::process::ChildStdout;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{DIR, MODE, ROUND};
use crate::testing::embedded::child;
use crate::testing::embedded::kind::Kind;

/// How long a child may take for its next step.
const PATIENCE: Duration = Duration::from_secs(60);

/// When a writer is killed.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    /// So long after its first acknowledgement.
    Writing(Duration),
    /// So long after its start.
    Starting(Duration),
    /// So long after its creation of the store has begun.
    Creating(Duration),
}

impl Moment {
    /// Until then. `began` says that a write was acknowledged.
    fn wait(self, dir: &Path, began: &mpsc::Receiver<()>) {
        let (Self::Writing(delay) | Self::Starting(delay) | Self::Creating(delay)) = self;
        match self {
            Self::Writing(_) => began.recv_timeout(PATIENCE).expect("the writer never acknowledged anything"),
            Self::Creating(_) => Creation::wait(dir, &[Creation::Begun, Creation::Done]),
            Self::Starting(_) => {}
        }
        std::thread::sleep(delay);
    }
}

/// How far a store has come into being: `Directory` in `backend::embedded` makes it as `new` and renames it to `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Nothing,
    Begun,
    Done,
}

impl Creation {
    pub(super) fn of(dir: &Path) -> Self {
        // In this order: between the two looks the one may have become the other.
        match (dir.join("new").exists(), dir.join("data").exists()) {
            (_, true) => Self::Done,
            (true, false) => Self::Begun,
            (false, false) => Self::Nothing,
        }
    }

    pub(super) fn wait(dir: &Path, until: &[Self]) {
        let started = Instant::now();
        while !until.contains(&Self::of(dir)) {
            assert!(started.elapsed() < PATIENCE, "{} comes into being", dir.display());
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

/// Starts a writer, kills it at this moment, and answers what it said.
pub(super) fn killed<K: Kind>(mode: K, dir: &Path, round: usize, moment: Moment) -> String {
    let (mode, round) = (mode.number().to_string(), format!("r{round}"));
    let variables =
        [(DIR, dir.to_str().expect("a path of a test")), (MODE, mode.as_str()), (ROUND, round.as_str())];
    let mut writer = child(K::WRITER, &variables).spawn().expect("a child");
    let (first, began) = mpsc::channel();
    let reader = listen(writer.stdout.take().expect("its output"), first);
    moment.wait(dir, &began);
    writer.kill().expect("it runs"); // SIGKILL
    writer.wait().expect("it has ended");
    reader.join().expect("all it said")
}

/// Reads to the end, and tells of the first acknowledgement.
fn listen(mut pipe: ChildStdout, first: mpsc::Sender<()>) -> JoinHandle<String> {
    std::thread::spawn(move || {
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
    })
}

/// Some time below this.
pub(super) fn below(limit: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(u64::from(nanos).wrapping_mul(2_654_435_761) % limit)
}
