//! The laws of a store, as tests that every backend and every wrapper runs.
//!
//! ```text
//! struct Memory(Clock);
//! impl Harness for Memory { /* a name, a clock, an empty store */ }
//! kv_core::laws!(Memory(Clock::manual()));
//! ```
//!
//! The macro [`laws!`](crate::laws) makes one test of each law; its list is the only one. A law is a plain function
//! whose name is the sentence that it checks. What a store cannot do by its `capabilities()` is not asked of it,
//! and the run says so. What a store breaks by design is named at the macro, with the reason, and must break.

pub mod embedded;
mod faulty;
pub mod laws;
mod list;
pub mod processes;
mod reference;
mod report;
mod run;
mod service;
mod tools;

use std::future::Future;
use std::time::Duration;

pub use faulty::{Fault, Faults, Faulty};
pub use reference::ReferenceStore;
pub use report::{Report, Verdict};
pub use run::{Exception, Law, Runtime, Shown, Skipped, Trial, recorded, run, verdict};
pub use service::{service, skip, skip_always};

use crate::{Clock, Store};

/// What the laws need to know of a store to try it: how to get an empty one, and how time passes for it.
///
/// One harness is made for each law; its stores live as long as the law runs.
pub trait Harness: Send + Sync + 'static {
    /// The store under trial.
    type Store: Store;

    /// What the store is called in the record, such as `memory`; two harnesses never share a name.
    const NAME: &'static str;

    /// A store that holds nothing, fresh at each call. One that evicts has so much room that no law makes it.
    fn empty(&self) -> impl Future<Output = Self::Store> + Send;

    /// The clock by which the stores of this harness judge expiry: a manual one where the backend takes one, so
    /// that no law sleeps; else [`Clock::system`], and the laws wait for short ttls.
    fn clock(&self) -> &Clock;

    /// How much the laws try. The default is for stores in this process.
    fn size(&self) -> Size {
        Size::LARGE
    }

    /// Another handle on the data of `store`, as another part of the program would hold; `None` where there is none.
    fn sibling(&self, store: &Self::Store) -> impl Future<Output = Option<Self::Store>> + Send {
        let _ = store;
        async { None }
    }

    /// What `store` holds at this moment, expired entries included; `None` where nobody can look inside.
    fn held(&self, store: &Self::Store) -> impl Future<Output = Option<Held>> + Send {
        let _ = store;
        async { None }
    }

    /// An empty store with a limit in bytes that leaves room for at least 4 and at most 64 entries of 1 KiB; then it
    /// answers `Full`. `None` where no such limit can be set.
    fn full(&self) -> impl Future<Output = Option<Self::Store>> + Send {
        async { None }
    }
}

/// What a store holds, expired entries that were not freed yet included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Entries.
    pub entries: u64,
    /// Bytes, as the store counts them.
    pub bytes: u64,
}

/// How much the laws try.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Tasks that race.
    pub tasks: usize,
    /// How often they race.
    pub rounds: usize,
    /// Entries of the large scan.
    pub scan: usize,
    /// Entries of the large batch.
    pub batch: usize,
    /// How long a law waits for what must come, but in no given time.
    pub patience: Duration,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Size {
    /// For stores that answer in microseconds.
    pub const LARGE: Self = Self { tasks: 64, rounds: 1_000, scan: 25_000, batch: 5_000, patience: PATIENCE };
    /// For stores that wait for a disk at each write.
    pub const MEDIUM: Self = Self { tasks: 32, rounds: 100, ..Self::LARGE };
    /// For servers.
    pub const SMALL: Self = Self { tasks: 16, rounds: 50, scan: 5_000, ..Self::LARGE };
    /// For the hundredth stack of wrappers around a store that was tried in earnest before.
    pub const TINY: Self = Self { tasks: 4, rounds: 10, scan: 500, batch: 300, patience: PATIENCE };
}

/// Makes time pass for the stores of `harness`: moves its clock, or waits if nobody can. Rounded up to milliseconds.
pub async fn pass(harness: &impl Harness, by: Duration) {
    let clock = harness.clock();
    let by = Duration::from_millis(u64::try_from(by.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX / 2));
    let until = Duration::from_millis(clock.monotonic_ms()) + by;
    clock.advance(by);
    loop {
        let rest = until.saturating_sub(Duration::from_millis(clock.monotonic_ms()));
        if rest.is_zero() {
            return;
        }
        tokio::time::sleep(rest).await;
    }
}
