//! Fernet tokens whose plaintext is the SHA-256 of the binding (32 bytes), then the value.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::fernet::Fernet;
use bytes::Bytes;
use kv_core::{Error, ErrorKind, Result};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::KeyRing;
use crate::binding::Binding;

const HASH: usize = 32;

/// Some readers (this crate's own engine among them) refuse tokens from the future: clocks may be this far apart.
const BACKDATED: Duration = Duration::from_secs(300);

/// A token as it was opened.
pub(crate) struct Token {
    /// The value alone.
    pub(crate) value: Bytes,
    /// The index of the key that opened it.
    pub(crate) key: usize,
    /// Whether it was bound to this place; if not, the whole plaintext is the value.
    pub(crate) bound: bool,
}

pub(crate) fn seal(ring: &KeyRing, binding: &Binding<'_>, plain: &[u8]) -> Bytes {
    let mut message = Zeroizing::new(Vec::with_capacity(HASH + plain.len()));
    message.extend_from_slice(&binding.sha256());
    message.extend_from_slice(plain);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = now.saturating_sub(BACKDATED).as_secs();
    ring.sealing().fernet.encrypt_at_time(&message, stamp).into()
}

pub(crate) fn open(ring: &KeyRing, binding: &Binding<'_>, stored: &[u8]) -> Result<Token> {
    let (key, plain) = open_unbound(ring, stored)?;
    let bound = plain.get(..HASH).is_some_and(|hash| hash.ct_eq(&binding.sha256()).into());
    let value = if bound { plain.slice(HASH..) } else { plain };
    Ok(Token { value, key, bound })
}

/// All that a token holds, and the index of the key that opened it.
pub(crate) fn open_unbound(ring: &KeyRing, stored: &[u8]) -> Result<(usize, Bytes)> {
    let token = std::str::from_utf8(stored).ok().filter(|token| is_padded_once(token));
    let found = token.and_then(|token| {
        ring.keys().iter().enumerate().find_map(|(index, key)| Some((index, decrypt(&key.fernet, token)?)))
    });
    let (key, plain) = found.ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "no key of the ring fits the Fernet token, or it was changed")
    })?;
    Ok((key, plain.into()))
}

/// Whether `stored` begins as every token does until the year 2106: version 0x80, then the zeros of the time stamp.
pub(crate) fn is_token(stored: &[u8]) -> bool {
    stored.starts_with(b"gAAAAA")
}

/// Whether it is padded as base64 writes it. The crate takes any number of `=`, and nothing that was changed may open.
fn is_padded_once(token: &str) -> bool {
    token.len().is_multiple_of(4) && !token.ends_with("===")
}

/// The longest value whose token has at most `stored` bytes; 0 where none has.
pub(crate) fn capacity(stored: usize) -> usize {
    // Base64 with padding; version, stamp, IV and HMAC are 57 bytes; the padding takes 1 to 16.
    let blocks = (stored / 4 * 3).saturating_sub(57) / 16;
    (blocks * 16).saturating_sub(1 + HASH)
}

fn decrypt(key: &Fernet, token: &str) -> Option<Vec<u8>> {
    // The lifetime is the store's business: read as if long after the stamp, so that no clock matters.
    key.decrypt_at_time(token, None, u64::MAX / 2).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE;
    use kv_core::{Key, Meta};

    use super::{capacity, is_token, open_unbound, seal};
    use crate::binding::Binding;
    use crate::{KeyRing, SecretKey};

    #[test]
    fn a_token_is_stamped_so_long_ago_that_a_clock_behind_takes_it() {
        let ring = KeyRing::new([SecretKey::from_bytes([3; 32])]).unwrap();
        let binding = Binding { context: "", key: Key::new("c", "i"), meta: &Meta::default() };
        let token = URL_SAFE.decode(seal(&ring, &binding, b"value")).unwrap();
        let stamp = u64::from_be_bytes(token[1..9].try_into().unwrap());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!((300..310).contains(&(now - stamp)), "{stamp} at {now}");
    }

    #[test]
    fn the_capacity_is_the_longest_value_that_still_fits() {
        let ring = KeyRing::new([SecretKey::from_bytes([3; 32])]).unwrap();
        let meta = Meta::default();
        let binding = Binding { context: "", key: Key::new("c", "i"), meta: &meta };
        let length = |value: usize| seal(&ring, &binding, &vec![0; value]).len();
        for stored in 160..420 {
            let fits = capacity(stored);
            assert!(length(fits) <= stored && length(fits + 1) > stored, "{stored} holds {fits}");
        }
        assert_eq!(capacity(10), 0);
        assert!(is_token(&seal(&ring, &binding, b"x")));
    }

    #[test]
    fn a_token_with_other_padding_does_not_open() {
        let ring = KeyRing::new([SecretKey::from_bytes([1; 32])]).unwrap();
        let meta = Meta::default();
        let binding = Binding { context: "", key: Key::new("c", "i"), meta: &meta };
        for length in [15, 31, 47] {
            let token = seal(&ring, &binding, &vec![b'x'; length]).to_vec();
            assert!(open_unbound(&ring, &token).is_ok());
            for more in ["=", "==", "===", "===="] {
                let longer = [&token, more.as_bytes()].concat();
                assert!(open_unbound(&ring, &longer).is_err(), "{length} and {more}");
            }
            let cut: Vec<u8> = token.iter().copied().filter(|byte| *byte != b'=').collect();
            assert_eq!(open_unbound(&ring, &cut).is_ok(), cut == token, "{length}");
        }
    }
}
