//! The headers that repeat a tool's arguments, so that proxies can read them (2026-07-28,
//! basic/transports/streamable-http, "Custom Headers from Tool Parameters").

mod number;
mod values;

use http::header::InvalidHeaderName;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use self::number::Number;
use self::values::{Property, Value, values};
use super::headers::{decoded, trimmed};
use super::{Failure, Json, code};

/// The headers that a tool declares, each with the path of the argument that it repeats.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParamHeaders {
    headers: Vec<Header>,
    /// The arguments on the way to those that are repeated.
    properties: Vec<Property>,
}

#[derive(Clone, Debug)]
struct Header {
    field: HeaderName,
    /// As its author wrote it.
    name: String,
    /// The path of the argument, as people write it.
    argument: String,
}

/// How a header and its argument disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mismatch {
    /// There is a value and no header.
    Missing,
    /// There is a header and no value.
    Unexpected,
    /// The header stands there twice.
    Repeated,
    /// The argument stands there twice, and readers differ in which one counts.
    Ambiguous,
    /// The header has characters that no header has, or a sentinel around what is no base64 of UTF-8.
    Malformed,
    /// The argument is an object or an array.
    Unsayable,
    Different,
}

impl ParamHeaders {
    /// Declares `Mcp-Param-{header}` for the argument at `path`, the names from the outermost object inwards.
    ///
    /// # Errors
    /// The name is no token (RFC 9110 §5.6.2).
    pub(crate) fn declare(&mut self, header: &str, path: &[String]) -> Result<(), InvalidHeaderName> {
        let name = format!("Mcp-Param-{header}");
        let field = HeaderName::from_bytes(name.as_bytes())?;
        Property::put(&mut self.properties, path, self.headers.len());
        self.headers.push(Header { field, name, argument: path.join(".") });
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// Compares each declared header with the argument that it repeats. Other headers mean nothing here.
    ///
    /// # Errors
    /// Names the first one that differs, never a value: it may be long, or a secret.
    pub(crate) fn check(&self, headers: &HeaderMap, arguments: &Json) -> Result<(), Failure> {
        let Ok(values) = values(&self.properties, self.headers.len(), arguments) else {
            return Err(refusal("the arguments cannot be read, and headers repeat some of them"));
        };
        self.headers.iter().zip(values).try_for_each(|(header, value)| {
            header.check(headers, value).map_err(|mismatch| refusal(&header.told(mismatch)))
        })
    }
}

impl Header {
    fn check(&self, headers: &HeaderMap, value: Value<'_>) -> Result<(), Mismatch> {
        let mut sent = headers.get_all(&self.field).iter();
        let (said, again) = (sent.next(), sent.next());
        match (said, value) {
            _ if again.is_some() => Err(Mismatch::Repeated),
            (_, Value::Twice) => Err(Mismatch::Ambiguous),
            (None, Value::None) => Ok(()),
            (Some(_), Value::None) => Err(Mismatch::Unexpected),
            (None, Value::Given(_)) => Err(Mismatch::Missing),
            (Some(said), Value::Given(value)) => compare(said, value),
        }
    }

    fn told(&self, mismatch: Mismatch) -> String {
        let Self { name, argument, .. } = self;
        match mismatch {
            Mismatch::Missing => format!("{name} is missing, and the argument `{argument}` has a value"),
            Mismatch::Unexpected => format!("{name} is there, and the argument `{argument}` has no value"),
            Mismatch::Repeated => format!("{name} is there twice"),
            Mismatch::Ambiguous => format!("the argument `{argument}`, which {name} repeats, is given twice"),
            Mismatch::Malformed => {
                format!("{name} is neither visible ASCII nor =?base64?..?= around canonical base64 of UTF-8")
            }
            Mismatch::Unsayable => {
                format!(
                    "{name} repeats a string, an integer or a boolean, and the argument `{argument}` is none"
                )
            }
            Mismatch::Different => format!("{name} is not what the argument `{argument}` says"),
        }
    }
}

fn refusal(told: &str) -> Failure {
    Failure::new(code::HEADER_MISMATCH, format!("header mismatch: {told}"))
}

/// Text is compared as it is, numbers by their value ("Server Validation"), `true` and `false` as these words.
fn compare(said: &HeaderValue, value: &RawValue) -> Result<(), Mismatch> {
    let said = said.to_str().map_err(|_| Mismatch::Malformed)?;
    let said = decoded(trimmed(said)).ok_or(Mismatch::Malformed)?;
    let value = value.get();
    let same = match value.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(value).is_ok_and(|value| value == said),
        Some(b't' | b'f') => value == said,
        Some(b'-' | b'0'..=b'9') => Number::of(&said).is_some_and(|said| Number::of(value) == Some(said)),
        _ => return Err(Mismatch::Unsayable),
    };
    if same { Ok(()) } else { Err(Mismatch::Different) }
}

#[cfg(test)]
mod tests;
