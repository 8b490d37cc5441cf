//! What `RocksDB` reports, in the words of the contract.

use kv_core::backend::embedded::error::damaged;
use kv_core::{Error, ErrorKind, Outcome};

/// An error of the engine. A write that failed may be visible until the store is opened again, and gone then.
pub(crate) fn rocksdb(error: rocksdb::Error) -> Error {
    let text: &str = error.as_ref();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let classified = if says(&["No space left", "File too large", "Disk quota", "NoSpace", "SpaceLimit"]) {
        Error::new(
            ErrorKind::Full,
            "no room is left on the disk; reads go on, writes once there is room and the store was opened again",
        )
    } else if says(&["Permission denied", "Read-only file system"]) {
        Error::new(ErrorKind::Denied, "the system refuses access to the files of the store")
    } else if says(&["lock hold by current process", "While lock file"]) {
        Error::new(ErrorKind::Unavailable, "the files of the store are still in use")
    } else if error.kind() == rocksdb::ErrorKind::Corruption || says(&["No such file or directory"]) {
        damaged("RocksDB found damage")
    } else if error.kind() == rocksdb::ErrorKind::NotSupported {
        Error::new(ErrorKind::Unsupported, "the files were written by another version of the engine")
    } else {
        Error::new(ErrorKind::Unexpected, "RocksDB failed; open the store again")
    };
    classified.with_outcome(Outcome::Unknown).because(error)
}

/// An error while opening. Files that are there but cannot be made sense of are damaged.
pub(crate) fn opening(error: rocksdb::Error) -> Error {
    let classified = match error.kind() {
        rocksdb::ErrorKind::InvalidArgument => {
            damaged("a file of the store is missing or damaged").because(error)
        }
        _ => rocksdb(error),
    };
    classified.with_outcome(Outcome::NotDone)
}
