//! The JSON document that the library writes around each value.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use kv_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An envelope, its value still as text.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// The JSON text of the value, an object.
    pub(crate) value: Bytes,
    /// When it ends, since the Unix epoch; `None` is never.
    pub(crate) expires: Option<Duration>,
}

/// What the document says of its own name; the file tree leaves it out.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Names {
    pub(crate) collection: Option<String>,
    pub(crate) key: Option<String>,
}

/// Other members, such as `created_at`, say nothing that Larder keeps.
#[derive(Deserialize)]
struct Document<'a> {
    version: Option<u32>,
    #[serde(borrow)]
    value: &'a RawValue,
    expires_at: Option<String>,
}

const VERSION: u32 = 1;

impl Envelope {
    /// # Errors
    /// `Corrupt` for what the library does not write, such as NaN in a value: that is no JSON.
    pub(crate) fn parse(stored: &[u8]) -> Result<Self> {
        let document: Document<'_> =
            serde_json::from_slice(stored).map_err(|_| corrupt("it is no envelope of py-key-value"))?;
        if document.version.is_some_and(|version| version > VERSION) {
            return Err(corrupt("the envelope is of a later version"));
        }
        let expires = document.expires_at.as_deref().map(moment).transpose()?;
        let value = match document.value.get() {
            text if text.starts_with('{') => text.to_owned(),
            // Some stores of the library write the object as a string that holds its JSON.
            text => serde_json::from_str(text).map_err(|_| no_object())?,
        };
        let is_object =
            value.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&value).is_ok();
        if is_object { Ok(Self { value: value.into(), expires }) } else { Err(no_object()) }
    }
}

/// The names in an envelope; none in what is no envelope.
pub(crate) fn names(stored: &[u8]) -> Names {
    serde_json::from_slice(stored).unwrap_or_default()
}

/// Python's `isoformat` of a time in UTC, which is all that the library writes.
fn moment(text: &str) -> Result<Duration> {
    let wrong = || corrupt("`expires_at` is no time in UTC");
    let local = text.strip_suffix("+00:00").or_else(|| text.strip_suffix('Z')).ok_or_else(wrong)?;
    let moment = humantime::parse_rfc3339(&format!("{local}Z")).map_err(|_| wrong())?;
    Ok(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn no_object() -> Error {
    corrupt("the value is no JSON object")
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::ErrorKind;

    use super::Envelope;

    #[test]
    fn the_value_is_its_own_text_whatever_its_numbers() {
        let text = r#"{"b": 123456789012345678901234567890, "a": 1.50, "u": "\u00e4\ud83d"}"#;
        let stored = format!(r#"{{"created_at": "x", "value": {text}, "version": 1}}"#);
        let envelope = Envelope::parse(stored.as_bytes()).unwrap();
        assert_eq!((envelope.value.as_ref(), envelope.expires), (text.as_bytes(), None));
        let inside = Envelope::parse(br#"{"value": "{\"a\": 1}"}"#).unwrap();
        assert_eq!(inside.value, r#"{"a": 1}"#);
    }

    #[test]
    fn a_time_is_read_with_and_without_a_fraction() {
        for (text, millis) in [
            ("2026-01-02T03:04:05+00:00", 1_767_323_045_000),
            ("2026-01-02T03:04:05.250000+00:00", 1_767_323_045_250),
            ("1970-01-01T00:00:00+00:00", 0),
        ] {
            let stored = format!(r#"{{"value": {{}}, "expires_at": "{text}"}}"#);
            let expires = Envelope::parse(stored.as_bytes()).unwrap().expires;
            assert_eq!(expires, Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_the_library_does_not_write_is_corrupt() {
        for stored in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"value": 7}"#,
            r#"{"value": "text"}"#,
            r#"{"value": "{"}"#,
            r#"{"value": {"a": NaN}}"#,
            r#"{"value": {}, "version": 2}"#,
            r#"{"value": {}, "expires_at": "soon"}"#,
            r#"{"value": {}, "expires_at": "2026-01-02T03:04:05+02:00"}"#,
            r#"{"value": {}} more"#,
        ] {
            assert_eq!(
                Envelope::parse(stored.as_bytes()).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{stored}"
            );
        }
    }
}
