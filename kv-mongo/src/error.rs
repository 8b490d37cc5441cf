//! What the driver reports, in the words of the contract.

use std::fmt;
use std::io;

use kv_core::{Error, ErrorKind, Outcome};
use mongodb::error::{
    Error as DriverError, ErrorKind as DriverKind, NO_WRITES_PERFORMED, RETRYABLE_WRITE_ERROR,
    SYSTEM_OVERLOADED_ERROR, WriteFailure,
};

type Class = (ErrorKind, Outcome, &'static str);

const DUPLICATE_KEY: i32 = 11_000;
/// What Atlas answers, for one thing or another; only its text tells which.
const ATLAS: i32 = 8_000;

/// A document that is not as we write it.
pub(crate) fn damaged() -> Error {
    Error::new(ErrorKind::Corrupt, "the stored document is not of the form that this version writes")
}

/// What a `take` found was not to be read, and is removed all the same: nobody may believe that nothing happened.
pub(crate) fn removed(error: Error) -> Error {
    Error::new(error.kind(), "what was taken cannot be read, and is removed")
        .with_outcome(Outcome::Unknown)
        .because(error)
}

/// An answer that says less than it must.
pub(crate) fn strange(what: &'static str) -> Error {
    Error::new(ErrorKind::Unexpected, what)
}

/// No answer, within a time in which each server that is well has one.
pub(crate) fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "the server did not answer in time")
}

/// Nobody waits for the answer any more, and nobody reads this.
pub(crate) fn unwanted() -> Error {
    Error::new(ErrorKind::Unavailable, "the caller has gone").with_outcome(Outcome::NotDone)
}

/// Whether the server is in a state in which the next request would fare no better.
pub(crate) fn is_trouble(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable)
}

/// What was not sent, since what went before it met `trouble`.
pub(crate) fn unsent(trouble: Error) -> Error {
    Error::new(trouble.kind(), "not sent, since an earlier part of the batch met a server in trouble")
        .with_outcome(Outcome::NotDone)
        .because(trouble)
}

/// Any error of an operation.
pub(crate) fn driver(error: &DriverError) -> Error {
    let (kind, outcome, message) = classify(error);
    let outcome = if error.contains_label(NO_WRITES_PERFORMED) { Outcome::NotDone } else { outcome };
    Error::new(kind, message).with_outcome(outcome).because(Cause::of(error))
}

/// What the driver says of its parameters, before it connects to anything.
pub(crate) fn parameters(error: &DriverError) -> Error {
    match &*error.kind {
        DriverKind::Io(_) => {
            let message = "the file that `tlsCertificateKeyFile` names cannot be read";
            Error::new(ErrorKind::Invalid, message).because(Cause::of(error))
        }
        _ => driver(error),
    }
}

/// Whether two upserts met, and one of them is to be sent again.
pub(crate) fn is_duplicate(error: &DriverError) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

/// Whether a server does not know a part of a command: what real servers have, a stand-in may lack.
pub(crate) fn is_lacking(error: &DriverError) -> bool {
    code(error).is_some_and(|code| of_code(code).0 == ErrorKind::Unsupported)
}

/// Whether the user has no right to do this.
pub(crate) fn is_denied(error: &DriverError) -> bool {
    classify(error).0 == ErrorKind::Denied
}

/// An error that the server reported for one statement of a batch.
pub(crate) fn statement(code: i32) -> Error {
    let (kind, outcome, message) = of_code(code);
    Error::new(kind, message).with_outcome(outcome).because(Cause(format!("code {code}")))
}

/// A batch that was done, but not by a majority in time.
pub(crate) fn concern(code: i32) -> Error {
    statement(code).with_outcome(Outcome::Unknown)
}

pub(crate) const fn is_duplicate_code(code: i32) -> bool {
    code == DUPLICATE_KEY
}

fn classify(error: &DriverError) -> Class {
    // Marked so, the driver may have sent it twice, and tells how the last try ended: an earlier one may have been executed.
    let is_answer = code(error).is_some();
    if is_answer && error.contains_label(SYSTEM_OVERLOADED_ERROR) {
        return (ErrorKind::Throttled, Outcome::Unknown, "the server is overloaded");
    }
    let (kind, outcome, message) = of_kind(error);
    let is_repeated = is_answer && error.contains_label(RETRYABLE_WRITE_ERROR);
    (kind, if is_repeated { Outcome::Unknown } else { outcome }, message)
}

