//! What the network and the servers report, in the words of the contract.

use std::io;

use kv_core::{Error, ErrorKind, Outcome};

use crate::wire::Failure;

/// The answer to every call after `close`.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed")
}

/// Nothing was sent: there is no connection.
pub(crate) fn unreachable(server: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{server} cannot be reached")).with_outcome(Outcome::NotDone)
}

/// Nothing was sent: connecting took too long.
pub(crate) fn no_connection_in_time(server: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("{server} did not accept a connection in time"))
        .with_outcome(Outcome::NotDone)
}

/// The connection ended while answers were owed.
pub(crate) fn cut(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the connection ended before the answer came").because(error)
}

/// The server was silent for too long while answers were owed.
pub(crate) fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "no answer came in time")
}

/// The connection ended before the request was sent.
pub(crate) fn not_sent() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection ended before the request was sent")
        .with_outcome(Outcome::NotDone)
}

/// An answer that does not belong to the command.
pub(crate) fn unexpected() -> Error {
    Error::new(ErrorKind::Unexpected, "the answer does not belong to the command")
}

/// What a server could not do with one command. Where it has no room for a write it removes the item that is there, lest a
/// stale one stay: nobody may believe that nothing happened.
pub(crate) fn failed(failure: Failure) -> Error {
    let (kind, message) = match failure {
        Failure::TooLarge => (
            ErrorKind::TooLarge,
            "the server takes no item of that size any more, and may have dropped the earlier one",
        ),
        Failure::OutOfMemory => {
            (ErrorKind::Full, "the server has no memory left, and may have dropped the earlier entry")
        }
        Failure::Other => (ErrorKind::Unexpected, "the server failed"),
    };
    Error::new(kind, message).with_outcome(Outcome::Unknown)
}

pub(crate) fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "name, tags and value together exceed what the server takes as one item")
}

pub(crate) fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "the entry has another version, or is gone")
}

pub(crate) fn already_exists() -> Error {
    Error::new(ErrorKind::AlreadyExists, "there is a live entry")
}

pub(crate) fn unsupported(what: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, what)
}

#[cfg(test)]
mod tests {
    use std::io;

    use kv_core::{Error, ErrorKind, Outcome};

    use super::{cut, failed, no_connection_in_time, not_sent, silent, unreachable};
    use crate::wire::Failure;

    #[test]
    fn what_was_not_sent_was_not_done_and_what_was_sent_is_unknown() {
        let facts = |error: Error| (error.kind(), error.outcome(), error.is_retryable());
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(facts(unreachable("a")), (ErrorKind::Unavailable, Outcome::NotDone, true));
        assert_eq!(facts(no_connection_in_time("a")), (ErrorKind::Timeout, Outcome::NotDone, true));
        assert_eq!(facts(not_sent()), (ErrorKind::Unavailable, Outcome::NotDone, true));
        assert_eq!(facts(cut(reset())), (ErrorKind::Unavailable, Outcome::Unknown, true));
        assert_eq!(facts(silent()), (ErrorKind::Timeout, Outcome::Unknown, true));
    }

    #[test]
    fn what_a_server_could_not_do_is_named_and_may_have_removed_the_earlier_entry() {
        let errors = [Failure::TooLarge, Failure::OutOfMemory, Failure::Other].map(failed);
        let kinds = errors.each_ref().map(Error::kind);
        assert_eq!(kinds, [ErrorKind::TooLarge, ErrorKind::Full, ErrorKind::Unexpected]);
        assert!(errors.iter().all(|error| error.outcome() == Outcome::Unknown));
    }
}
