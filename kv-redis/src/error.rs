//! What went wrong, in the family's words, and whether the request may have been executed.

use std::fmt;

use kv_core::{Error, ErrorKind, Outcome};
use redis::{RedisError, ServerError};

/// How a request failed, while it can still be sent elsewhere.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// There was no connection to send it on.
    Unsent(Error),
    /// The server refused it.
    Said(ServerError),
    /// No answer came, or none that could be read.
    Lost(RedisError),
    /// It was executed, but fewer replicas than asked for confirmed it in time.
    Unconfirmed,
}

impl Fault {
    /// Whether the server was given the name of a script that it does not know.
    pub(crate) fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Said(refusal) if refusal.code() == "NOSCRIPT")
    }

    /// Whether it may come from a node that does not own the key any more; the request was not executed then.
    pub(crate) fn is_homeless(&self) -> bool {
        match self {
            Self::Unsent(error) => error.kind() == ErrorKind::Unavailable,
            Self::Said(refusal) => matches!(code(refusal), "READONLY" | "CLUSTERDOWN" | "MASTERDOWN"),
            Self::Lost(_) | Self::Unconfirmed => false,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unsent(error) => error.with_outcome(Outcome::NotDone),
            Fault::Said(refusal) => refused(&refusal),
            Fault::Lost(cause) => lost(cause),
            Fault::Unconfirmed => {
                Self::new(ErrorKind::Unavailable, "it was written, but too few replicas confirmed it in time")
            }
        }
    }
}

/// What the server said, as a cause: its code, and its text where that repeats nothing that was sent.
#[derive(Debug)]
struct Refusal {
    code: String,
    text: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "the server said {}: {text}", self.code),
            None => write!(f, "the server said {}", self.code),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    fn of(error: &ServerError) -> Self {
        // "unknown command 'SET', with args beginning with: .." repeats the key and the value.
        let text = error.details().map(|text| text.split(", with args").next().unwrap_or_default());
        let text = text.map(|text| text.chars().take(200).flat_map(char::escape_debug).collect());
        Self { code: error.code().to_owned(), text }
    }
}

/// The code of a refusal. A script that is refused a command may hide that one's code in its text: the right to it before
/// Redis 7.2, all others before version 7.
pub(crate) fn code(error: &ServerError) -> &str {
    let text = error.details().unwrap_or_default();
    match error.code() {
        "ERR" if text.contains("-OOM ") || text.contains("OOM command not allowed") => "OOM",
        "ERR" if text.contains("-MISCONF ") => "MISCONF",
        "ERR" if text.contains("-READONLY ") => "READONLY",
        "ERR" if text.contains(LACKS_RIGHT) || text.contains("ACL failure in script") => "NOPERM",
        code => code,
    }
}

const LACKS_RIGHT: &str = "The user executing the script";

/// A refusal by the server. Whatever the reason, the command was not executed.
pub(crate) fn refused(error: &ServerError) -> Error {
    let text = error.details().unwrap_or_default();
    let (kind, message) = match code(error) {
        "OOM" => (ErrorKind::Full, FULL),
        "MISCONF" if text.contains("No space left") => {
            (ErrorKind::Full, "the disk of the server's log is full")
        }
        "LOADING" => (ErrorKind::Unavailable, "the server is still loading its data"),
        "READONLY" => (ErrorKind::Unavailable, "the server is a replica and takes no writes"),
        "MISCONF" => (ErrorKind::Unavailable, UNSAVED),
        "CLUSTERDOWN" => (ErrorKind::Unavailable, "the cluster does not serve this part of its keys"),
        "MASTERDOWN" => (ErrorKind::Unavailable, "the replica has lost its master"),
        "TRYAGAIN" | "MOVED" | "ASK" => (ErrorKind::Unavailable, "the key is being moved within the cluster"),
        "BUSY" => (ErrorKind::Unavailable, "the server is busy with a script"),
        "NOREPLICAS" => (ErrorKind::Unavailable, "the server has too few replicas to take writes"),
        "WRONGPASS" => (ErrorKind::Denied, "user or password is wrong"),
        "NOAUTH" => (ErrorKind::Denied, "the server asks for a password"),
        "NOPERM" => (ErrorKind::Denied, "the user lacks a right: see the cause for which"),
        "ERR" if is_login(text) => (ErrorKind::Denied, "user or password is wrong"),
        "ERR" if text.contains("max number of clients") => {
            (ErrorKind::Unavailable, "the server has as many clients as it takes")
        }
        "WRONGTYPE" => (ErrorKind::Corrupt, "the key holds something that larder did not write"),
        _ => (ErrorKind::Unexpected, "the server refused the command"),
    };
    Error::new(kind, message).because(Refusal::of(error)).with_outcome(Outcome::NotDone)
}

