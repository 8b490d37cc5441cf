//! The faults.

use std::time::Duration;

use larder_tests::proxy::{Loss, Lost, Mode};

/// One way for the network to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    mode: fn(&str) -> Mode,
    pub(crate) then: Then,
}

/// What has to come of a call meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It succeeds all the same.
    Succeeds,
    /// It fails; a success would show that there was no fault.
    Fails,
    /// It may do either, since a driver may try again; but something was lost on the way.
    Loses,
    /// As `Fails`, but the server has executed it.
    FailsDone,
    /// As `Loses`, but the server has executed it.
    LosesDone,
}

impl Fault {
    /// Whether something gets lost on a connection that stands: what is sent again then may be done twice.
    pub(crate) fn loses(&self) -> bool {
        matches!(self.then, Then::Loses | Then::LosesDone | Then::FailsDone)
    }

    /// The mode of the proxy; `needle` stands in the requests to be lost.
    pub(crate) fn mode(&self, needle: &str) -> Mode {
        (self.mode)(needle)
    }
}

const ALWAYS: u32 = u32::MAX;

pub(crate) const TABLE: [Fault; 12] = [
    Fault { name: "nobody listens", mode: |_| Mode::Down, then: Then::Fails },
    Fault { name: "reset", mode: |_| Mode::Cut, then: Then::Fails },
    Fault { name: "stalled", mode: |_| Mode::Stall, then: Then::Fails },
    Fault { name: "slow", mode: |_| slow(64, 1), then: Then::Succeeds },
    Fault { name: "slower than the timeout", mode: |_| slow(1, 500), then: Then::Fails },
    Fault { name: "half closed", mode: |_| Mode::HalfClose, then: Then::Fails },
    Fault { name: "request lost once", mode: |key| lose(Lost::Request, key, 1), then: Then::Loses },
    Fault { name: "requests lost", mode: |key| lose(Lost::Request, key, ALWAYS), then: Then::Fails },
    Fault { name: "answer lost once", mode: |key| lose(WHOLE, key, 1), then: Then::LosesDone },
    Fault { name: "answers lost", mode: |key| lose(WHOLE, key, ALWAYS), then: Then::FailsDone },
    Fault { name: "answer cut within once", mode: |key| lose(WITHIN, key, 1), then: Then::LosesDone },
    Fault { name: "answers cut within", mode: |key| lose(WITHIN, key, ALWAYS), then: Then::FailsDone },
];

const WHOLE: Lost = Lost::Answer { from: 0 };
/// Every answer of every protocol is longer: `_\r\n`, nothing, is the shortest of Redis.
const WITHIN: Lost = Lost::Answer { from: 2 };

fn lose(lost: Lost, needle: &str, times: u32) -> Mode {
    Mode::Lose(Loss::new(lost, needle, times))
}

fn slow(piece: usize, pause_ms: u64) -> Mode {
    Mode::Slow { piece, pause: Duration::from_millis(pause_ms) }
}
