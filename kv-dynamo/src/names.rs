//! From names to the keys of the table and back.
//!
//! | key | what it holds | at most |
//! |---|---|---|
//! | `pk` | namespace, `%` and `/` in it escaped; `/`; the collection, raw | 2,000 bytes |
//! | `sk` | `i`, since no key may be empty; the id, raw | 1 + 1,000 bytes |
//!
//! What is longer is cut to its first 1,940 (940) bytes, back to a whole character, and followed by the SHA-256 of all
//! of it in 64 hexadecimal digits. That makes it longer than the limit again, so that no short name is ever spelt like a
//! long one; the whole of it then stands in the entry. So a prefix of an id is a prefix of `sk` throughout, and `sk`
//! sorts as ids do in their first 937 bytes at least.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use kv_core::{Error, ErrorKind, Key, Result};
use sha2::{Digest, Sha256};

/// The partition key.
pub(crate) const PK: &str = "pk";
/// The sort key.
pub(crate) const SK: &str = "sk";

/// DynamoDB takes 2,048 bytes of a partition key and 1,024 of a sort key (developer guide, "Quotas").
const PARTITION: Limit = Limit { whole: 2_000, head: 1_940 };
const SORT: Limit = Limit { whole: 1_000, head: 940 };
const HASH_DIGITS: usize = 64;
/// A character has at most four bytes, so a cut falls back by at most three.
const CUT: usize = 3;

/// How much of a text stands in a key as it is, and how much if it must be cut.
struct Limit {
    whole: usize,
    head: usize,
}

const _: () =
    assert!(PARTITION.head - CUT + HASH_DIGITS > PARTITION.whole, "a cut name is longer than a whole one");
const _: () = assert!(SORT.head - CUT + HASH_DIGITS > SORT.whole, "a cut name is longer than a whole one");

impl Limit {
    /// The text as a key holds it, and all of it if that is cut.
    fn fit(&self, text: String) -> (String, Option<String>) {
        if text.len() <= self.whole {
            return (text, None);
        }
        (format!("{}{:x}", cut(&text, self.head), Sha256::digest(&text)), Some(text))
    }

    /// What every key begins with whose text begins with `prefix`; most others do not. Both are cut at the same
    /// character.
    fn prefix<'a>(&self, prefix: &'a str) -> &'a str {
        cut(prefix, self.head)
    }
}

/// The first `len` bytes of `text`, back to a whole character.
fn cut(text: &str, len: usize) -> &str {
    let mut end = len.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The names of one namespace.
#[derive(Debug)]
pub(crate) struct Names {
    /// What each partition key begins with: the namespace, escaped, and a slash.
    start: String,
}

/// The key of an entry in the table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoredKey {
    pub(crate) pk: String,
    pub(crate) sk: String,
    /// All of what `pk` should be, where it is cut.
    pub(crate) long_pk: Option<String>,
    /// All of the id, where `sk` is cut.
    pub(crate) long_id: Option<String>,
}

impl StoredKey {
    /// The two attributes that name the item.
    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        attributes(&self.pk, &self.sk)
    }
}

/// The two attributes that name an item.
pub(crate) fn attributes(pk: &str, sk: &str) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))])
}

impl Names {
    pub(crate) fn new(namespace: &str) -> Self {
        Self { start: format!("{}/", namespace.replace('%', "%25").replace('/', "%2F")) }
    }

    /// The key of an entry in the table.
    pub(crate) fn stored(&self, key: Key<'_>) -> StoredKey {
        let (pk, long_pk) = self.partition(key.collection);
        let (sk, long_id) = SORT.fit(key.id.to_owned());
        StoredKey { pk, sk: format!("i{sk}"), long_pk, long_id }
    }

    /// The partition key of a collection, and all of what it should be if it is cut.
    pub(crate) fn partition(&self, collection: &str) -> (String, Option<String>) {
        PARTITION.fit(format!("{}{collection}", self.start))
    }

    /// What the partition key of every collection begins with whose name begins with `name`.
    pub(crate) fn partition_prefix(&self, name: &str) -> String {
        PARTITION.prefix(&format!("{}{name}", self.start)).to_owned()
    }

    /// What the sort key of every id begins with that begins with `prefix`.
    pub(crate) fn sort_prefix(prefix: &str) -> String {
        format!("i{}", SORT.prefix(prefix))
    }

