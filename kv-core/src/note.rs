//! The note that a sealed store holds about itself, in the clear: which key seals its values. For those who seal and open
//! stores; callers never need it.
//!
//! It is the entry [`ID`] of the collection [`COLLECTION`], which has the names' prefix before it as every other collection
//! has: several users of one store have a note each.

use std::fmt::Display;

use crate::Key;

/// The collection of the note, as its own user names it.
pub const COLLECTION: &str = ".larder";
/// The id of the note.
pub const ID: &str = "seal";

const START: &str = "sealed by ";

/// Whether this is the name of a note, under any prefix: no value of a sealed store stands there.
pub fn is_at(key: Key<'_>) -> bool {
    let head = if key.id == ID { key.collection.strip_suffix(COLLECTION) } else { None };
    head.is_some_and(|head| head.is_empty() || head.ends_with('/'))
}

/// The value of a note that names the key of this id.
pub fn naming(key: impl Display) -> String {
    format!("{START}{key}")
}

/// The id of the key that this value names; `None` if it is no note.
pub fn key_in(value: &[u8]) -> Option<&str> {
    let key = std::str::from_utf8(value).ok()?.strip_prefix(START)?;
    let is_id = key.len() == 8 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::{COLLECTION, ID, is_at, key_in, naming};
    use crate::{Key, Prefix};

    #[test]
    fn what_was_not_written_as_a_note_is_none() {
        assert_eq!(key_in(naming("01abcdef").as_bytes()), Some("01abcdef"));
        for other in ["", "sealed by ", "sealed by 01ABCDEF", "sealed by 01abcdef0", "sealed by 01abcde"] {
            assert_eq!(key_in(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(key_in(&[0xff]), None);
    }

    #[test]
    fn a_note_has_its_name_under_every_prefix() {
        let under = ["", "a", "a/b", "%"].map(|prefix| Prefix::name_below(prefix, COLLECTION));
        for collection in under.iter().map(String::as_str).chain([COLLECTION]) {
            assert!(is_at(Key::new(collection, ID)), "{collection}");
            assert!(!is_at(Key::new(collection, "seals")));
        }
        for other in ["", "my.larder", ".larder/", ".larder/a", "larder"] {
            assert!(!is_at(Key::new(other, ID)), "{other}");
        }
    }
}
