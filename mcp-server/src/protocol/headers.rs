//! The headers that repeat parts of a message (2026-07-28, basic/transports/streamable-http, "Request Metadata").

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};

use crate::request::Operation;

/// The standard headers of one request, as they were sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StandardHeaders<'a> {
    /// `MCP-Protocol-Version`.
    pub(crate) version: Option<&'a str>,
    /// `Mcp-Method`.
    pub(crate) method: Option<&'a str>,
    /// `Mcp-Name`.
    pub(crate) name: Option<&'a str>,
}

/// What a header and the body disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Missing(&'static str),
    Different(&'static str),
}

/// Stands for a value that is not ASCII or was sent twice: equal to nothing that a body can say.
const UNUSABLE: &str = "\0";

const VERSION: &str = "MCP-Protocol-Version";
const METHOD: &str = "Mcp-Method";
const NAME: &str = "Mcp-Name";

static VERSION_FIELD: HeaderName = HeaderName::from_static("mcp-protocol-version");
static METHOD_FIELD: HeaderName = HeaderName::from_static("mcp-method");
static NAME_FIELD: HeaderName = HeaderName::from_static("mcp-name");

impl<'a> StandardHeaders<'a> {
    /// The standard headers among `headers`. One that was sent twice, or that is not ASCII, matches nothing.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        Self {
            version: single(headers, &VERSION_FIELD),
            method: single(headers, &METHOD_FIELD),
            name: single(headers, &NAME_FIELD),
        }
    }

    /// What [`StandardHeaders::version`] says of `headers`.
    pub(crate) fn version_of(headers: &'a HeaderMap) -> Option<&'a str> {
        single(headers, &VERSION_FIELD).map(trimmed)
    }

    /// The version header without the white space around it.
    pub(crate) fn version(&self) -> Option<&'a str> {
        self.version.map(trimmed)
    }

    /// Compares the headers with the body, whose `_meta` says `version`.
    pub(crate) fn check(&self, version: &str, operation: &Operation) -> Result<(), Mismatch> {
        equal(VERSION, self.version, version)?;
        equal(METHOD, self.method, operation.method())?;
        let Some(target) = operation.used() else { return Ok(()) };
        let name = self.name.ok_or(Mismatch::Missing(NAME))?;
        let same = decoded(trimmed(name)).is_some_and(|name| name == target);
        if same { Ok(()) } else { Err(Mismatch::Different(NAME)) }
    }
}

impl Mismatch {
    /// One sentence for whoever reads the client's log. Values are not repeated: they may be anything.
    pub(crate) fn message(self) -> String {
        match self {
            Self::Missing(header) => format!("header mismatch: {header} is missing"),
            Self::Different(header) => format!("header mismatch: {header} is not what the body says"),
        }
    }
}

fn single<'a>(headers: &'a HeaderMap, field: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(field).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return Some(UNUSABLE);
    }
    Some(first.to_str().unwrap_or(UNUSABLE))
}

fn equal(header: &'static str, value: Option<&str>, body: &str) -> Result<(), Mismatch> {
    match value {
        None => Err(Mismatch::Missing(header)),
        Some(value) if trimmed(value) == body => Ok(()),
        Some(_) => Err(Mismatch::Different(header)),
    }
}