    /// Collection and id of a key as the table holds it; `None` for another namespace.
    ///
    /// # Errors
    /// `Corrupt` for a key that is not made from its names.
    pub(crate) fn names(&self, key: StoredKey) -> Result<Option<(String, String)>> {
        let StoredKey { pk, sk, long_pk, long_id } = key;
        let (short_id, full_pk) = (sk.strip_prefix('i').unwrap_or(&sk), long_pk.as_deref().unwrap_or(&pk));
        let Some(collection) = full_pk.strip_prefix(&self.start) else { return Ok(None) };
        let names = (collection.to_owned(), long_id.as_deref().unwrap_or(short_id).to_owned());
        let made = self.stored(Key::new(&names.0, &names.1));
        if made == (StoredKey { pk, sk, long_pk, long_id }) { Ok(Some(names)) } else { Err(misnamed()) }
    }
}

/// An item whose key does not fit its names.
pub(crate) fn misnamed() -> Error {
    Error::new(ErrorKind::Corrupt, "the key of the item does not fit the names in it")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kv_core::{ErrorKind, Key};

    use super::{Names, StoredKey};

    fn texts() -> Vec<String> {
        let mut texts: Vec<String> =
            ["", "/", "%", "%2F", "a", "a/b", "i", "\0", "é", "😀"].map(str::to_owned).into();
        for len in [930, 937, 940, 941, 999, 1_000, 1_001, 1_004, 1_937, 1_940, 1_999, 2_000, 2_001, 5_000] {
            texts.push("x".repeat(len));
            texts.push("😀".repeat(len / 4));
            texts.push(format!("x{}", "😀".repeat(len / 4)));
        }
        texts
    }

    #[test]
    fn every_name_comes_back_and_no_two_share_a_key() {
        let (mut keys, mut asked) = (BTreeSet::new(), BTreeSet::new());
        let texts = texts();
        let namespaces =
            ["", "a", "a/", "a%2F", "%"].map(str::to_owned).into_iter().chain(["n".repeat(3_000)]);
        for namespace in namespaces {
            let names = Names::new(&namespace);
            for text in &texts {
                for key in [Key::new(text, "x"), Key::new("c", text), Key::new(text, text)] {
                    let stored = names.stored(key);
                    assert!(stored.pk.len() <= 2_048 && stored.sk.len() <= 1_024 && !stored.sk.is_empty());
                    let (collection, id) = names.names(stored.clone()).unwrap().unwrap();
                    assert_eq!((collection.as_str(), id.as_str()), (key.collection, key.id));
                    keys.insert((stored.pk, stored.sk));
                    asked.insert((namespace.clone(), collection, id));
                }
            }
        }
        assert_eq!(keys.len(), asked.len());
    }

    #[test]
    fn a_long_name_cannot_be_had_by_spelling_its_key() {
        let names = Names::new("larder");
        let long = names.stored(Key::new("c", &"x".repeat(2_000)));
        let spelt = long.sk.strip_prefix('i').unwrap();
        assert_ne!(names.stored(Key::new("c", spelt)).sk, long.sk);
        let long = names.stored(Key::new(&"x".repeat(4_000), ""));
        let spelt = long.pk.strip_prefix("larder/").unwrap();
        assert_ne!(names.stored(Key::new(spelt, "")).pk, long.pk);
    }

    #[test]
    fn a_prefix_of_a_name_is_a_prefix_of_its_key() {
        let names = Names::new("larder");
        for text in texts() {
            let stored = names.stored(Key::new(&text, &text));
            for at in 0..=text.len() {
                let Some(prefix) = text.get(..at) else { continue };
                assert!(stored.sk.starts_with(&Names::sort_prefix(prefix)), "{at} of {}", text.len());
                assert!(stored.pk.starts_with(&names.partition_prefix(prefix)), "{at} of {}", text.len());
            }
        }
    }

    #[test]
    fn a_key_of_another_namespace_is_passed_over_and_a_false_one_is_corrupt() {
        let names = Names::new("a");
        let of =
            |pk: &str, sk: &str| StoredKey { pk: pk.into(), sk: sk.into(), long_pk: None, long_id: None };
        assert_eq!(names.names(of("b/c", "ix")).unwrap(), None);
        for (pk, sk) in [("a/c", "x"), ("a/c", ""), ("a/c", &*format!("i{}", "x".repeat(1_001)))] {
            assert_eq!(names.names(of(pk, sk)).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        let mut forged = names.stored(Key::new("c", &"x".repeat(2_000)));
        forged.long_id = Some("y".repeat(2_000));
        assert_eq!(names.names(forged).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
