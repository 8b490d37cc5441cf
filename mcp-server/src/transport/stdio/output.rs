//! Standard output, which only the protocol may reach.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::PollFlags;

use super::ready;
use crate::{Error, Result};

/// Whether somebody keeps standard output for himself.
static KEPT: AtomicBool = AtomicBool::new(false);

/// Keeps standard output for the protocol: until this is dropped, what else is written to descriptor 1, by this process or
/// by those that it starts, goes to standard error.
#[derive(Debug)]
pub(super) struct Guard {
    real: File,
}

impl Guard {
    /// # Errors
    /// Somebody keeps it already, or there are no more descriptors.
    pub(super) fn new() -> Result<Self> {
        if KEPT.swap(true, Ordering::AcqRel) {
            return Err(Error::new("the standard streams of this process are served already"));
        }
        let real = duplicate().inspect_err(|_| KEPT.store(false, Ordering::Release))?;
        let guard = Self { real };
        rustix::stdio::dup2_stdout(io::stderr()).map_err(io::Error::from)?;
        drop(io::stdout().flush()); // a line that was begun before is no part of the protocol either
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(io::stdout().flush());
        if let Err(error) = rustix::stdio::dup2_stdout(&self.real) {
            tracing::warn!(%error, "standard output could not be restored");
        }
        KEPT.store(false, Ordering::Release);
    }
}

/// Where the protocol writes: a descriptor of its own, which no child process inherits.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    kept: bool,
}

impl Output {
    /// Standard output, with what keeps it for the protocol if anything does.
    pub(super) fn new(guard: Option<&Guard>) -> io::Result<Self> {
        let file = guard.map_or_else(duplicate, |guard| guard.real.try_clone())?;
        Ok(Self { file, kept: guard.is_some() })
    }

    /// Writes all of it, waiting where the other side does not read, also if this descriptor does not wait by itself.
    /// Where standard output is shared, lines that others print stand before or behind it.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let _alone = (!self.kept).then(|| io::stdout().lock());
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready::wait(&self.file, PollFlags::OUT)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn duplicate() -> io::Result<File> {
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}
