//! What the engines and the file system report, in the words of the contract.

use std::io;

use kv_core::{Error, ErrorKind, Outcome};

pub(crate) use kv_core::backend::embedded::error::{damaged, io, io_kind, lost};

/// An I/O error of an engine. A write that failed may be visible until the store is opened again, and gone then.
fn engine_io(error: &io::Error) -> Error {
    let kind = io_kind(error);
    let error = match kind {
        ErrorKind::Full => Error::new(
            kind,
            "no room is left on the disk: make some, then open the store again; while it is open it can be read",
        ),
        ErrorKind::Denied => Error::new(kind, "the system refuses access to the files of the store"),
        ErrorKind::Corrupt => damaged("a file of the store is damaged"),
        _ => Error::new(kind, "the disk failed; open the store again"),
    };
    error.with_outcome(Outcome::Unknown)
}

/// An error of sled.
pub(crate) fn sled(error: sled::Error) -> Error {
    let classified = match &error {
        sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => {
            Error::new(ErrorKind::Unavailable, "the files of the store are still in use")
                .with_outcome(Outcome::NotDone)
        }
        sled::Error::Io(io) => engine_io(io),
        sled::Error::Unsupported(_) => {
            Error::new(ErrorKind::Unsupported, "the files were written by another version of the engine")
        }
        sled::Error::Corruption { .. } | sled::Error::CollectionNotFound(_) => damaged("sled found damage"),
        sled::Error::ReportableBug(_) => damaged("sled lost its footing"),
    };
    classified.because(error)
}

/// An error of redb, whatever step reported it.
pub(crate) fn redb(error: impl Into<redb::Error>) -> Error {
    let error = error.into();
    let classified = match &error {
        redb::Error::Io(io) => engine_io(io),
        redb::Error::PreviousIo => Error::new(
            ErrorKind::Unavailable,
            "an earlier read or write failed: try again, the file is opened anew",
        )
        .with_outcome(Outcome::NotDone),
        redb::Error::ValueTooLarge(_) => Error::new(ErrorKind::TooLarge, "redb takes no value of that size"),
        redb::Error::UpgradeRequired(_) => {
            Error::new(ErrorKind::Unsupported, "the file was written by another version of the engine")
        }
        redb::Error::DatabaseAlreadyOpen => {
            Error::new(ErrorKind::Unavailable, "the file of the store is still in use")
                .with_outcome(Outcome::NotDone)
        }
        redb::Error::Corrupted(_)
        | redb::Error::RepairAborted
        | redb::Error::LockPoisoned(_)
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => damaged("redb found damage"),
        _ => Error::new(ErrorKind::Unexpected, "redb failed"),
    };
    classified.because(error)
}

#[cfg(test)]
mod tests {
    use std::io;

    use kv_core::{ErrorKind, Outcome};

    fn kinds(error: io::ErrorKind) -> [ErrorKind; 2] {
        [super::sled(sled::Error::Io(error.into())).kind(), super::redb(redb::Error::Io(error.into())).kind()]
    }

    #[test]
    fn both_engines_report_the_disk_in_the_same_words() {
        assert_eq!(kinds(io::ErrorKind::StorageFull), [ErrorKind::Full; 2]);
        assert_eq!(kinds(io::ErrorKind::QuotaExceeded), [ErrorKind::Full; 2]);
        assert_eq!(kinds(io::ErrorKind::PermissionDenied), [ErrorKind::Denied; 2]);
        assert_eq!(kinds(io::ErrorKind::InvalidData), [ErrorKind::Corrupt; 2]);
        assert_eq!(kinds(io::ErrorKind::Other), [ErrorKind::Unexpected; 2]);
    }

    #[test]
    fn damage_comes_with_advice() {
        for error in [
            super::sled(sled::Error::Corruption { at: None, bt: () }),
            super::redb(redb::Error::Corrupted("x".into())),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains("backup"), "{error}");
        }
    }

    #[test]
    fn a_disk_that_fills_up_leaves_the_outcome_open() {
        let error = super::sled(sled::Error::Io(io::ErrorKind::StorageFull.into()));
        assert_eq!(error.outcome(), Outcome::Unknown);
    }

    #[test]
    fn a_file_in_use_is_unavailable() {
        let text = "could not acquire lock on \"db\": WouldBlock";
        assert_eq!(super::sled(sled::Error::Io(io::Error::other(text))).kind(), ErrorKind::Unavailable);
        assert_eq!(super::redb(redb::Error::DatabaseAlreadyOpen).kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn another_version_and_an_oversized_value_have_their_own_kinds() {
        assert_eq!(super::sled(sled::Error::Unsupported("v".into())).kind(), ErrorKind::Unsupported);
        assert_eq!(super::redb(redb::Error::UpgradeRequired(2)).kind(), ErrorKind::Unsupported);
        assert_eq!(super::redb(redb::Error::ValueTooLarge(1)).kind(), ErrorKind::TooLarge);
    }
}