fn of_kind(error: &DriverError) -> Class {
    use DriverKind as Kind;
    use ErrorKind::{Closed, Denied, Invalid, Unavailable, Unsupported};
    use Outcome::{NotDone, Unknown};

    match &*error.kind {
        Kind::Authentication { .. } => (Denied, NotDone, "user and password were refused"),
        Kind::Command(command) if command.code == ATLAS => of_atlas(&command.message),
        Kind::Write(WriteFailure::WriteConcernError(error)) => {
            let (kind, _, message) = of_code(error.code);
            (kind, Unknown, message)
        }
        Kind::Io(error) if is_tls(error) => of_tls(&error.to_string()).unwrap_or_else(|| of_io(error)),
        // So the driver marks what failed while it connected.
        Kind::Io(_) if error.contains_label(SYSTEM_OVERLOADED_ERROR) => {
            (Unavailable, NotDone, "no connection to the server can be made")
        }
        Kind::Io(error) => of_io(error),
        Kind::ServerSelection { message, .. } => of_selection(message),
        Kind::DnsResolve { .. } => (Unavailable, NotDone, "the name of a server cannot be looked up"),
        Kind::ConnectionPoolCleared { .. } => (Unavailable, Unknown, "the connection to the server broke"),
        Kind::InvalidTlsConfig { .. } => (Invalid, NotDone, "the parameters of TLS are wrong"),
        Kind::InvalidArgument { .. } => (Invalid, NotDone, "the driver refuses the operation"),
        Kind::IncompatibleServer { .. } | Kind::SessionsNotSupported => (Unsupported, NotDone, TOO_OLD),
        Kind::Shutdown => (Closed, NotDone, "the store was closed"),
        _ => code(error).map_or((ErrorKind::Unexpected, Unknown, "the driver failed"), of_code),
    }
}

/// What is said where a server lacks what the store is made of.
pub(crate) const TOO_OLD: &str = "the server lacks what the store needs: MongoDB 4.4 or later";

/// The server's number of an error, where it has one.
fn code(error: &DriverError) -> Option<i32> {
    match &*error.kind {
        DriverKind::Command(error) => Some(error.code),
        DriverKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        DriverKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        _ => None,
    }
}

/// By the server's numbers: `src/mongo/base/error_codes.yml` of MongoDB.
fn of_code(code: i32) -> Class {
    use ErrorKind::{
        Denied, Full, Invalid, Throttled, Timeout, TooLarge, Unavailable, Unexpected, Unsupported,
    };
    use Outcome::{NotDone, Unknown};

    match code {
        13 | 18 | 391 => (Denied, NotDone, "the user lacks the right, or has to log in"),
        14_031 | 12_501 => (Full, NotDone, "the disk or the quota of the server is full"),
        10_334 | 17_280 | 17_419 | 17_420 => (TooLarge, NotDone, "the server takes no document of that size"),
        16_500 | 462 => (Throttled, NotDone, "the server asks to slow down"),
        24 | 46 | 50 | 64 | 262 => (Timeout, Unknown, "the server did not finish in time"),
        10_058 | 10_107 | 13_435 | 13_436 => (Unavailable, NotDone, "the server is no primary"),
        6 | 7 | 43 | 89 | 91 | 100 | 133 | 134 | 175 | 189 | 202 | 237 | 317 | 358 | 9_001 | 11_600
        | 11_602 => (Unavailable, Unknown, "the server, or the majority behind it, went away"),
        112 | DUPLICATE_KEY => (Unavailable, NotDone, "others write the same entry at this moment"),
        9 | 20 | 59 | 72 | 115 | 123 | 148 | 168 | 17_276 | 40_324 => (Unsupported, NotDone, TOO_OLD),
        121 | 166 => (Invalid, NotDone, "the collection has rules of its own, or is a view"),
        _ => (Unexpected, Unknown, "the server failed"),
    }
}

fn of_atlas(text: &str) -> Class {
    let text = text.to_lowercase();
    if text.contains("quota") {
        return of_code(14_031);
    }
    if text.contains("auth") || text.contains("not allowed") {
        return of_code(13);
    }
    of_code(ATLAS)
}

/// Why no server was found. The driver keeps it in a text alone, with each server and what it last met there.
fn of_selection(message: &str) -> Class {
    let mut met = message.split("{ Address: ").skip(1).map(of_tls);
    let first = met.next().flatten();
    let final_one = first.filter(|_| met.all(|other| other.is_some()));
    final_one.unwrap_or((ErrorKind::Unavailable, Outcome::NotDone, "no server takes the operation"))
}

