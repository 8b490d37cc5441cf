//! What tells two cached answers apart.

use sha2::{Digest, Sha256};

use crate::protocol::{Json, WireForm, canonical};
use crate::session::hex;
use crate::{Operation, Request};

/// The key of a request's answer: a SHA-256 over length-prefixed parts, so that nothing of the request stands in
/// clear in a store, and no part can pass for another.
///
/// `None` where the arguments cannot be brought into one form: nested deeper than a parser follows, or with numbers that
/// it rounds; and where a private answer has nobody to belong to.
pub(super) fn key(server: &str, fingerprint: &[u8; 32], public: bool, request: &Request) -> Option<String> {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(server.as_bytes());
    add(fingerprint);
    add(form(request.revision.form()));
    if public {
        add(b"public");
    } else {
        add(b"private");
        add(&request.principal.key());
        // Nobody in particular is many people: only a session tells one of them from another.
        if request.principal.is_anonymous() {
            add(request.session.as_ref()?.as_str().as_bytes());
        }
    }
    // A handler may do more for a client that can do more. What is public does not depend on it.
    let declared =
        request.caller.capabilities.as_ref().filter(|declared| !public && **declared != Json::EMPTY);
    if let Some(declared) = declared {
        add(&canonical(declared)?);
    }
    add(request.operation.method().as_bytes());
    add(request.operation.target().unwrap_or_default().as_bytes());
    if let Operation::CallTool { arguments, .. } | Operation::GetPrompt { arguments, .. } = &request.operation
    {
        add(&canonical(arguments)?);
    }
    Some(hex(&hash.finalize()))
}

const fn form(form: WireForm) -> &'static [u8] {
    match form {
        WireForm::PlainWithoutAudio => b"2024-11",
        WireForm::Plain => b"2025-03",
        WireForm::Structured => b"2025-06",
        WireForm::Stateless => b"2026-07",
    }
}
