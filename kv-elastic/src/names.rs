//! Names as the index holds them: whole up to a length that it can index, and a hash of all of them.

use kv_core::Key;
use sha2::{Digest as _, Sha256};

/// Of a longer name so many bytes are indexed: a term of the index has at most 32,766.
const HEAD: usize = 8_000;

/// The part of a name that is indexed: its first 8,000 bytes, or a little less so that no character is cut.
pub(crate) fn head(name: &str) -> &str {
    cut(name, HEAD)
}

/// The first `most` bytes of a name, or a little less so that no character is cut.
pub(crate) fn cut(name: &str, most: usize) -> &str {
    let mut end = most.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

/// The id of the document that holds the entry: SHA-256 over its full name, in hexadecimal digits.
pub(crate) fn hash(namespace: &str, key: Key<'_>) -> String {
    hex(&digest(&[namespace, key.collection, key.id]))
}

/// SHA-256 over the parts, each behind its length, so that nothing moves from one to the next.
pub(crate) fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The smallest name above all that begin with `prefix`, in the order of their bytes; `None` if there is none.
pub(crate) fn successor(prefix: &str) -> Option<String> {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        if let Some(next) = next_char(last) {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

/// The next character in the order of code points, which is the order of UTF-8.
fn next_char(c: char) -> Option<char> {
    match c {
        '\u{D7FF}' => Some('\u{E000}'), // surrogates are no characters
        _ => char::from_u32(u32::from(c) + 1),
    }
}

#[cfg(test)]
mod tests {
    use kv_core::Key;

    use super::{HEAD, cut, hash, head, successor};

    #[test]
    fn a_head_is_cut_between_characters() {
        let long = "é".repeat(5_000);
        assert_eq!(head(&long).len(), HEAD);
        assert_eq!(head(&format!("x{long}")).len(), HEAD - 1);
        assert_eq!((cut("", 5), cut("aé", 2), cut("aé", 3)), ("", "a", "aé"));
    }

    #[test]
    fn what_begins_with_a_prefix_has_a_head_that_begins_with_the_heads_of_it() {
        let long = format!("a{}", "é".repeat(6_000));
        for end in (0..long.len()).filter(|end| long.is_char_boundary(*end)) {
            assert!(head(&long).starts_with(head(&long[..end])), "{end}");
        }
    }

    #[test]
    fn nothing_moves_from_one_part_of_a_name_to_the_next() {
        let names =
            [("", "", "ab"), ("", "a", "b"), ("", "ab", ""), ("a", "", "b"), ("a", "b", ""), ("ab", "", "")];
        let hashes: std::collections::BTreeSet<_> = names
            .iter()
            .map(|(namespace, collection, id)| hash(namespace, Key::new(collection, id)))
            .collect();
        assert_eq!(hashes.len(), names.len());
        assert!(hashes.iter().all(|hash| hash.len() == 64 && hash.bytes().all(|c| c.is_ascii_hexdigit())));
    }

    #[test]
    fn the_successor_ends_a_prefix_in_the_order_of_bytes() {
        for (prefix, end) in [("ab", Some("ac")), ("a\u{10FFFF}", Some("b")), ("\u{D7FF}", Some("\u{E000}"))]
        {
            assert_eq!(successor(prefix).as_deref(), end);
        }
        assert_eq!((successor(""), successor("\u{10FFFF}")), (None, None));
        for prefix in ["a", "z\u{7f}", "é", "\u{7ff}", "\u{ffff}", "😀"] {
            let end = successor(prefix).unwrap();
            assert!(end.as_str() > prefix && end > format!("{prefix}\u{10FFFF}\u{10FFFF}"), "{prefix:?}");
            assert!(!end.starts_with(prefix));
        }
    }
}
