//! How much of what is asked may lie in the store, which keeps it for an hour.

use std::sync::Arc;

use crate::Principal;
use crate::protocol::Failure;
use crate::rate::{Buckets, Rate, TooMany};

/// What one user may leave in the store between rounds, in bytes: all of it at once, and so much more per second.
pub(crate) const LEFT: Rate = Rate { per_second: 32 << 10, at_once: 64 << 20 };

/// What an entry takes beside what it holds.
const ENTRY: usize = 512;

/// What callers leave: large states, tickets to pages, answers that were used up. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Left(Arc<Buckets>);

impl Left {
    pub(crate) fn new(rate: Rate) -> Self {
        Self(Arc::new(Buckets::new(rate)))
    }

    /// Counts an entry that holds so many bytes.
    ///
    /// # Errors
    /// `principal` has left too much already.
    pub(super) fn entry(&self, principal: &Principal, bytes: usize) -> Result<(), Failure> {
        let bytes = u32::try_from(bytes + ENTRY).unwrap_or(u32::MAX);
        self.0.draw(principal, bytes).map_err(too_much)
    }
}

fn too_much(too_many: TooMany) -> Failure {
    too_many.told(
        "one user may leave 64 MiB of answers between rounds",
        "more answers are left between rounds than the server keeps",
    )
}
