//! What the server, or the way to it, answered, as a kind to act on.

use std::fmt;
use std::io;
use std::iter::successors;

use kv_core::{Error, ErrorKind, Outcome};
use serde::Deserialize;

/// What a server says of a refusal: its HTTP status and the name of its exception.
///
/// Its sentence is left out on purpose: some quote the value that was sent.
#[derive(Debug)]
struct Refusal {
    status: u16,
    exception: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if self.exception.is_empty() { Ok(()) } else { write!(f, ", {}", self.exception) }
    }
}

impl std::error::Error for Refusal {}

/// The error of an answer, as both products write it. Proxies in between write other things, or nothing.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Exception {
    /// Such as `cluster_block_exception`.
    #[serde(rename = "type", default)]
    pub(crate) name: String,
    /// A sentence, which may quote what was sent: never to be shown.
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Said {
    error: Exception,
}

const UNPROVEN: &str = "the server cannot prove who it is, or does not speak TLS: its certificate must be for the host of the \
     URL, by an authority that the system trusts or `ca_file` names";

/// A request that got no answer.
pub(crate) fn unanswered(cause: reqwest::Error) -> Error {
    let cause = cause.without_url();
    let (kind, message, outcome) = if cause.is_connect() && is_tls(&cause) {
        (ErrorKind::Denied, UNPROVEN, Outcome::NotDone)
    } else if cause.is_connect() {
        (ErrorKind::Unavailable, "the server cannot be reached", Outcome::NotDone)
    } else if cause.is_builder() {
        (ErrorKind::Invalid, "the request cannot be built", Outcome::NotDone)
    } else if cause.is_timeout() {
        (ErrorKind::Timeout, "the server did not answer in time", Outcome::Unknown)
    } else {
        (ErrorKind::Unavailable, "the connection broke before the answer was there", Outcome::Unknown)
    };
    Error::new(kind, message).with_outcome(outcome).because(cause)
}

/// Whether TLS itself failed: rustls' errors come as `InvalidData`.
fn is_tls(cause: &(dyn std::error::Error + 'static)) -> bool {
    let mut layers = successors(Some(cause), |layer| beneath(*layer));
    layers.any(|layer| {
        layer.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
    })
}

/// An `io::Error` passes over what it holds when it is asked for its source.
fn beneath<'a>(
    layer: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    match layer.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => layer.source(),
    }
}

/// A request that was answered with another status than it should.
pub(crate) fn refused(status: u16, body: &[u8]) -> Error {
    let said = serde_json::from_slice::<Said>(body).map(|said| said.error).unwrap_or_default();
    judged(status, &said)
}

/// The same for one item of a batch.
pub(crate) fn judged(status: u16, said: &Exception) -> Error {
    let (kind, outcome, message) = judgement(status, said);
    let exception = said.name.chars().filter(char::is_ascii_graphic).take(80).collect();
    Error::new(kind, message).with_outcome(outcome).because(Refusal { status, exception })
}

/// The same for one document of a read of several, whose own status the answer leaves out.
pub(crate) fn unread(said: &Exception) -> Error {
    let says = |words: &[&str]| words.iter().any(|word| said.name.contains(word));
    let status = if says(&["rejected_execution", "circuit_breaking"]) {
        429
    } else if says(&["security"]) {
        403
    } else if says(&["shard", "node", "unavailable"]) {
        503
    } else {
        200
    };
    judged(status, said)
}

fn judgement(status: u16, said: &Exception) -> (ErrorKind, Outcome, &'static str) {
    use ErrorKind::{Conflict, Denied, Full, Invalid, Throttled, Timeout, TooLarge, Unavailable, Unexpected};
    use Outcome::{NotDone, Unknown};
    match (status, said.name.as_str()) {
        // 12 is the number of the block that the disk's flood-stage watermark sets; its status was 403 once, now 429.
        (_, "cluster_block_exception") if said.reason.contains("/12/") => {
            (Full, NotDone, "the server's disk is too full: it has blocked writes to the index")
        }
        (_, "cluster_block_exception") if said.reason.contains("SERVICE_UNAVAILABLE") => {
            (Unavailable, NotDone, "the cluster is not ready")
        }
        (_, "index_create_block_exception") => (
            Full,
            NotDone,
            "the cluster takes no new index: its disks are nearly full, or its settings forbid it",
        ),
        (_, "cluster_block_exception") => (Denied, NotDone, "the index is blocked by its settings"),
        (_, "index_not_found_exception") => (Unavailable, NotDone, "the index is gone"),
        (_, "index_closed_exception") => (Unavailable, NotDone, "the index is closed"),
        (429, _) => (Throttled, NotDone, "the server has too much to do"),
        (401, _) => (Denied, NotDone, "the credentials are missing or wrong"),
        (403, _) => (Denied, NotDone, "the credentials lack a right"),
        (409, _) => (Conflict, NotDone, "another write came first"),
        (413, _) => (TooLarge, NotDone, "the server takes no body of this size"),
        (400, name) if name.contains("mapping") || name.contains("mapper") || name.contains("parsing") => {
            (Invalid, NotDone, "the index has another mapping than Larder's")
        }
        (408 | 504, _) => (Timeout, Unknown, "the server did not answer in time"),
        (502 | 503, _) => (Unavailable, Unknown, "the server is not ready"),
        (300..500, _) => (Unexpected, NotDone, "the server does not understand the request"),
        _ => (Unexpected, Unknown, "the server failed"),
    }
}

