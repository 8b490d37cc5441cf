//! Which revision a message is served under, and what is refused before anything looks at it.
//!
//! MCP 2026-07-28, basic/versioning and basic/transports/streamable-http, "Server Validation"; 2025-06-18 to
//! 2025-11-25, basic/transports, "Protocol Version Header".

use serde::Deserialize;
use serde_json::json;

use super::decode::{Incoming, Meta, Place};
use super::excerpt::{REPEATED_VERSION, beginning};
use super::headers::StandardHeaders;
use super::{Failure, Level, Revision, code};
use crate::Answer;
use crate::request::Operation;

/// A message that is refused, with the status that says so on HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) failure: Failure,
    pub(crate) status: u16,
}

/// The revision that `incoming` is served under.
///
/// `headers` are those of HTTP; `None` is a transport without headers. `session` is the revision of the handshake
/// session that the message belongs to, if any. `initialize` gets the revision that it agrees on.
///
/// # Errors
/// A request of 2026-07-28, in this order: parameters that cannot be read, incomplete `_meta`, a header missing or different from the body, a version
/// that is not served this way, a method that was removed. Of either era, last: parameters that do not fit.
pub(crate) fn revision_of(
    incoming: &Incoming,
    headers: Option<&StandardHeaders<'_>>,
    session: Option<Revision>,
) -> Result<Revision, Refused> {
    if matches!(incoming.operation, Operation::Notification { .. }) {
        return of_notification(incoming, headers, session);
    }
    if is_modern(incoming, headers) {
        return modern(incoming, headers).map(|()| Revision::V2026_07_28);
    }
    let revision = match &incoming.operation {
        Operation::Initialize { params } => agreed(params)?,
        _ => handshake(headers, session),
    };
    if matches!(incoming.operation, Operation::Discover | Operation::Listen { .. }) {
        return Err(Refused::of(Failure::method_not_found(incoming.operation.method()), revision));
    }
    match &incoming.defect {
        Some(defect) => Err(Refused::of(defect.failure.clone(), revision)),
        None => Ok(revision),
    }
}

/// The status of an answer to a well-formed request of `revision`.
pub(crate) fn status(answer: &Answer, revision: Revision) -> u16 {
    match answer {
        Answer::Failed(failure) => status_of(failure, revision),
        Answer::Done(_) | Answer::Asked(_) => 200,
    }
}

/// The status of an error to a well-formed request of `revision`.
///
/// In a handshake session it is always 200: a 404 there says that the session is gone.
pub(crate) const fn status_of(failure: &Failure, revision: Revision) -> u16 {
    match failure.code {
        _ if !revision.is_stateless() => 200,
        code::METHOD_NOT_FOUND => 404,
        code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION => 400,
        _ => 200,
    }
}

/// Modern by what `_meta` holds, or by a version header that names no handshake revision. `initialize` has no modern
/// header: it comes before any version is agreed on.
fn is_modern(incoming: &Incoming, headers: Option<&StandardHeaders<'_>>) -> bool {
    if incoming.meta.modern {
        return true;
    }
    let version = headers.and_then(StandardHeaders::version);
    version.is_some_and(|version| handshake_revision(version).is_none())
        && !matches!(incoming.operation, Operation::Initialize { .. })
}

fn modern(incoming: &Incoming, headers: Option<&StandardHeaders<'_>>) -> Result<(), Refused> {
    if let Some(defect) = incoming.defect.as_ref().filter(|defect| defect.place == Place::Unread) {
        return Err(Refused::bad(defect.failure.clone())); // nobody can say what it lacks
    }
    let version = complete(&incoming.meta, headers)?;
    if let Some(headers) = headers {
        headers
            .check(version, &incoming.operation)
            .map_err(|mismatch| Refused::bad(Failure::new(code::HEADER_MISMATCH, mismatch.message())))?;
    }
    if Revision::from_name(version) != Some(Revision::V2026_07_28) {
        return Err(Refused::bad(unsupported(version)));
    }
    if is_removed(&incoming.operation) {
        let failure = Failure::method_not_found(incoming.operation.method());
        return Err(Refused::of(failure, Revision::V2026_07_28));
    }
    match &incoming.defect {
        Some(defect) if defect.place == Place::Params => {
            Err(Refused::of(defect.failure.clone(), Revision::V2026_07_28))
        }
        Some(defect) => Err(Refused::bad(defect.failure.clone())),
        None => known_level(&incoming.meta),
    }
}

