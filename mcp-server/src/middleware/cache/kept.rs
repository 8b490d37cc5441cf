//! An answer as it stands in the store.

use bytes::{BufMut as _, Bytes, BytesMut};
use kv_cache::Encoding;
use kv_core::{Error, ErrorKind, Result};

use crate::protocol::Json;

/// A whole result object of one wire form, but for its hints.
#[derive(Clone, Debug)]
pub(super) struct Kept(pub(super) Bytes);

/// One byte that says how the rest is to be read, then the object. What does not read so is a miss.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptEncoding;

const FORMAT: u8 = 1;

impl Encoding<Kept> for KeptEncoding {
    fn number(&self) -> u16 {
        0
    }

    fn encode(&self, value: &Kept) -> Result<Bytes> {
        let mut bytes = BytesMut::with_capacity(value.0.len() + 1);
        bytes.put_u8(FORMAT);
        bytes.extend_from_slice(&value.0);
        Ok(bytes.freeze())
    }

    fn decode(&self, number: u16, bytes: Bytes) -> Result<Kept> {
        let object = (number == 0 && bytes.first() == Some(&FORMAT)).then(|| bytes.slice(1..));
        let object = object.and_then(|object| Json::parse(object).ok()).filter(Json::is_object);
        object
            .map(|object| Kept(object.as_bytes().clone()))
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, "the cached answer cannot be read"))
    }
}
