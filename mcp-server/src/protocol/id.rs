//! The ids that a client chose, kept as it wrote them.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use super::Json;

/// A JSON string or integer of at most 256 bytes, echoed as it came, equal by type and value.
#[derive(Clone)]
struct Scalar(Bytes);

/// Why a JSON value is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidId {
    /// Neither a string nor an integer: null, a fraction, a container.
    Kind,
    /// Over 256 bytes.
    Length,
    /// A string that is no Unicode text: it escapes half a surrogate pair, which no answer can carry back.
    Text,
}

impl Scalar {
    const MAX_BYTES: usize = 256;

    fn new(json: &Json) -> Result<Self, InvalidId> {
        let text = json.as_str().trim();
        let integer = text.strip_prefix('-').unwrap_or(text);
        let is_integer = !integer.is_empty() && integer.bytes().all(|byte| byte.is_ascii_digit());
        if !is_integer && !text.starts_with('"') {
            return Err(InvalidId::Kind);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidId::Length);
        }
        if text.contains('\\') && serde_json::from_str::<String>(text).is_err() {
            return Err(InvalidId::Text);
        }
        Ok(Self(json.as_bytes().slice_ref(text.as_bytes())))
    }

    fn is_string(&self) -> bool {
        self.0.first() == Some(&b'"')
    }

    /// The value without its spelling: escapes resolved, `-0` as `0`.
    fn value(&self) -> std::borrow::Cow<'_, [u8]> {
        if self.is_string() && self.0.contains(&b'\\') {
            let text: Result<String, _> = serde_json::from_slice(&self.0);
            return text.map_or_else(|_| (&*self.0).into(), |text| format!("\"{text}\"").into_bytes().into());
        }
        if &*self.0 == b"-0" { b"0".into() } else { (&*self.0).into() }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.is_string() == other.is_string() && (self.0 == other.0 || self.value() == other.value())
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value().hash(state);
    }
}

macro_rules! scalar {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Scalar);

        impl $name {
            /// The id that this JSON value is.
            ///
            /// # Errors
            /// It is neither a string nor an integer, is over 256 bytes, or escapes half a surrogate pair.
            pub fn new(json: &Json) -> Result<Self, InvalidId> {
                Scalar::new(json).map(Self)
            }

            /// The same in bytes of its own: a slice keeps all of what it was cut from.
            pub(crate) fn detached(&self) -> Self {
                Self(Scalar(Bytes::copy_from_slice(&self.0.0)))
            }

            /// The id as JSON, byte for byte as the client wrote it.
            pub fn as_json(&self) -> Json {
                Json::trusted(self.0.0.clone())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_json().as_str())
            }
        }
    };
}

scalar! {
    /// The id of a request: what its answer carries.
    RequestId
}
scalar! {
    /// What progress notifications of a request carry.
    ProgressToken
}

impl RequestId {
    /// The id of a request of ours: `text` as a JSON string.
    pub(crate) fn of(text: &str) -> Self {
        Self(Scalar(Json::from(serde_json::Value::from(text)).as_bytes().clone()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{InvalidId, RequestId};
    use crate::protocol::Json;

    fn id(text: &'static str) -> Result<RequestId, InvalidId> {
        RequestId::new(&Json::parse(text.into()).unwrap())
    }

    #[test]
    fn ids_are_equal_by_type_and_value_and_echoed_as_they_came() {
        assert_eq!(id(r#""a""#), id(r#""\u0061""#));
        assert_ne!(id("1"), id(r#""1""#));
        assert_eq!(id(r#""\u0061""#).unwrap().as_json().as_str(), r#""\u0061""#);
    }

    #[test]
    fn half_a_surrogate_pair_is_refused_and_a_whole_one_is_not() {
        for text in [r#""\ud800""#, r#""\udc00""#, r#""a\ud83d b""#, r#""\ude00\ud83d""#] {
            assert_eq!(id(text), Err(InvalidId::Text), "{text}");
        }
        assert_eq!(id(r#""\ud83d\ude00""#), id(r#""😀""#));
        assert!(id(r#""\\ud800""#).is_ok());
    }

    #[test]
    fn null_fractions_containers_and_long_ids_are_refused() {
        for text in ["null", "1.5", "1e3", "true", "[]", "{}"] {
            assert_eq!(id(text), Err(InvalidId::Kind), "{text}");
        }
        let long = Json::from(json!("x".repeat(300)));
        assert_eq!(RequestId::new(&long), Err(InvalidId::Length));
    }
}
