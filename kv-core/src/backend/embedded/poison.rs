//! Engines panic on damaged files. No such panic reaches a caller: the store answers `Corrupt` from then on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::error;
use crate::{Error, Outcome, Result};

/// Whether the engine has panicked. Nothing is asked of it afterwards.
#[derive(Debug, Default)]
pub struct Poison(AtomicBool);

impl Poison {
    /// Calls the engine.
    ///
    /// # Errors
    /// Those of `call`; `Corrupt` when it panics, and without a call ever after.
    ///
    /// The state behind an engine that panicked is never looked at again, hence nothing broken is seen.
    pub fn guard<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.is_poisoned() {
            return Err(panicked());
        }
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
            self.set();
            // Without the panic's text: it may show values.
            Err(panicked().with_outcome(Outcome::Unknown))
        })
    }

    /// Gives up on the engine: damage was found that it does not see.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the engine was given up.
    pub fn is_poisoned(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

fn panicked() -> Error {
    error::damaged("the engine gave up on the files of the store: they are damaged")
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
