//! What tells two cached answers apart.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::protocol::{Json, WireForm};
use crate::session::hex;
use crate::{Operation, Request};

/// The key of a request's answer: a SHA-256 over length-prefixed parts, so that nothing of the request stands in
/// clear in a store, and no part can pass for another.
///
/// `None` where the arguments cannot be brought into one form: nested deeper than a parser follows.
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

/// The same bytes for the same JSON: keys sorted, no blanks.
fn canonical(json: &Json) -> Option<Vec<u8>> {
    let mut value: Value = json.to().ok()?;
    value.sort_all_objects();
    serde_json::to_vec(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use crate::protocol::Json;

    fn of(text: &'static str) -> Vec<u8> {
        canonical(&Json::parse(text.into()).unwrap()).unwrap()
    }

    #[test]
    fn the_order_of_keys_does_not_matter_and_values_do() {
        assert_eq!(of(r#"{"a":1,"b":{"c":2,"d":[1,2]}}"#), of(r#"{ "b": {"d":[1,2], "c":2}, "a":1 }"#));
        assert_ne!(of(r#"{"a":[1,2]}"#), of(r#"{"a":[2,1]}"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":"1"}"#));
    }
}
