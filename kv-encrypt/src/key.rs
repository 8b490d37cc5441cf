//! One key: 32 secret bytes, and what each format derives from them.

use std::fmt;

use ::fernet::Fernet;
use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use kv_core::{Error, ErrorKind, Result};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// 32 secret bytes. They are wiped when it is dropped and never printed.
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// `Unexpected` when the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(no_random)?;
        Ok(Self(bytes))
    }

    /// The key that these bytes are; they must be random, not a passphrase. The caller wipes its own copy.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads a key from url-safe base64, with or without padding, as Python's `Fernet.generate_key()` writes it.
    ///
    /// # Errors
    /// `Invalid` for anything else; the message does not repeat the text.
    pub fn parse(text: &str) -> Result<Self> {
        let mut buffer = Zeroizing::new([0; 64]);
        let decoded = TOLERANT.decode_slice(text.trim(), buffer.as_mut_slice());
        let bytes = decoded.ok().and_then(|length| buffer.get(..length));
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self::from_bytes).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "a key must be 32 bytes in url-safe base64 (44 characters)")
        })
    }

    /// The key as [`SecretKey::parse`] and Python's `Fernet(..)` read it: url-safe base64 with padding.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE.encode(self.0.as_slice()))
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }

    pub(crate) fn derive(&self) -> Result<RingKey> {
        // Both formats start from the same 32 bytes: Fernet splits them in two, all else goes through HKDF, so no
        // key is ever used by two algorithms.
        let root = Salt::new(HKDF_SHA256, b"larder").extract(self.0.as_slice());
        let okm = root.expand(&[b"larder aead aes-256-gcm-siv"], &AES_256_GCM_SIV).map_err(no_key)?;
        let aead = LessSafeKey::new(UnboundKey::from(okm));
        let fernet = Fernet::new(&self.to_text()).ok_or_else(|| no_key(aws_lc_rs::error::Unspecified))?;
        Ok(RingKey { id: KeyId::of(&root)?, aead, fernet })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The public name of a key: 4 bytes derived from it one way, printed as 8 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Its bytes, as they stand in sealed values.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    fn of(root: &Prk) -> Result<Self> {
        let mut bytes = [0; 4];
        let okm = root.expand(&[b"larder key id"], Length(bytes.len())).map_err(no_key)?;
        okm.fill(&mut bytes).map_err(no_key)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key in the shapes in which it works. Both wipe themselves when dropped.
pub(crate) struct RingKey {
    pub(crate) id: KeyId,
    pub(crate) aead: LessSafeKey,
    pub(crate) fernet: Fernet,
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, aead: _, fernet: _ } = self;
        fmt::Debug::fmt(id, f)
    }
}

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Clone, Copy)]
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn no_key(cause: aws_lc_rs::error::Unspecified) -> Error {
    Error::new(ErrorKind::Unexpected, "the key could not be derived").because(cause)
}

fn no_random(cause: aws_lc_rs::error::Unspecified) -> Error {
    Error::new(ErrorKind::Unexpected, "the system gives no random bytes").because(cause)
}

#[cfg(test)]
mod tests {
    use super::SecretKey;

    #[test]
    fn a_key_survives_its_text_with_and_without_padding() {
        let key = SecretKey::from_bytes([0xfb; 32]);
        let text = key.to_text();
        assert_eq!(text.len(), 44);
        assert!(text.starts_with("-_v7"), "url-safe alphabet");
        for text in [text.as_str(), text.trim_end_matches('='), &format!(" {}\n", text.as_str())] {
            assert_eq!(*SecretKey::parse(text).unwrap().0, *key.0);
        }
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_and_not_repeated() {
        for text in [
            "",
            "hunter2",
            "AAAA",
            &"A".repeat(42),
            &"A".repeat(200),
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
        ] {
            let error = SecretKey::parse(text).unwrap_err();
            assert_eq!(error.kind(), kv_core::ErrorKind::Invalid);
            assert!(text.is_empty() || !format!("{error} {error:?}").contains(text));
        }
    }

    #[test]
    fn the_id_tells_keys_apart_and_is_not_part_of_them() {
        let (one, two) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
        let (a, b) = (one.derive().unwrap().id, two.derive().unwrap().id);
        assert_ne!(a, b);
        assert_ne!(a.as_bytes(), &[1; 4]);
        assert_eq!(a, SecretKey::from_bytes([1; 32]).derive().unwrap().id);
        assert_eq!(a.to_string().len(), 8);
    }
}