/// The version, if `_meta` has all that each request must carry (basic/index, "Per-request protocol fields").
fn complete<'a>(meta: &'a Meta, headers: Option<&StandardHeaders<'_>>) -> Result<&'a str, Refused> {
    let missing = match (&meta.version, &meta.capabilities) {
        (Some(version), Some(_)) => return Ok(version),
        (None, _) => "io.modelcontextprotocol/protocolVersion, a string",
        (_, None) => "io.modelcontextprotocol/clientCapabilities, an object",
    };
    let lacks = format!("the _meta of the params lacks {missing}");
    let header = headers.and_then(StandardHeaders::version);
    // A client of an earlier revision has no such `_meta`: what it has to mend is the header.
    let known = header.is_none_or(|version| Revision::from_name(version).is_some());
    let message = if known || meta.modern {
        lacks
    } else {
        let served = Revision::supported().join(", ");
        format!("the MCP-Protocol-Version header names no version of {served}; and {lacks}")
    };
    Err(Refused::bad(Failure::invalid_params(message)))
}

/// An unknown level is refused, not taken for the nearest (server/utilities/logging).
fn known_level(meta: &Meta) -> Result<(), Refused> {
    match meta.log_level.as_deref().map(Level::from_name) {
        Some(None) => Err(Refused::bad(Failure::invalid_params(
            "the logLevel must be one of debug, info, notice, warning, error, critical, alert, emergency",
        ))),
        _ => Ok(()),
    }
}

/// A version that nobody here speaks, or not this way; the failure tells which are served.
pub(crate) fn unsupported(requested: &str) -> Failure {
    let requested = beginning(requested, REPEATED_VERSION);
    let data = json!({ "supported": Revision::supported(), "requested": requested });
    Failure::new(code::UNSUPPORTED_VERSION, "unsupported protocol version").with_data(data)
}

/// Methods of the handshake revisions that 2026-07-28 has not.
fn is_removed(operation: &Operation) -> bool {
    const REMOVED: [&str; 4] = ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
    match operation {
        Operation::Initialize { .. } => true,
        Operation::Other { method, .. } => REMOVED.contains(&&**method),
        _ => false,
    }
}

/// Handshake revisions only: a name, never an order of names.
fn handshake_revision(name: &str) -> Option<Revision> {
    Revision::from_name(name).filter(|revision| !revision.is_stateless())
}

/// What the session agreed on, else what the header says, else 2025-03-26, which had no such header yet.
fn handshake(headers: Option<&StandardHeaders<'_>>, session: Option<Revision>) -> Revision {
    let header = headers.and_then(StandardHeaders::version).and_then(handshake_revision);
    session.or(header).unwrap_or(Revision::V2025_03_26)
}

/// What `initialize` agrees on: the version asked for if it is one with a handshake, else the newest of those
/// (2025-11-25, basic/lifecycle, "Version Negotiation").
fn agreed(params: &super::Json) -> Result<Revision, Refused> {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(rename = "protocolVersion")]
        version: String,
    }
    let asked: Result<Asked, _> = params.to();
    asked.map(|asked| handshake_revision(&asked.version).unwrap_or(Revision::LATEST_HANDSHAKE)).map_err(
        |_| {
            let failure = Failure::invalid_params("the params of initialize lack protocolVersion, a string");
            Refused::of(failure, Revision::LATEST_HANDSHAKE)
        },
    )
}

/// Notifications carry no version in `_meta`, and no header but that of the version is defined for them.
fn of_notification(
    incoming: &Incoming,
    headers: Option<&StandardHeaders<'_>>,
    session: Option<Revision>,
) -> Result<Revision, Refused> {
    let header = headers.and_then(StandardHeaders::version);
    if let Some(unknown) = header.filter(|version| Revision::from_name(version).is_none()) {
        return Err(Refused::bad(unsupported(unknown)));
    }
    if incoming.meta.modern || header == Some(Revision::V2026_07_28.as_str()) {
        return Ok(Revision::V2026_07_28);
    }
    Ok(handshake(headers, session))
}

