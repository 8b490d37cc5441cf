//! Engines panic on damaged files. No such panic reaches a caller: the store answers `Corrupt` from then on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use kv_core::{Error, Outcome, Result};

use crate::error;

/// Whether the engine has panicked. Nothing is asked of it afterwards.
#[derive(Debug, Default)]
pub(crate) struct Poison(AtomicBool);

impl Poison {
    /// Calls the engine.
    ///
    /// The state behind an engine that panicked is never looked at again, hence nothing broken is seen.
    pub(crate) fn guard<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
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
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

fn panicked() -> Error {
    error::damaged("the engine gave up on the files of the store: they are damaged")
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::Poison;

    #[test]
    fn after_a_panic_the_engine_is_never_called_again() {
        let poison = Poison::default();
        assert_eq!(poison.guard(|| Ok(1)).unwrap(), 1);
        let error = poison.guard::<()>(|| panic!("a value")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(!error.to_string().contains("a value"));
        let again = poison.guard(|| -> kv_core::Result<()> { unreachable!("called again") });
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
