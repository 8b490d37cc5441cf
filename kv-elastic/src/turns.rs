//! Steps that another writer may come before: try again, a little later, but not for ever.

use std::time::Duration;

use kv_core::{Error, ErrorKind, Outcome, Result};
use rand::RngExt as _;

/// So often a step is tried. Each lost turn means that somebody else's write was done.
const MOST: u32 = 64;
/// No pause is longer.
const LONGEST_MS: u64 = 40;

/// The turns that one operation has lost so far.
#[derive(Debug, Default)]
pub(crate) struct Turns(u32);

impl Turns {
    /// Whether no turn was lost yet, so that nothing was sent that may have been done.
    pub(crate) const fn is_first(&self) -> bool {
        self.0 == 0
    }

    /// What is known of the writes sent so far: the server refused them, and the cluster may have repeated each within itself.
    pub(crate) const fn outcome(&self) -> Outcome {
        if self.is_first() { Outcome::NotDone } else { Outcome::Unknown }
    }

    /// Waits before the next turn: a random time, so that those who lost together do not meet again.
    ///
    /// # Errors
    /// `Throttled` once too many were lost. Nobody looks any more whether the last write was done after all: `Unknown`.
    pub(crate) async fn lost(&mut self) -> Result<()> {
        self.0 += 1;
        if self.0 >= MOST {
            let error = Error::new(ErrorKind::Throttled, "too many others write this entry at the same time");
            return Err(error.with_outcome(self.outcome()));
        }
        let most = (1_u64 << self.0.min(10)).min(LONGEST_MS);
        let pause = rand::rng().random_range(0..=most);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{ErrorKind, Outcome};

    use super::{MOST, Turns};

    #[tokio::test]
    async fn turns_end_and_what_was_sent_last_may_have_been_done() {
        let mut turns = Turns::default();
        for _ in 1..MOST {
            turns.lost().await.unwrap();
        }
        let error = turns.lost().await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::Unknown));
    }
}
