//! A kind of store in a directory, as the tests that all of them share open it.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use crate::{Clock, Result, Store};

/// A kind of store in a directory: an engine, in one of its modes.
pub trait Kind: Copy + Send + Sync + 'static {
    /// The store.
    type Store: Store + Clone;

    /// The test of this very binary that calls [`directory::hold`](super::directory::hold).
    const HOLDER: &'static str;
    /// The test of this very binary that calls [`write_until_killed`](super::crash::write_until_killed).
    const WRITER: &'static str;

    /// This kind, by a number that children are told.
    fn number(self) -> usize;

    /// This kind, as the output calls it.
    fn name(self) -> String;

    /// Opens the store in `dir` as `opening` says.
    fn open(self, dir: &Path, opening: Opening) -> impl Future<Output = Result<Self::Store>> + Send;

    /// How many entries of all namespaces there are, those included that have expired and were not freed.
    fn held(store: &Self::Store) -> impl Future<Output = u64> + Send;

    /// What the owner of the directory is told.
    fn warnings(store: &Self::Store) -> &[String];
}

/// How a test wants a store opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opening {
    /// Whether a missing store is made.
    pub create: bool,
    /// How long to wait for another owner.
    pub lock_wait: Duration,
    /// Whose wall clock judges.
    pub clock: Clock,
    /// The namespace.
    pub namespace: String,
}

impl Default for Opening {
    fn default() -> Self {
        let (clock, namespace) = (Clock::system(), "larder".to_owned());
        Self { create: true, lock_wait: Duration::from_secs(5), clock, namespace }
    }
}

impl Opening {
    /// Without waiting for another owner.
    #[must_use]
    pub fn impatient() -> Self {
        Self { lock_wait: Duration::ZERO, ..Self::default() }
    }

    /// Only if there is a store.
    #[must_use]
    pub fn existing() -> Self {
        Self { create: false, ..Self::default() }
    }

    /// By this clock.
    #[must_use]
    pub fn by(clock: &Clock) -> Self {
        Self { clock: clock.clone(), ..Self::default() }
    }

    /// In this namespace.
    #[must_use]
    pub fn named(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..Self::default() }
    }
}

/// Opens the store in `dir`, or makes it, with all defaults.
///
/// # Panics
/// When it does not open.
pub async fn opened<K: Kind>(kind: K, dir: &Path) -> K::Store {
    kind.open(dir, Opening::default()).await.expect("the store opens")
}