/// An answer that neither product gives.
pub(crate) fn garbled() -> Error {
    // Without the parser's own words: they quote what they stumble over.
    Error::new(ErrorKind::Unexpected, "the server's answer cannot be read")
}

/// A document that Larder did not write.
pub(crate) fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

/// Work on another thread that did not come to its end: the runtime is going down.
pub(crate) fn interrupted(cause: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "the work was interrupted").because(cause)
}

pub(crate) fn unsupported(message: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use kv_core::{ErrorKind, Outcome};

    use super::{is_tls, refused};

    fn body(name: &str, reason: &str) -> Vec<u8> {
        let error = serde_json::json!({ "error": { "type": name, "reason": reason }, "status": 400 });
        serde_json::to_vec(&error).unwrap()
    }

    const FLOOD: &str =
        "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];";
    const OLD_FLOOD: &str = "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];";

    const NOT_RECOVERED: &str = "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];";

    #[test]
    fn each_refusal_has_its_kind_and_outcome() {
        use ErrorKind as Kind;
        let not_done: [(u16, &str, &str, Kind); 16] = [
            (429, "cluster_block_exception", FLOOD, Kind::Full),
            (403, "cluster_block_exception", OLD_FLOOD, Kind::Full),
            (403, "cluster_block_exception", "[FORBIDDEN/8/index write (api)];", Kind::Denied),
            (
                403,
                "index_create_block_exception",
                "blocked by: [FORBIDDEN/10/cluster create-index];",
                Kind::Full,
            ),
            (503, "cluster_block_exception", NOT_RECOVERED, Kind::Unavailable),
            (429, "es_rejected_execution_exception", "rejected", Kind::Throttled),
            (429, "circuit_breaking_exception", "[parent] Data too large", Kind::Throttled),
            (401, "security_exception", "missing authentication credentials", Kind::Denied),
            (403, "security_exception", "action is unauthorized", Kind::Denied),
            (404, "index_not_found_exception", "no such index", Kind::Unavailable),
            (400, "index_closed_exception", "closed", Kind::Unavailable),
            (409, "version_conflict_engine_exception", "version conflict", Kind::Conflict),
            (413, "", "", Kind::TooLarge),
            (400, "strict_dynamic_mapping_exception", "mapping set to strict", Kind::Invalid),
            (400, "mapper_parsing_exception", "failed to parse", Kind::Invalid),
            (400, "illegal_argument_exception", "no", Kind::Unexpected),
        ];
        for (status, name, reason, kind) in not_done {
            let error = refused(status, &body(name, reason));
            assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotDone), "{status} {name}");
        }
        for (status, kind) in [
            (503, Kind::Unavailable),
            (502, Kind::Unavailable),
            (504, Kind::Timeout),
            (500, Kind::Unexpected),
        ] {
            let error = refused(status, &body("some_exception", ""));
            assert_eq!((error.kind(), error.outcome()), (kind, Outcome::Unknown), "{status}");
        }
    }

    #[test]
    fn a_failure_of_tls_is_found_under_whatever_holds_it() {
        use tokio_rustls::rustls::{CertificateError, Error};
        let untrusted = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let failure = io::Error::new(io::ErrorKind::InvalidData, untrusted); // so tokio-rustls has it
        assert!(is_tls(&io::Error::other(io::Error::other(failure))));
        assert!(!is_tls(&io::Error::other(io::Error::from(io::ErrorKind::ConnectionReset))));
    }

    #[test]
    fn what_a_proxy_says_in_html_is_judged_by_its_status() {
        for (status, kind) in
            [(401, ErrorKind::Denied), (413, ErrorKind::TooLarge), (502, ErrorKind::Unavailable)]
        {
            assert_eq!(refused(status, b"<html>Bad Gateway</html>").kind(), kind);
        }
    }

    #[test]
    fn a_refusal_names_the_exception_and_never_its_sentence() {
        let error = refused(400, &body("mapper_parsing_exception", "Preview of field's value: 'hunter2'"));
        let source = error.source().expect("a cause").to_string();
        assert_eq!(source, "HTTP 400, mapper_parsing_exception");
        assert!(!format!("{error} {error:?} {source}").contains("hunter2"));
    }
}