impl Refused {
    /// Refused with the status that `revision` gives to such an error.
    const fn of(failure: Failure, revision: Revision) -> Self {
        let status = status_of(&failure, revision);
        Self { failure, status }
    }

    const fn bad(failure: Failure) -> Self {
        Self { failure, status: 400 }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{Refused, StandardHeaders, revision_of, status_of};
    use crate::protocol::decode::{Incoming, Message, decode};
    use crate::protocol::{Failure, Revision, code};

    const MODERN: &str = "2026-07-28";

    fn incoming(message: &Value) -> Incoming {
        match decode(&Bytes::from(message.to_string())) {
            Ok(Message::Request(incoming) | Message::Notification(incoming)) => incoming,
            other => panic!("{message}: {other:?}"),
        }
    }

    fn request(method: &str, params: &Value) -> Incoming {
        incoming(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    }

    fn meta(version: &str) -> Value {
        json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        })
    }

    fn headers<'a>(version: &'a str, method: &'a str) -> StandardHeaders<'a> {
        StandardHeaders { version: Some(version), method: Some(method), name: None }
    }

    fn refused(code: i32, status: u16) -> Result<Revision, (i32, u16)> {
        Err((code, status))
    }

    fn told(result: Result<Revision, Refused>) -> Result<Revision, (i32, u16)> {
        result.map_err(|refused| (refused.failure.code, refused.status))
    }

    #[test]
    fn a_complete_modern_request_is_served_with_and_without_headers() {
        for method in ["tools/list", "server/discover", "vendor/method"] {
            let request = request(method, &json!({ "_meta": meta(MODERN) }));
            assert_eq!(told(revision_of(&request, None, None)), Ok(Revision::V2026_07_28));
            let headers = headers(MODERN, method);
            assert_eq!(told(revision_of(&request, Some(&headers), None)), Ok(Revision::V2026_07_28));
        }
    }

    #[test]
    fn modern_requests_are_refused_in_the_order_of_the_rules() {
        let version = "io.modelcontextprotocol/protocolVersion";
        let capabilities = "io.modelcontextprotocol/clientCapabilities";
        let without = |key: &str| {
            let mut meta = meta(MODERN);
            meta.as_object_mut().unwrap().remove(key);
            meta
        };
        let with = |key: &str, value: Value| {
            let mut meta = meta(MODERN);
            meta[key] = value;
            meta
        };
        let good = Some(headers(MODERN, "tools/list"));
        let cases = [
            // (what, _meta, headers, expected)
            ("no version", without(version), good, refused(code::INVALID_PARAMS, 400)),
            ("no capabilities", without(capabilities), good, refused(code::INVALID_PARAMS, 400)),
            ("null version", with(version, Value::Null), good, refused(code::INVALID_PARAMS, 400)),
            ("number as version", with(version, json!(2026)), good, refused(code::INVALID_PARAMS, 400)),
            (
                "array of capabilities",
                with(capabilities, json!([])),
                good,
                refused(code::INVALID_PARAMS, 400),
            ),
            (
                "incomplete before headers",
                without(version),
                Some(StandardHeaders::default()),
                refused(code::INVALID_PARAMS, 400),
            ),
            ("modern by the header alone", json!({}), good, refused(code::INVALID_PARAMS, 400)),
            (
                "unknown header alone",
                json!({}),
                Some(headers("1900-01-01", "tools/list")),
                refused(code::INVALID_PARAMS, 400),
            ),
            (
                "no header",
                meta(MODERN),
                Some(StandardHeaders::default()),
                refused(code::HEADER_MISMATCH, 400),
            ),
            (
                "other version in header",
                meta(MODERN),
                Some(headers("2025-11-25", "tools/list")),
                refused(code::HEADER_MISMATCH, 400),
            ),
            (
                "other method in header",
                meta(MODERN),
                Some(headers(MODERN, "prompts/list")),
                refused(code::HEADER_MISMATCH, 400),
            ),
            ("header before version", meta("1900-01-01"), good, refused(code::HEADER_MISMATCH, 400)),
            (
                "unknown version",
                meta("1900-01-01"),
                Some(headers("1900-01-01", "tools/list")),
                refused(code::UNSUPPORTED_VERSION, 400),
            ),
            (
                "handshake version",
                meta("2025-11-25"),
                Some(headers("2025-11-25", "tools/list")),
                refused(code::UNSUPPORTED_VERSION, 400),
            ),
            (
                "unknown version, no headers",
                meta("1900-01-01"),
                None,
                refused(code::UNSUPPORTED_VERSION, 400),
            ),
            (
                "bad level",
                with("io.modelcontextprotocol/logLevel", json!("loud")),
                good,
                refused(code::INVALID_PARAMS, 400),
            ),
            ("bad token", with("progressToken", json!(1.5)), good, refused(code::INVALID_PARAMS, 400)),
        ];
        for (what, meta, headers, expected) in cases {
            let request = request("tools/list", &json!({ "_meta": meta }));
            assert_eq!(told(revision_of(&request, headers.as_ref(), None)), expected, "{what}");
        }
    }

