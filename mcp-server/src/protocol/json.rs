//! JSON that is looked at only when somebody asks.

use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One JSON value as bytes: a slice of the request's body, or serialized here. Cheap to clone, always valid JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Bytes);

impl Json {
    /// `null`.
    pub const NULL: Self = Self(Bytes::from_static(b"null"));
    /// `{}`.
    pub const EMPTY: Self = Self(Bytes::from_static(b"{}"));

    /// Serializes `value`.
    ///
    /// # Errors
    /// What `Serialize` answers, and maps with keys that are not strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        serde_json::to_vec(value).map(|bytes| Self(Bytes::from(bytes)))
    }

    /// Checks that `bytes` are one JSON value.
    ///
    /// # Errors
    /// The first syntax error.
    pub fn parse(bytes: Bytes) -> serde_json::Result<Self> {
        serde_json::from_slice::<&RawValue>(&bytes)?;
        Ok(Self(bytes))
    }

    /// Bytes that a JSON parser has walked over already.
    pub(crate) fn trusted(bytes: Bytes) -> Self {
        debug_assert!(serde_json::from_slice::<&RawValue>(&bytes).is_ok(), "not JSON");
        Self(bytes)
    }

    /// The same in bytes of its own: a slice keeps all of what it was cut from.
    pub(crate) fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The value as `T`.
    ///
    /// # Errors
    /// The value is of another shape.
    pub fn to<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.0)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("null")
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        self.0.trim_ascii() == b"null"
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.0.trim_ascii_start().starts_with(b"{")
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::NULL
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(Bytes::from(value.to_string()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_slice::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    /// From a JSON parser only, as whatever holds raw JSON.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(Bytes::from(String::from(Box::<str>::from(raw)))))
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.0.len()) // arguments may hold secrets
    }
}

/// A field's value where it is there, null included; serde alone takes null for absent.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
