//! The errors of a store in memory. Nothing here is ever half done: each outcome is `NotDone`.

use kv_core::{Error, ErrorKind, PutMode, Signal};

pub(crate) fn full() -> Error {
    Error::new(ErrorKind::Full, "the store in memory has reached `max_bytes` or `max_entries`")
}

pub(crate) fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "the value is larger than `max_bytes`, the whole store")
}

pub(crate) fn message_too_large() -> Error {
    Error::new(ErrorKind::Invalid, format!("a signal holds at most {} bytes", Signal::MAX_BYTES))
}

/// Why a put of this mode did not take effect.
pub(crate) fn refused(mode: PutMode) -> Error {
    match mode {
        PutMode::Create => Error::new(ErrorKind::AlreadyExists, "there is a live entry"),
        _ => other_version(),
    }
}

pub(crate) fn other_version() -> Error {
    Error::new(ErrorKind::Conflict, "the entry has another version, or is gone")
}