/// A value without the optional white space around it (RFC 9110 §5.6.3).
pub(super) fn trimmed(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// What a value that may be in the base64 sentinel stands for ("Value Encoding"); `None` where it is malformed.
///
/// The markers are case-sensitive, the base64 is canonical and padded, and holds UTF-8. Outside the sentinel a value
/// is visible ASCII, spaces and tabs.
pub(crate) fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let sentinel = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(encoded) = sentinel else {
        let plain = value.bytes().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'));
        return plain.then_some(Cow::Borrowed(value));
    };
    let bytes = STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Mismatch, StandardHeaders, decoded};
    use crate::protocol::{Json, ListKind};
    use crate::request::{Operation, PartialArgument, Reference};

    const VERSION: &str = "2026-07-28";

    fn call(name: &'static str) -> Operation {
        Operation::CallTool { name: name.into(), arguments: Json::EMPTY }
    }

    fn headers<'a>(method: &'a str, name: Option<&'a str>) -> StandardHeaders<'a> {
        StandardHeaders { version: Some(VERSION), method: Some(method), name }
    }

    #[test]
    fn the_sentinel_is_decoded_strictly() {
        let cases = [
            ("us-west1", Some("us-west1")),
            ("two words", Some("two words")),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", Some("Hello, 世界")),
            ("=?base64?IHBhZGRlZCA=?=", Some(" padded ")),
            ("=?base64?bGluZTEKbGluZTI=?=", Some("line1\nline2")),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", Some("=?base64?literal?=")),
            ("=?base64??=", Some("")),
            ("=?base64?=", Some("=?base64?=")),
            ("=?BASE64?SGk=?=", Some("=?BASE64?SGk=?=")),
            ("=?base64?SGk?=", None),
            ("=?base64?SGl=?=", None),
            ("=?base64?SG k=?=", None),
            ("=?base64?_-8=?=", None),
            ("=?base64?/w==?=", None),
            ("naïve", None),
            ("a\u{1}b", None),
        ];
        for (value, expected) in cases {
            assert_eq!(decoded(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn each_header_must_say_what_the_body_says() {
        let call = call("add");
        assert_eq!(headers("tools/call", Some("add")).check(VERSION, &call), Ok(()));
        assert_eq!(headers(" tools/call\t", Some("  add ")).check(VERSION, &call), Ok(()));
        assert_eq!(headers("tools/call", Some("=?base64?YWRk?=")).check(VERSION, &call), Ok(()));
        let cases = [
            (StandardHeaders::default(), Mismatch::Missing("MCP-Protocol-Version")),
            (
                StandardHeaders { version: Some(VERSION), ..Default::default() },
                Mismatch::Missing("Mcp-Method"),
            ),
            (headers("tools/call", None), Mismatch::Missing("Mcp-Name")),
            (headers("tools/list", Some("add")), Mismatch::Different("Mcp-Method")),
            (headers("Tools/Call", Some("add")), Mismatch::Different("Mcp-Method")),
            (headers("tools/call", Some("Add")), Mismatch::Different("Mcp-Name")),
            (headers("tools/call", Some("=?base64?YWR?=")), Mismatch::Different("Mcp-Name")),
        ];
        for (headers, expected) in cases {
            assert_eq!(headers.check(VERSION, &call), Err(expected), "{headers:?}");
        }
        let other = headers("tools/call", Some("add")).check("2027-01-01", &call);
        assert_eq!(other, Err(Mismatch::Different("MCP-Protocol-Version")));
    }

    #[test]
    fn only_what_is_called_read_or_got_needs_a_name() {
        let list = Operation::List { kind: ListKind::Tools, cursor: None };
        assert_eq!(headers("tools/list", None).check(VERSION, &list), Ok(()));
        let read = Operation::ReadResource { uri: "file:///a".into() };
        assert_eq!(headers("resources/read", Some("file:///a")).check(VERSION, &read), Ok(()));
        assert_eq!(headers("resources/read", None).check(VERSION, &read), Err(Mismatch::Missing("Mcp-Name")));
        let complete = Operation::Complete {
            reference: Reference::prompt("review"),
            argument: PartialArgument::new("language", "py"),
            chosen: Json::EMPTY,
        };
        assert_eq!(headers("completion/complete", None).check(VERSION, &complete), Ok(()));
    }

    #[test]
    fn a_header_that_was_sent_twice_or_is_not_ascii_matches_nothing() {
        let mut map = HeaderMap::new();
        map.insert("mcp-protocol-version", HeaderValue::from_static(VERSION));
        map.insert("mcp-method", HeaderValue::from_static("tools/call"));
        map.insert("mcp-name", HeaderValue::from_static("add"));
        assert_eq!(StandardHeaders::of(&map).check(VERSION, &call("add")), Ok(()));
        map.append("mcp-name", HeaderValue::from_static("add"));
        let twice = StandardHeaders::of(&map).check(VERSION, &call("add"));
        assert_eq!(twice, Err(Mismatch::Different("Mcp-Name")));
        map.insert("mcp-name", HeaderValue::from_bytes("naïve".as_bytes()).unwrap());
        let foreign = StandardHeaders::of(&map).check(VERSION, &call("naïve"));
        assert_eq!(foreign, Err(Mismatch::Different("Mcp-Name")));
    }
}
