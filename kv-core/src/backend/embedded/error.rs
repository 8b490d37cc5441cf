//! What the file system reports, and what a store in a directory says of itself, in the words of the contract.

use std::io;
use std::path::Path;

use crate::{Error, ErrorKind};

const ADVICE: &str =
    "keep a copy of the directory, then restore it from a backup, or move it away to begin anew";

/// Damage that makes the store as a whole unusable, with what to do about it.
pub fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{what}; {ADVICE}"))
}

/// One entry whose bytes cannot be trusted; the others can still be read.
pub fn damaged_entry() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the stored bytes do not match their checksum; write the entry anew, or restore the directory from a backup",
    )
}

/// The answer to every call after `close`.
pub fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed")
}

/// The answer when a thread that owed one is gone.
pub fn lost() -> Error {
    Error::new(ErrorKind::Unexpected, "the thread that writes ended before it answered")
}

/// A failed system call on `path`.
pub fn io(what: &str, path: &Path, error: io::Error) -> Error {
    Error::new(io_kind(&error), format!("{what} {} failed", path.display())).because(error)
}

/// What a caller can do about a failed system call on the files of a store.
pub fn io_kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::Full
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ErrorKind::Corrupt,
        io::ErrorKind::NotADirectory => ErrorKind::Invalid,
        _ => ErrorKind::Unexpected,
    }
}
