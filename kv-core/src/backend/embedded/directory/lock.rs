//! One owner at a time: the file `LOCK`, locked for as long as the store is open, holding the owner's process id.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::access;
use crate::backend::embedded::error;
use crate::{Error, ErrorKind, Outcome, Result};

const RETRY: Duration = Duration::from_millis(10);

/// The right to use the directory; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock at `path`, waiting up to `wait` for its owner: clients restart servers at once.
    ///
    /// Blocks; not for an executor's thread.
    pub(super) fn take(path: &Path, wait: Duration) -> Result<Self> {
        let file = access::open_or_make(path).map_err(|e| error::io("opening", path, e))?;
        let until = Instant::now().checked_add(wait); // beyond all time: for ever
        loop {
            match file.try_lock() {
                Ok(()) => return Self(file).signed(path),
                Err(TryLockError::WouldBlock) if until.is_none_or(|until| Instant::now() < until) => {
                    sleep(RETRY);
                }
                Err(TryLockError::WouldBlock) => return Err(taken(path)),
                Err(TryLockError::Error(e)) => return Err(error::io("locking", path, e)),
            }
        }
    }

    fn signed(mut self, path: &Path) -> Result<Self> {
        match self.sign() {
            // Whether there is room is the engine's to say; a second opener is then not told by whom the store is held.
            Err(e) if error::io_kind(&e) == ErrorKind::Full => Ok(self),
            Err(e) => Err(error::io("writing", path, e)),
            Ok(()) => Ok(self),
        }
    }

    fn sign(&mut self) -> std::io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(self.0, "{}", std::process::id())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Else the next owner, until it has signed, would be told by our number.
        let _ = self.0.set_len(0);
    }
}

fn taken(path: &Path) -> Error {
    let owner = owner(path);
    let advice = if owner == Some(std::process::id()) {
        // Not for sure: in containers many are number 1.
        "which is the number of this one: share the handle, it is cheap to clone, or choose another directory"
    } else {
        "stop that process, or choose another directory"
    };
    let owner = owner.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    let dir = path.parent().unwrap_or(path).display();
    Error::new(ErrorKind::Unavailable, format!("{dir} is in use by {owner}; {advice}"))
        .with_outcome(Outcome::NotDone)
}

fn owner(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