const FULL: &str = "the server has reached its maxmemory";
const UNSAVED: &str = "the server cannot save to its disk and takes no writes";

/// `AUTH` sent to a server without password, and a password where the user needs none.
fn is_login(text: &str) -> bool {
    text.contains("AUTH") || text.contains("invalid password") || text.contains("invalid username")
}

/// A request whose answer did not come: it may have been executed.
pub(crate) fn lost(error: RedisError) -> Error {
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::Timeout, "the server did not answer in time")
    } else if error.is_io_error() || error.is_connection_dropped() {
        (ErrorKind::Unavailable, "the connection was lost before the answer came")
    } else {
        (ErrorKind::Unexpected, "the answer could not be read")
    };
    Error::new(kind, message).because(error).with_outcome(Outcome::Unknown)
}

/// No connection could be made: nothing was sent.
pub(crate) fn unconnected(error: RedisError) -> Error {
    if error.kind() == redis::ErrorKind::AuthenticationFailed {
        return not_done(ErrorKind::Denied, "user or password is wrong");
    }
    if error.kind() == redis::ErrorKind::RESP3NotSupported {
        return too_old("the server");
    }
    if error.kind() == redis::ErrorKind::Parse {
        return not_done(ErrorKind::Invalid, "what answers there is neither Redis nor Valkey").because(error);
    }
    if let Some((kind, message)) = beneath(&error).and_then(alert) {
        return not_done(kind, message).because(error);
    }
    match ServerError::try_from(error) {
        Ok(refusal) => refused(&refusal),
        Err(error) => not_done(ErrorKind::Unavailable, "the server cannot be reached").because(error),
    }
}

/// How the driver holds the errors of others.
type Shared = std::sync::Arc<dyn std::error::Error + Send + Sync>;

/// What ended the TLS session beneath the driver.
fn beneath(error: &RedisError) -> Option<&rustls::Error> {
    let shared = std::error::Error::source(error)?.downcast_ref::<Shared>()?;
    shared.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref()
}

/// What it means that the server ended the TLS session by an alert (RFC 8446, section 6.2). In TLS 1.3 it judges our certificate
/// when our part of the handshake is over.
fn alert(error: &rustls::Error) -> Option<(ErrorKind, &'static str)> {
    use rustls::AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = error else { return None };
    Some(match alert {
        Alert::CertificateRequired
        | Alert::NoCertificate
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::DecryptError => (
            ErrorKind::Denied,
            "the server takes nobody without a certificate that it trusts: see `tls_cert` and `tls_key`",
        ),
        // In TLS 1.2 also the answer to a missing certificate.
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => (
            ErrorKind::Denied,
            "the server refuses TLS as it is offered: it may want a certificate, see `tls_cert` and `tls_key`",
        ),
        Alert::UnrecognisedName => {
            (ErrorKind::Denied, "the server has no certificate for the host of the URL")
        }
        _ => (ErrorKind::Unavailable, "the server ended the TLS session"),
    })
}

/// The TLS handshake failed.
pub(crate) fn untrusted(cause: std::io::Error) -> Error {
    let Some(tls) = cause.get_ref().and_then(|inner| inner.downcast_ref()) else { return unreachable(cause) };
    let (kind, message) = alert(tls).unwrap_or((ErrorKind::Denied, "the server could not prove who it is"));
    not_done(kind, message).because(cause)
}

/// As [`unconnected`], for what happens before the protocol begins.
pub(crate) fn unreachable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    not_done(ErrorKind::Unavailable, "the server cannot be reached").because(cause)
}

