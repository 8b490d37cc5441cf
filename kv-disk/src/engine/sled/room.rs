//! Whether the disk has room for a file of its own, looked up before the engine takes a place in its log for it.

use std::path::Path;

use kv_core::{Error, ErrorKind, Outcome, Result};

/// Smaller values seldom make a page that gets a file of its own.
const SMALL: usize = 64 << 10;
/// What the log needs beside the file: two of its segments.
const SPARE: u64 = 1 << 20;

/// # Errors
/// `Full` where `dir` has no room for a file of `bytes`; nothing was done then.
pub(super) fn check(dir: &Path, bytes: usize) -> Result<()> {
    if bytes <= SMALL || free(dir).is_none_or(|free| free >= bytes as u64 + SPARE) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Full,
        "no room is left on the disk for a value of that size: make room, or remove entries",
    )
    .with_outcome(Outcome::NotDone))
}

/// The bytes that this user may still write there; `None` where the system does not tell.
#[cfg(unix)]
fn free(dir: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(dir).ok().filter(|told| told.f_blocks > 0)?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kv_core::{ErrorKind, Outcome};

    use super::{SMALL, check};

    #[test]
    fn what_fits_nowhere_is_refused_before_anything_is_done_and_small_values_are_not_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), SMALL + 1).unwrap();
        check(Path::new("/no/such/directory"), SMALL).unwrap();
        if cfg!(unix) {
            let error = check(dir.path(), usize::MAX / 2).unwrap_err();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Full, Outcome::NotDone));
        }
    }
}