/// Whether it is from within a TLS session.
fn is_tls(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// What ended a TLS session for good before anything was sent, as `rustls` words it.
fn of_tls(text: &str) -> Option<Class> {
    let alert = text.split("received fatal alert: ").nth(1).unwrap_or_default();
    let message = if text.contains("invalid peer certificate") {
        UNTRUSTED
    } else if FINAL_ALERTS.iter().any(|name| alert.starts_with(name)) {
        REFUSED
    } else {
        return None;
    };
    Some((ErrorKind::Denied, Outcome::NotDone, message))
}

/// By which a server refuses the client's certificate, or TLS as it is offered (RFC 8446, section 6.2).
const FINAL_ALERTS: [&str; 13] = [
    "CertificateRequired",
    "NoCertificate",
    "BadCertificate",
    "UnsupportedCertificate",
    "CertificateRevoked",
    "CertificateExpired",
    "CertificateUnknown",
    "UnknownCA",
    "AccessDenied",
    "DecryptError",
    "HandshakeFailure",
    "ProtocolVersion",
    "InsufficientSecurity",
];
const UNTRUSTED: &str = "the server's certificate is not trusted: name its authority in `tlsCAFile`, and the server by a name \
                         that its certificate has";
const REFUSED: &str =
    "the server refuses TLS as it is offered: it may want a certificate, see `tlsCertificateKeyFile`";

fn of_io(error: &io::Error) -> Class {
    match error.kind() {
        // Never connected, so nothing was sent: the driver hands on the error of a request that was, if there was one.
        io::ErrorKind::ConnectionRefused => {
            (ErrorKind::Unavailable, Outcome::NotDone, "the server refuses connections")
        }
        _ => (ErrorKind::Unavailable, Outcome::Unknown, "the connection to the server broke"),
    }
}

/// The cause as it may be shown. Never what a server wrote: it repeats commands, and with them values.
#[derive(Debug)]
struct Cause(String);

impl Cause {
    fn of(error: &DriverError) -> Self {
        Self(match &*error.kind {
            DriverKind::Command(error) => format!("code {} {}", error.code, error.code_name),
            DriverKind::Write(WriteFailure::WriteError(error)) => format!("code {}", error.code),
            DriverKind::Write(WriteFailure::WriteConcernError(error)) => {
                format!("write concern, code {} {}", error.code, error.code_name)
            }
            DriverKind::Io(error) => error.to_string(),
            DriverKind::ServerSelection { message, .. }
            | DriverKind::DnsResolve { message, .. }
            | DriverKind::InvalidTlsConfig { message, .. }
            | DriverKind::IncompatibleServer { message, .. }
            | DriverKind::ConnectionPoolCleared { message, .. } => message.clone(),
            DriverKind::Authentication { .. } => "authentication".to_owned(),
            DriverKind::InvalidArgument { .. } => "an argument".to_owned(),
            DriverKind::InvalidResponse { .. } => "an answer that cannot be read".to_owned(),
            _ => "the driver gave no reason that can be shown".to_owned(),
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

#[cfg(test)]
mod tests {
    use std::io;

    use kv_core::{ErrorKind, Outcome};
    use mongodb::error::Error as DriverError;

    use super::{driver, of_atlas, of_code, of_selection, of_tls};

    #[test]
    fn each_number_has_its_kind() {
        for (codes, kind, outcome) in [
            (&[13, 18][..], ErrorKind::Denied, Outcome::NotDone),
            (&[14_031], ErrorKind::Full, Outcome::NotDone),
            (&[10_334, 17_419], ErrorKind::TooLarge, Outcome::NotDone),
            (&[462], ErrorKind::Throttled, Outcome::NotDone),
            (&[50, 64, 262], ErrorKind::Timeout, Outcome::Unknown),
            (&[10_107, 13_435], ErrorKind::Unavailable, Outcome::NotDone),
            (&[91, 100, 189, 11_600, 11_602], ErrorKind::Unavailable, Outcome::Unknown),
            (&[11_000], ErrorKind::Unavailable, Outcome::NotDone),
            (&[59, 17_276], ErrorKind::Unsupported, Outcome::NotDone),
            (&[121], ErrorKind::Invalid, Outcome::NotDone),
            (&[1, 99_999], ErrorKind::Unexpected, Outcome::Unknown),
        ] {
            for code in codes {
                let (found, said, _) = of_code(*code);
                assert_eq!((found, said), (kind, outcome), "{code}");
            }
        }
    }

    #[test]
    fn atlas_tells_a_full_quota_from_a_missing_right() {
        assert_eq!(of_atlas("you are over your space quota").0, ErrorKind::Full);
        assert_eq!(of_atlas("bad auth : Authentication failed.").0, ErrorKind::Denied);
        assert_eq!(of_atlas("something else").0, ErrorKind::Unexpected);
    }

    #[test]
    fn tls_is_refused_for_good_by_certificates_and_only_where_each_server_refuses_it() {
        let untrusted = "Kind: I/O error: invalid peer certificate: UnknownIssuer, labels: {}";
        let unwanted = "Kind: I/O error: received fatal alert: CertificateRequired, labels: {}";
        let down = "Kind: I/O error: Connection refused (os error 111), labels: {}";
        for (first, second, kind) in [
            (untrusted, untrusted, ErrorKind::Denied),
            (untrusted, unwanted, ErrorKind::Denied),
            (untrusted, down, ErrorKind::Unavailable),
            (down, unwanted, ErrorKind::Unavailable),
        ] {
            let server = |error| format!("{{ Address: a:1, Type: Unknown, Error: {error} }}");
            let message = format!("Servers: [ {}, {} ] }}", server(first), server(second));
            assert_eq!(of_selection(&message).0, kind, "{message}");
        }
        assert_eq!(of_selection("no server at all").0, ErrorKind::Unavailable);
        assert!(of_tls("received fatal alert: InternalError").is_none());
    }

    #[test]
    fn a_refused_connection_did_nothing_and_a_broken_one_may_have() {
        for (kind, outcome) in [
            (io::ErrorKind::ConnectionRefused, Outcome::NotDone),
            (io::ErrorKind::ConnectionReset, Outcome::Unknown),
            (io::ErrorKind::UnexpectedEof, Outcome::Unknown),
        ] {
            let error = driver(&DriverError::from(io::Error::from(kind)));
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, outcome), "{kind:?}");
        }
    }
}
