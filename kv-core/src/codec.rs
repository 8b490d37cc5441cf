//! How typed values become bytes.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorKind, Result};

/// How a collection writes its values. The number stands in each entry's [`Meta`](crate::Meta), and reading goes by
/// it, so that a collection may change its codec while old entries stay readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// JSON, number 1: the default.
    #[default]
    Json,
    /// CBOR (RFC 8949), number 2: smaller for binary data. Needs the feature `cbor`.
    Cbor,
}

impl Codec {
    /// The number that stands in `Meta::codec`.
    pub const fn number(self) -> u16 {
        match self {
            Self::Json => 1,
            Self::Cbor => 2,
        }
    }

    /// The codec with this number; `None` for 0 (plain bytes) and for numbers of later versions.
    pub const fn of(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Json),
            2 => Some(Self::Cbor),
            _ => None,
        }
    }

    /// The bytes of `value`.
    ///
    /// # Errors
    /// `Invalid` when the type cannot be written so (a map with keys that are no strings, for JSON);
    /// `Unsupported` for CBOR in a build without it.
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Bytes> {
        match self {
            Self::Json => serde_json::to_vec(value).map(exact).map_err(|_| unwritable("JSON")),
            Self::Cbor => cbor_bytes(value),
        }
    }

    /// The value that these bytes are.
    ///
    /// # Errors
    /// `Corrupt` when they are not such a value, and for CBOR in a build without it.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|e| {
                unreadable(format!(
                    "the stored JSON is not of this type (line {}, column {})",
                    e.line(),
                    e.column()
                ))
            }),
            Self::Cbor => cbor_value(bytes),
        }
    }
}

/// Without the room that was left to grow: a store in memory keeps what it is given.
fn exact(bytes: Vec<u8>) -> Bytes {
    bytes.into_boxed_slice().into()
}

#[cfg(feature = "cbor")]
fn cbor_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|_| unwritable("CBOR"))?;
    Ok(exact(bytes))
}

#[cfg(feature = "cbor")]
fn cbor_value<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T> {
    let value = ciborium::from_reader(&mut bytes)
        .map_err(|_| unreadable("the stored CBOR is not of this type".to_owned()))?;
    if bytes.is_empty() { Ok(value) } else { Err(unreadable("bytes follow the stored CBOR".to_owned())) }
}

#[cfg(not(feature = "cbor"))]
fn cbor_bytes<T: Serialize + ?Sized>(_: &T) -> Result<Bytes> {
    Err(Error::new(
        ErrorKind::Unsupported,
        "this build writes no CBOR: turn on the feature `cbor` of kv-core",
    ))
}

#[cfg(not(feature = "cbor"))]
fn cbor_value<T: DeserializeOwned>(_: &[u8]) -> Result<T> {
    Err(unreadable("this build reads no CBOR: turn on the feature `cbor` of kv-core".to_owned()))
}

// The codecs' own errors quote the value, so they never become a source.
fn unwritable(format: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the value cannot be written as {format}"))
}

fn unreadable(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::error::Error as _;

    use super::Codec;
    use crate::ErrorKind;

    #[test]
    fn numbers_and_codecs_match() {
        assert_eq!([0, 1, 2, 3].map(Codec::of), [None, Some(Codec::Json), Some(Codec::Cbor), None]);
        for codec in [Codec::Json, Codec::Cbor] {
            assert_eq!(Codec::of(codec.number()), Some(codec));
        }
    }

    #[test]
    fn an_unreadable_value_is_not_quoted() {
        let error = Codec::Json.decode::<u64>(br#""s3cret""#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(!format!("{error:?}").contains("s3cret") && error.source().is_none());
        let keys = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(Codec::Json.encode(&keys).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[cfg(feature = "cbor")]
    #[test]
    fn cbor_comes_back_and_trailing_bytes_do_not() {
        let mut bytes = Codec::Cbor.encode(&vec![1_u8, 2, 3]).unwrap().to_vec();
        assert_eq!(Codec::Cbor.decode::<Vec<u8>>(&bytes).unwrap(), [1, 2, 3]);
        bytes.push(0);
        assert_eq!(Codec::Cbor.decode::<Vec<u8>>(&bytes).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[cfg(not(feature = "cbor"))]
    #[test]
    fn without_the_feature_cbor_says_what_to_turn_on() {
        let error = Codec::Cbor.encode(&1).unwrap_err();
        assert!(error.message().contains("feature `cbor`"));
        let error = Codec::Cbor.decode::<u8>(&[1]).unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && error.message().contains("feature `cbor`"));
    }
}
