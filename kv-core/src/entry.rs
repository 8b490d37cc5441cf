//! What is stored under a key, on its way in and on its way out.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;

/// The identity of one write: 16 random bytes that the writer drew.
///
/// Never reused, so an old version can never match an entry that was deleted and made anew, and a writer can
/// recognise its own write. Comparable for equality only: versions have no order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; 16]);

impl Version {
    /// A fresh version from the thread's cryptographic generator.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The version that a store holds as these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes as a store holds them.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:032x})", u128::from_be_bytes(self.0))
    }
}

/// What is known about a value beside its bytes: how it is encoded, and the tags it was cached under.
///
/// Every backend keeps it; copying, exporting, re-encrypting and `update_with` carry it over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// The number of the codec that wrote the value; 0 is plain bytes, 1 JSON, 2 CBOR.
    pub codec: u16,
    /// Tags, each with the generation that was seen when the value was written.
    pub tags: Vec<(Box<str>, [u8; 16])>,
}

impl Meta {
    /// A value written by `codec`, without tags.
    pub const fn codec(codec: u16) -> Self {
        Self { codec, tags: Vec::new() }
    }

    /// Whether nothing is to be stored: plain bytes, no tags.
    pub fn is_plain(&self) -> bool {
        self.codec == 0 && self.tags.is_empty()
    }
}

/// An entry as it was read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The value, byte for byte as it was put.
    pub value: Bytes,
    /// The identity of the write that made it.
    pub version: Version,
    /// What is left to live, rounded up to a millisecond and never zero; `None` never expires.
    pub ttl: Option<Duration>,
    /// Codec and tags.
    pub meta: Meta,
}

impl Entry {
    /// An entry as a backend found it.
    pub const fn new(value: Bytes, version: Version, ttl: Option<Duration>, meta: Meta) -> Self {
        Self { value, version, ttl, meta }
    }

    /// The same entry with another value: what a wrapper that transforms values hands up.
    #[must_use]
    pub fn with_value(mut self, value: Bytes) -> Self {
        self.value = value;
        self
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, version, ttl, meta } = self;
        f.debug_struct("Entry")
            .field("bytes", &value.len()) // never the value: it may be a token
            .field("version", version)
            .field("ttl", ttl)
            .field("meta", meta)
            .finish()
    }
}

/// An entry to be written. It carries the version that it will have, drawn when it was built.
///
/// Not `Clone`: two writes with one version could not be told apart. Wrappers that must send it again use
/// [`NewEntry::resend`].
pub struct NewEntry {
    value: Bytes,
    version: Version,
    ttl: Option<Duration>,
    meta: Meta,
}

impl NewEntry {
    /// An entry that never expires, with a fresh version and plain meta.
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self { value: value.into(), version: Version::random(), ttl: None, meta: Meta::default() }
    }

    /// Sets how long it lives, from the moment the store takes it; `None` never expires.
    ///
    /// Stores round up to whole milliseconds and refuse zero and more than 100 years as `Invalid`.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// Sets codec and tags.
    #[must_use]
    pub fn meta(mut self, meta: Meta) -> Self {
        self.meta = meta;
        self
    }

    /// Replaces the value by what `change` makes of it; version, ttl and meta stay.
    #[must_use]
    pub fn map_value(mut self, change: impl FnOnce(Bytes) -> Bytes) -> Self {
        self.value = change(self.value);
        self
    }

    /// As [`NewEntry::map_value`], for changes that can fail.
    ///
    /// # Errors
    /// Whatever `change` answers; the entry is then gone.
    pub fn try_map_value<E>(mut self, change: impl FnOnce(Bytes) -> Result<Bytes, E>) -> Result<Self, E> {
        self.value = change(self.value)?;
        Ok(self)
    }

    /// A copy with the same version, so that a repeated write can be recognised. For wrappers only.
    #[must_use]
    pub fn resend(&self) -> Self {
        Self { value: self.value.clone(), version: self.version, ttl: self.ttl, meta: self.meta.clone() }
    }

    /// The value to be stored.
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// The version that the entry will have.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How long it will live; `None` never expires.
    pub fn lifetime(&self) -> Option<Duration> {
        self.ttl
    }

    /// Codec and tags.
    pub fn meta_ref(&self) -> &Meta {
        &self.meta
    }

    /// The four parts, for a backend: value, version, ttl, meta.
    pub fn into_parts(self) -> (Bytes, Version, Option<Duration>, Meta) {
        (self.value, self.version, self.ttl, self.meta)
    }
}

impl fmt::Debug for NewEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, version, ttl, meta } = self;
        f.debug_struct("NewEntry")
            .field("bytes", &value.len())
            .field("version", version)
            .field("ttl", ttl)
            .field("meta", meta)
            .finish()
    }
}