pub(crate) fn too_old(what: &str) -> Error {
    let message = format!("{what} is too old: Redis 6.2 or Valkey 7.2 is the oldest that will do");
    not_done(ErrorKind::Unsupported, message)
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed")
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

/// An answer of a shape that the command never has.
pub(crate) fn nonsense() -> Error {
    Error::new(ErrorKind::Unexpected, "the server's answer has an unexpected form")
}

/// As [`nonsense`], to what was sent.
pub(crate) fn unreadable() -> RedisError {
    (redis::ErrorKind::UnexpectedReturnType, "the server's answer has an unexpected form").into()
}

/// What a `take` found was not to be read, and is removed all the same: nobody may believe that nothing happened.
pub(crate) fn removed(error: Error) -> Error {
    Error::new(error.kind(), "what was taken cannot be read, and is removed")
        .with_outcome(Outcome::Unknown)
        .because(error)
}

/// A failure before anything was sent.
pub(crate) fn not_done(kind: ErrorKind, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_outcome(Outcome::NotDone)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use kv_core::{Error, ErrorKind, Outcome};
    use redis::{RedisError, ServerError, Value};

    use super::{Fault, lost, refused, unconnected, untrusted};

    fn said(line: &str) -> ServerError {
        match redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error,
            other => panic!("not an error: {other:?}"),
        }
    }

    #[test]
    fn every_refusal_has_its_kind_and_was_not_executed() {
        for (line, kind) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::Full),
            (
                "ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed",
                ErrorKind::Full,
            ),
            ("LOADING Redis is loading the dataset in memory", ErrorKind::Unavailable),
            ("READONLY You can't write against a read only replica.", ErrorKind::Unavailable),
            ("MISCONF Redis is configured to save RDB snapshots", ErrorKind::Unavailable),
            ("MISCONF Errors writing to the AOF file: No space left on device", ErrorKind::Full),
            (
                "ERR Error running script (call to f_1): @user_script:1: -MISCONF Redis is configured to save",
                ErrorKind::Unavailable,
            ),
            (
                "ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write against",
                ErrorKind::Unavailable,
            ),
            ("CLUSTERDOWN The cluster is down", ErrorKind::Unavailable),
            ("MASTERDOWN Link with MASTER is down", ErrorKind::Unavailable),
            ("NOREPLICAS Not enough good replicas to write.", ErrorKind::Unavailable),
            ("BUSY Redis is busy running a script.", ErrorKind::Unavailable),
            ("ERR max number of clients reached", ErrorKind::Unavailable),
            ("WRONGPASS invalid username-password pair or user is disabled.", ErrorKind::Denied),
            ("NOAUTH Authentication required.", ErrorKind::Denied),
            ("NOPERM this user has no permissions to run the 'get' command", ErrorKind::Denied),
            (
                "ERR The user executing the script can't run this command or subcommand script: fbf8, on \
                 @user_script:1.",
                ErrorKind::Denied,
            ),
            (
                "ERR Error running script (call to f_1): @user_script:1: The user executing the script can't \
                 access at least one of the keys mentioned in the command arguments",
                ErrorKind::Denied,
            ),
            (
                "ERR ACL failure in script: User ann has no permissions to run the 'get' command",
                ErrorKind::Denied,
            ),
            ("ERR AUTH <password> called without any password configured", ErrorKind::Denied),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", ErrorKind::Corrupt),
            ("ERR something new", ErrorKind::Unexpected),
        ] {
            let error = refused(&said(line));
            assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotDone), "{line}");
        }
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        let error = refused(&said("ERR unknown command 'SET', with args beginning with: 'k' 'my-secret' "));
        let cause = error.source().unwrap().to_string();
        assert!(
            cause.contains("unknown command 'SET'") || cause.contains("unknown command \\'SET\\'"),
            "{cause}"
        );
        assert!(!cause.contains("my-secret") && !format!("{error:?}").contains("my-secret"));
    }

    #[test]
    fn a_refused_certificate_is_final_and_an_ended_session_is_not() {
        use rustls::AlertDescription as Alert;
        for (alert, kind, names) in [
            (Alert::CertificateRequired, ErrorKind::Denied, "tls_cert"),
            (Alert::UnknownCA, ErrorKind::Denied, "tls_cert"),
            (Alert::HandshakeFailure, ErrorKind::Denied, "tls_cert"),
            (Alert::UnrecognisedName, ErrorKind::Denied, "host"),
            (Alert::CloseNotify, ErrorKind::Unavailable, "ended"),
            (Alert::InternalError, ErrorKind::Unavailable, "ended"),
        ] {
            let cause = || io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
            for error in [untrusted(cause()), unconnected(cause().into())] {
                assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotDone), "{error:?}");
                assert!(error.message().contains(names), "{error}");
            }
        }
        let unproven = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert_eq!(untrusted(io::Error::other(unproven)).kind(), ErrorKind::Denied);
    }

    #[test]
    fn a_lost_answer_may_have_been_executed_and_a_missing_connection_not() {
        let io = |kind: io::ErrorKind| RedisError::from(io::Error::from(kind));
        let error = lost(io(io::ErrorKind::TimedOut));
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
        let error = lost(io(io::ErrorKind::BrokenPipe));
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
        let error = unconnected(io(io::ErrorKind::ConnectionRefused));
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone));
        let error = unconnected(said("WRONGPASS no").into());
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone));
        let error = Error::from(Fault::Unconfirmed);
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
    }
}
