//! How the values of a cache become bytes.

use bytes::Bytes;
use kv_core::{Codec, Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How values of type `T` become bytes and are read again.
pub trait Encoding<T>: Clone + Send + Sync + 'static {
    /// The number that is stored beside the value; below [`ABSENT`](crate::ABSENT).
    fn number(&self) -> u16;

    /// The bytes of `value`.
    ///
    /// # Errors
    /// `Invalid` when it cannot be written so; it is then returned uncached.
    fn encode(&self, value: &T) -> Result<Bytes>;

    /// The value that was stored as `bytes` beside this `number`.
    ///
    /// # Errors
    /// `Corrupt` when it is not one of these; that is a miss.
    fn decode(&self, number: u16, bytes: Bytes) -> Result<T>;
}

/// Bytes as they are; number 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Encoding<Bytes> for Plain {
    fn number(&self) -> u16 {
        0
    }

    fn encode(&self, value: &Bytes) -> Result<Bytes> {
        Ok(value.clone())
    }

    fn decode(&self, number: u16, bytes: Bytes) -> Result<Bytes> {
        if number == 0 { Ok(bytes) } else { Err(foreign(number)) }
    }
}

/// Values that serde can write and read: JSON, or another codec. Entries of any known codec are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typed(pub Codec);

impl<T: Serialize + DeserializeOwned> Encoding<T> for Typed {
    fn number(&self) -> u16 {
        self.0.number()
    }

    fn encode(&self, value: &T) -> Result<Bytes> {
        self.0.encode(value)
    }

    fn decode(&self, number: u16, bytes: Bytes) -> Result<T> {
        Codec::of(number).ok_or_else(|| foreign(number))?.decode(&bytes)
    }
}

fn foreign(number: u16) -> Error {
    Error::new(ErrorKind::Corrupt, format!("codec number {number} is not one of this cache"))
}
