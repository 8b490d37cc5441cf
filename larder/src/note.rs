//! The note that a sealed store holds about itself: which key seals its values. Who opens the store without that key, or
//! without any, is told so at once, before values are mixed that nobody could open together.
//!
//! It is an entry of its own, `seal` in the collection `.larder`, in the clear: `sealed by ` and the id of the key, which
//! stands in every sealed value anyway. It is written with the first sealed value, and no listing shows it.

#[cfg(feature = "encrypt")]
mod noted;

use std::time::Duration;

use kv_core::{Error, ErrorKind, Key, Result, Store};

use crate::keys::Seal;
use crate::platform::FINDING_THE_KEY;
use crate::scheme::Where;

#[cfg(feature = "encrypt")]
pub(crate) use noted::Noted;

const PLACE: Key<'static> = Key::new(".larder", "seal");
const START: &str = "sealed by ";
/// A server that takes longer is not asked at open; the first sealed write asks it again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The id of the key in the note of `store`; `None` where there is no note, or none that can be read now.
pub(crate) async fn look(store: &impl Store, place: Where) -> Result<Option<String>> {
    let looked = match place {
        Where::Process => return Ok(None), // it holds nothing yet
        Where::Directory => store.get(PLACE).await,
        Where::Network => match tokio::time::timeout(PATIENCE, store.get(PLACE)).await {
            Ok(looked) => looked,
            Err(_) => return Ok(None),
        },
    };
    match looked {
        Ok(entry) => Ok(entry.and_then(|entry| key_in(&entry.value).map(str::to_owned))),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) if error.is_retryable() && place == Where::Network => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a store with this note may be opened so.
///
/// # Errors
/// `Invalid` for a sealed one that is to be opened in the clear, or with other keys.
pub(crate) fn check(note: Option<&str>, seal: Option<&Seal>) -> Result<()> {
    match (note, seal) {
        (None, _) => Ok(()),
        (Some(key), Some(seal)) if seal.has(key) => Ok(()),
        (Some(key), Some(seal)) => Err(foreign(key, &seal.given())),
        (Some(key), None) => Err(finding(format!(
            "the values of the store are sealed, by the key {key}, and the URL asks for no encryption: add \
             `encrypt=aead`, or choose another store"
        ))),
    }
}

fn foreign(key: &str, given: &str) -> Error {
    finding(format!(
        "the values of the store are sealed by the key {key}, and what was given is {given}: bring that key back"
    ))
}

fn finding(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message).during(FINDING_THE_KEY)
}

fn key_in(note: &[u8]) -> Option<&str> {
    let key = std::str::from_utf8(note).ok()?.strip_prefix(START)?;
    let is_id = key.len() == 8 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::key_in;

    #[test]
    fn what_was_not_written_as_a_note_is_none() {
        assert_eq!(key_in(b"sealed by 01abcdef"), Some("01abcdef"));
        for other in ["", "sealed by ", "sealed by 01ABCDEF", "sealed by 01abcdef0", "sealed by 01abcde"] {
            assert_eq!(key_in(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(key_in(&[0xff]), None);
    }
}