    #[test]
    fn parameters_that_cannot_be_read_are_told_so_and_not_what_they_might_lack() {
        let meta = meta(MODERN);
        let doubled = serde_json::to_string(&meta).unwrap().replacen(
            '{',
            r#"{"progressToken":1,"progressToken":2,"#,
            1,
        );
        let cases = [
            (format!(r#"{{"name":"a","name":"b","_meta":{meta}}}"#), "the params must be an object"),
            (format!(r#"{{"_meta":{meta},"_meta":{meta}}}"#), "the params must be an object"),
            ("[1]".to_owned(), "the params must be an object"),
            (format!(r#"{{"name":"a","_meta":{doubled}}}"#), "_meta must be an object"),
            (r#"{"name":"a","_meta":7}"#.to_owned(), "_meta must be an object"),
        ];
        for (params, sentence) in cases {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
            let Ok(Message::Request(request)) = decode(&Bytes::from(text)) else { panic!("{params}") };
            let refused = revision_of(&request, Some(&headers(MODERN, "tools/call")), None).unwrap_err();
            assert!(refused.failure.message.starts_with(sentence), "{params}: {refused:?}");
            assert_eq!((refused.failure.code, refused.status), (code::INVALID_PARAMS, 400), "{params}");
        }
    }

    #[test]
    fn an_unsupported_version_is_told_what_is_supported_and_what_it_asked_for() {
        let request = request("tools/list", &json!({ "_meta": meta("1900-01-01") }));
        let data: Value = revision_of(&request, None, None).unwrap_err().failure.data.unwrap().to().unwrap();
        assert_eq!(data["requested"], "1900-01-01");
        assert_eq!(data["supported"], json!(Revision::supported()));
    }

    #[test]
    fn what_is_no_version_is_not_repeated_at_length() {
        let request = request("tools/list", &json!({ "_meta": meta(&"ü".repeat(1 << 20)) }));
        let data: Value = revision_of(&request, None, None).unwrap_err().failure.data.unwrap().to().unwrap();
        assert_eq!(data["requested"], "ü".repeat(64));
    }

    #[test]
    fn removed_methods_are_unknown_on_2026_07_28_and_served_before() {
        for method in
            ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "initialize"]
        {
            let modern = request(method, &json!({ "_meta": meta(MODERN) }));
            let headers = headers(MODERN, method);
            let expected = refused(code::METHOD_NOT_FOUND, 404);
            assert_eq!(told(revision_of(&modern, Some(&headers), None)), expected, "{method}");
            let handshake = request(method, &json!({"protocolVersion": "2025-06-18"}));
            let session = Some(Revision::V2025_06_18);
            assert_eq!(told(revision_of(&handshake, None, session)), Ok(Revision::V2025_06_18), "{method}");
        }
    }

    #[test]
    fn modern_methods_are_unknown_in_a_handshake_session() {
        for method in ["server/discover", "subscriptions/listen"] {
            let request = request(method, &json!({ "notifications": {} }));
            let told = told(revision_of(&request, None, Some(Revision::V2025_11_25)));
            assert_eq!(told, refused(code::METHOD_NOT_FOUND, 200));
        }
    }

    #[test]
    fn initialize_agrees_on_a_handshake_revision_whatever_the_header_says() {
        let cases = [
            ("2024-11-05", Revision::V2024_11_05),
            ("2025-03-26", Revision::V2025_03_26),
            ("2025-06-18", Revision::V2025_06_18),
            ("2025-11-25", Revision::V2025_11_25),
            ("2026-07-28", Revision::V2025_11_25),
            ("9999-01-01", Revision::V2025_11_25),
        ];
        for (asked, agreed) in cases {
            let request = request("initialize", &json!({ "protocolVersion": asked, "capabilities": {} }));
            for header in [None, Some(StandardHeaders::default()), Some(headers(MODERN, "initialize"))] {
                assert_eq!(told(revision_of(&request, header.as_ref(), None)), Ok(agreed), "{asked}");
            }
        }
        let without = request("initialize", &json!({}));
        assert_eq!(told(revision_of(&without, None, None)), refused(code::INVALID_PARAMS, 200));
    }

    #[test]
    fn handshake_requests_follow_session_then_header_then_the_revision_without_header() {
        let request = request("tools/list", &json!({}));
        for agreed in Revision::ALL.into_iter().filter(|revision| !revision.is_stateless()) {
            let header = headers(agreed.as_str(), "ignored");
            assert_eq!(told(revision_of(&request, Some(&header), None)), Ok(agreed));
            assert_eq!(
                told(revision_of(&request, Some(&StandardHeaders::default()), Some(agreed))),
                Ok(agreed)
            );
            assert_eq!(told(revision_of(&request, None, Some(agreed))), Ok(agreed));
        }
        let none = StandardHeaders::default();
        assert_eq!(told(revision_of(&request, Some(&none), None)), Ok(Revision::V2025_03_26));
        let spaced = headers(" 2025-06-18 ", "ignored");
        assert_eq!(told(revision_of(&request, Some(&spaced), None)), Ok(Revision::V2025_06_18));
    }

    #[test]
    fn parameters_that_do_not_fit_are_refused_after_the_rules_of_the_revision() {
        let bad = json!({"cursor": 7});
        let handshake = request("tools/list", &bad);
        assert_eq!(told(revision_of(&handshake, None, None)), refused(code::INVALID_PARAMS, 200));
        let modern = request("tools/list", &json!({"cursor": 7, "_meta": meta(MODERN)}));
        let headers = headers(MODERN, "tools/list");
        assert_eq!(told(revision_of(&modern, Some(&headers), None)), refused(code::INVALID_PARAMS, 200));
        let expected = refused(code::HEADER_MISMATCH, 400);
        assert_eq!(told(revision_of(&modern, Some(&StandardHeaders::default()), None)), expected);
    }

    #[test]
    fn notifications_need_no_headers_and_no_meta_but_no_unknown_version_either() {
        let notification = incoming(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}));
        let of =
            |headers: &StandardHeaders<'_>, session| told(revision_of(&notification, Some(headers), session));
        let version = |version| StandardHeaders { version: Some(version), ..Default::default() };
        assert_eq!(of(&version(MODERN), None), Ok(Revision::V2026_07_28));
        assert_eq!(of(&version("2025-11-25"), None), Ok(Revision::V2025_11_25));
        assert_eq!(of(&StandardHeaders::default(), Some(Revision::V2025_06_18)), Ok(Revision::V2025_06_18));
        assert_eq!(of(&version("1900-01-01"), None), refused(code::UNSUPPORTED_VERSION, 400));
    }

    #[test]
    fn errors_have_a_status_of_their_own_on_2026_07_28_only() {
        let cases = [
            (code::METHOD_NOT_FOUND, 404),
            (code::HEADER_MISMATCH, 400),
            (code::MISSING_CAPABILITY, 400),
            (code::UNSUPPORTED_VERSION, 400),
            (code::INVALID_PARAMS, 200),
            (code::INVALID_REQUEST, 200),
            (code::INTERNAL_ERROR, 200),
            (code::RESOURCE_NOT_FOUND, 200),
            (7, 200),
        ];
        for revision in Revision::ALL {
            for (code, modern) in cases {
                let expected = if revision.is_stateless() { modern } else { 200 };
                assert_eq!(status_of(&Failure::new(code, ""), revision), expected, "{revision} {code}");
            }
        }
    }
}
