//! The keys of a store: the first one seals, all of them open.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kv_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::key::RingKey;
use crate::{KeyId, SecretKey, fernet, key_file};

/// One active key, which seals, and any older ones, which only open. Cheap to clone; prints ids alone.
#[derive(Clone)]
pub struct KeyRing(Arc<[RingKey]>);

impl KeyRing {
    /// The environment variable that [`KeyRing::from_env`] reads.
    pub const ENV: &'static str = "LARDER_KEY";

    /// A ring of `keys`, the first one active. A key that comes twice counts once.
    ///
    /// # Errors
    /// `Invalid` without any key.
    pub fn new(keys: impl IntoIterator<Item = SecretKey>) -> Result<Self> {
        let mut ring: Vec<RingKey> = Vec::new();
        let mut seen: Vec<SecretKey> = Vec::new();
        for key in keys {
            if seen.iter().all(|other| !other.same(&key)) {
                ring.push(key.derive()?);
                seen.push(key);
            }
        }
        if ring.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "a key ring needs at least one key"));
        }
        Ok(Self(ring.into()))
    }

    /// Reads a ring from text: url-safe base64 keys of 32 bytes each, separated by commas or blanks, the first one
    /// active. What Python's `Fernet.generate_key()` gives is such a key.
    ///
    /// # Errors
    /// `Invalid` for a text without keys, or with one that is malformed; the message says which, never its text.
    pub fn from_text(text: &str) -> Result<Self> {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
        let keys = parts.enumerate().map(|(index, part)| {
            SecretKey::parse(part).map_err(|error| {
                Error::new(ErrorKind::Invalid, format!("key number {} is malformed", index + 1))
                    .because(error)
            })
        });
        Self::new(keys.collect::<Result<Vec<_>>>()?)
    }

    /// The ring in the environment variable `LARDER_KEY`; `None` when it is absent or blank.
    ///
    /// # Errors
    /// As [`KeyRing::from_text`].
    pub fn from_env() -> Result<Option<Self>> {
        let Some(text) = std::env::var_os(Self::ENV) else { return Ok(None) };
        let text = Zeroizing::new(text.to_string_lossy().into_owned());
        if text.trim().is_empty() {
            return Ok(None);
        }
        let named = |error| Error::new(ErrorKind::Invalid, "LARDER_KEY holds no usable keys").because(error);
        Self::from_text(&text).map(Some).map_err(named)
    }

    /// Reads a key file: text as [`KeyRing::from_text`] reads it, at most 64 KiB. One that is only begun is waited for, up to
    /// 2 s.
    ///
    /// # Errors
    /// `Denied` where others than the owner may read or write the file (Unix); `Invalid` where it does not exist,
    /// cannot be read or holds no usable keys.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let unusable = |error| {
            let message = format!("the key file {} holds no usable keys", path.display());
            Error::new(ErrorKind::Invalid, message).because(error)
        };
        Self::from_text(&key_file::read(path)?).map_err(unusable)
    }

    /// Makes a key file with one fresh key, for its owner alone (0600; missing directories 0700), and reads it.
    ///
    /// The file appears whole or not at all, under its name and on disk, and never replaces another one. On a file system
    /// without hard links it is there for a moment before its key is, and who reads it then waits for that.
    ///
    /// # Errors
    /// `AlreadyExists` where there is a file; `Denied` where nothing may be written, `Full` where there is no room,
    /// `Invalid` where the path leads nowhere, `Unavailable` for everything else that the system refuses.
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self> {
        let key = SecretKey::generate()?;
        key_file::create(path.as_ref(), &key)?;
        Self::new([key])
    }

    /// What a Fernet token holds that other programs made. It is bound to no name: moved to another one it opens there.
    ///
    /// # Errors
    /// `Corrupt` when no key of the ring fits, or the token was changed.
    pub fn open_token(&self, token: &[u8]) -> Result<Bytes> {
        fernet::open_unbound(self, token).map(|(_, content)| content)
    }

    /// The id of the key that seals.
    pub fn active(&self) -> KeyId {
        self.sealing().id
    }

    /// The ids of all keys, the active one first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.0.iter().map(|key| key.id)
    }

    pub(crate) fn keys(&self) -> &[RingKey] {
        &self.0
    }

    pub(crate) fn sealing(&self) -> &RingKey {
        match self.0.first() {
            Some(key) => key,
            None => unreachable!("a ring is never empty"),
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::KeyRing;
    use crate::SecretKey;

    fn text(byte: u8) -> String {
        SecretKey::from_bytes([byte; 32]).to_text().to_string()
    }

    #[test]
    fn the_first_key_of_a_text_is_active_and_doubles_count_once() {
        let ring = KeyRing::from_text(&format!("{}, {},\n{}", text(1), text(2), text(1))).unwrap();
        assert_eq!(ring.ids().count(), 2);
        assert_eq!(ring.active(), KeyRing::from_text(&text(1)).unwrap().active());
    }

    #[test]
    fn a_text_without_a_usable_key_is_refused() {
        for bad in ["", " , ", "passphrase", &format!("{},oops", text(1))] {
            assert_eq!(KeyRing::from_text(bad).unwrap_err().kind(), ErrorKind::Invalid);
        }
        let error = KeyRing::from_text(&format!("{},oops", text(1))).unwrap_err();
        assert!(error.message().contains("number 2"));
        assert!(!format!("{error:?}").contains("oops"));
    }

    #[test]
    fn a_ring_prints_ids_and_nothing_else() {
        let key = SecretKey::from_bytes(*b"0123456789abcdef0123456789abcdef");
        let secret = key.to_text();
        let ring = KeyRing::new([key]).unwrap();
        let printed = format!("{ring:?} {ring:#?}");
        assert!(printed.contains(&ring.active().to_string()));
        assert!(!printed.contains(secret.as_str()) && !printed.contains("0123456789abcdef"));
    }
}
