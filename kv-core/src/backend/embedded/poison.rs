//! Engines panic on damaged files, and one may be unable to go on after a write that failed. No panic reaches a caller, and
//! nobody waits for ever: the store answers with an error from then on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use super::error;
use crate::{Error, ErrorKind, Outcome, Result};

/// Whether the engine was given up, and why. Nothing is asked of it afterwards.
#[derive(Debug, Default)]
pub struct Poison(OnceLock<Cause>);

#[derive(Clone, Copy, Debug)]
enum Cause {
    Damaged,
    Stuck,
}

impl Poison {
    /// Calls the engine.
    ///
    /// # Errors
    /// Those of `call`; `Corrupt` when it panics. Once the engine was given up `call` is not made: `Corrupt` for what is
    /// damaged, `Unavailable` for what is stuck.
    ///
    /// The state behind an engine that panicked is never looked at again, hence nothing broken is seen.
    pub fn guard<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        if let Some(cause) = self.0.get() {
            return Err(cause.error());
        }
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
            self.set();
            // Without the panic's text: it may show values.
            Err(Cause::Damaged.error().with_outcome(Outcome::Unknown))
        })
    }

    /// Gives up on the engine: damage was found that it does not see.
    pub fn set(&self) {
        self.0.get_or_init(|| Cause::Damaged);
    }

    /// Gives up on the engine: it will make nothing durable any more, and may never come back from a call.
    pub(super) fn set_stuck(&self) {
        self.0.get_or_init(|| Cause::Stuck);
    }

    /// Whether the engine was given up.
    pub fn is_poisoned(&self) -> bool {
        self.0.get().is_some()
    }

    /// Whether a call to the engine may never come back.
    pub(super) fn is_stuck(&self) -> bool {
        matches!(self.0.get(), Some(Cause::Stuck))
    }
}

impl Cause {
    fn error(self) -> Error {
        match self {
            Self::Damaged => error::damaged("the engine gave up on the files of the store: they are damaged"),
            Self::Stuck => Error::new(
                ErrorKind::Unavailable,
                "an earlier write failed halfway, and the engine cannot go on: see to the disk and the limit of open \
                 files, then start the program again; what was acknowledged is there",
            )
            .with_outcome(Outcome::NotDone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Poison;
    use crate::ErrorKind;

    #[test]
    fn after_a_panic_the_engine_is_never_called_again() {
        let poison = Poison::default();
        assert_eq!(poison.guard(|| Ok(1)).unwrap(), 1);
        let error = poison.guard::<()>(|| panic!("a value")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(!error.to_string().contains("a value"));
        let again = poison.guard(|| -> crate::Result<()> { unreachable!("called again") });
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
