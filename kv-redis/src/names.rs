//! Names as the server holds them: `namespace:collection:id`.
//!
//! In the first two parts `%`, `:`, `{` and `}` are percent-escaped, so that different names never share a key and neither
//! part can steer an entry of a cluster to another slot. The id stands raw and last: a prefix of an id is a prefix of the key.

use std::borrow::Cow;

use kv_core::{Collections, Key, Scan};

/// The stored keys, channels and patterns of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// The escaped namespace and its colon.
    head: Vec<u8>,
    database: i64,
    /// Whether ids are whole keys, which others made.
    foreign: bool,
}

impl Names {
    pub(crate) fn new(namespace: &str, database: i64) -> Self {
        let mut head = Vec::with_capacity(namespace.len() + 1);
        escape_into(&mut head, namespace);
        head.push(b':');
        Self { head, database, foreign: false }
    }

    /// Every key of the database, as an id in the collection without a name.
    pub(crate) const fn foreign(database: i64) -> Self {
        Self { head: Vec::new(), database, foreign: true }
    }

    pub(crate) const fn are_foreign(&self) -> bool {
        self.foreign
    }

    /// The stored key of `key`.
    pub(crate) fn key(&self, key: Key<'_>) -> Vec<u8> {
        if self.foreign {
            return key.id.as_bytes().to_vec();
        }
        let mut stored = Vec::with_capacity(self.head.len() + key.collection.len() + 1 + key.id.len());
        stored.extend_from_slice(&self.head);
        escape_into(&mut stored, key.collection);
        stored.push(b':');
        stored.extend_from_slice(key.id.as_bytes());
        stored
    }

    /// Collection and id of a stored key; `None` for keys of others and for what [`Names::key`] never makes.
    pub(crate) fn parse<'a>(&self, stored: &'a [u8]) -> Option<(Cow<'a, str>, &'a str)> {
        if self.foreign {
            return Some((Cow::Borrowed(""), std::str::from_utf8(stored).ok()?));
        }
        let rest = stored.strip_prefix(self.head.as_slice())?;
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let (collection, id) = rest.split_at_checked(colon)?;
        let id = std::str::from_utf8(id.get(1..)?).ok()?;
        Some((unescape(std::str::from_utf8(collection).ok()?)?, id))
    }

    /// A pattern of `SCAN` that fits every key of `scan`; of `Under` it may fit others too.
    pub(crate) fn pattern(&self, scan: &Scan<'_>) -> Vec<u8> {
        let mut pattern = Vec::new();
        if self.foreign {
            literal_into(&mut pattern, scan.prefix.as_bytes());
            pattern.push(b'*');
            return pattern;
        }
        literal_into(&mut pattern, &self.head);
        let mut name = Vec::new();
        match scan.collections {
            Collections::One(collection) => {
                escape_into(&mut name, collection);
                name.push(b':');
                literal_into(&mut pattern, &name);
            }
            Collections::Under(start) => {
                escape_into(&mut name, start);
                literal_into(&mut pattern, &name);
                pattern.extend_from_slice(b"*:");
            }
        }
        literal_into(&mut pattern, scan.prefix.as_bytes());
        pattern.push(b'*');
        pattern
    }

    /// The channel of `topic`. Channels belong to a whole server, so the database is part of the name.
    pub(crate) fn channel(&self, topic: &str) -> Vec<u8> {
        let database = self.database.to_string();
        [&self.head, database.as_bytes(), b":", topic.as_bytes()].concat()
    }
}

/// Whether `scan` lists this entry: patterns only narrow down what is looked at.
pub(crate) fn is_listed(scan: &Scan<'_>, collection: &str, id: &str) -> bool {
    let named = match scan.collections {
        Collections::One(name) => collection == name,
        Collections::Under(start) => collection.starts_with(start),
    };
    named && id.starts_with(scan.prefix)
}

fn escape_into(stored: &mut Vec<u8>, name: &str) {
    for byte in name.bytes() {
        match byte {
            b'%' => stored.extend_from_slice(b"%25"),
            b':' => stored.extend_from_slice(b"%3A"),
            b'{' => stored.extend_from_slice(b"%7B"),
            b'}' => stored.extend_from_slice(b"%7D"),
            _ => stored.push(byte),
        }
    }
}

/// `None` for an escape that [`escape_into`] never writes: one name has one key.
fn unescape(name: &str) -> Option<Cow<'_, str>> {
    if name.contains(['{', '}']) {
        return None;
    }
    let mut parts = name.split('%');
    let first = parts.next()?;
    let mut plain = Cow::Borrowed(first);
    for part in parts {
        let (escape, rest) = part.split_at_checked(2)?;
        let plain = plain.to_mut();
        plain.push(match escape {
            "25" => '%',
            "3A" => ':',
            "7B" => '{',
            "7D" => '}',
            _ => return None,
        });
        plain.push_str(rest);
    }
    Some(plain)
}

/// Bytes that a pattern takes for themselves.
fn literal_into(pattern: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^') {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kv_core::{Key, Scan};

    use super::{Names, is_listed};

    const ODD: [&str; 12] = ["", "a", ":", "a:b", "%", "%3A", "{", "{a}b", "}", "ä€😀", "\0\r\n", "*?[]\\"];

    #[test]
    fn every_name_comes_back_and_no_two_share_a_key() {
        let mut seen = BTreeSet::new();
        for namespace in ODD {
            let names = Names::new(namespace, 0);
            for collection in ODD {
                for id in ODD {
                    let stored = names.key(Key::new(collection, id));
                    let (found, found_id) = names.parse(&stored).unwrap();
                    assert_eq!((&*found, found_id), (collection, id));
                    assert!(seen.insert(stored));
                }
            }
        }
    }

    #[test]
    fn what_this_namespace_never_wrote_is_not_its_own() {
        let names = Names::new("app", 0);
        for foreign in
            ["", "app", "app:", "app:a", "other:a:b", "app:%3a:b", "app:%2:b", "app:{a}:b", "app:%41:b"]
        {
            assert_eq!(names.parse(foreign.as_bytes()), None, "{foreign}");
        }
        assert_eq!(names.parse(b"app:a:\xff"), None);
    }

    #[test]
    fn neither_namespace_nor_collection_can_hold_a_hash_tag() {
        let stored = Names::new("{x}", 0).key(Key::new("{y}", "id"));
        assert!(!stored.contains(&b'{'), "a slot is chosen by the whole key");
    }

    #[test]
    fn patterns_take_every_character_for_itself() {
        let names = Names::new("n*", 0);
        assert_eq!(names.pattern(&Scan::one("a?").prefix("[x]")), b"n\\*:a\\?:\\[x\\]*");
        assert_eq!(names.pattern(&Scan::under("a:")), b"n\\*:a%3A*:*");
    }

    #[test]
    fn a_scan_lists_by_whole_names() {
        assert!(is_listed(&Scan::one("a"), "a", "b") && !is_listed(&Scan::one("a"), "ab", "b"));
        assert!(is_listed(&Scan::under("a").prefix("b"), "ab", "bc"));
        assert!(!is_listed(&Scan::under("a").prefix("b"), "ab", "cb"));
    }

    #[test]
    fn keys_of_others_are_ids_as_they_stand() {
        let names = Names::foreign(0);
        assert_eq!(names.key(Key::new("", "a::b")), b"a::b");
        assert_eq!(names.parse(b"a::b").unwrap(), ("".into(), "a::b"));
        assert_eq!(names.parse(b"\xff"), None);
        assert_eq!(names.pattern(&Scan::one("").prefix("a*::")), b"a\\*::*");
    }

    #[test]
    fn topics_of_different_databases_and_namespaces_differ() {
        let channels = [Names::new("a", 0), Names::new("a", 1), Names::new("a:0", 0)].map(|n| n.channel("t"));
        assert_eq!(channels.iter().collect::<BTreeSet<_>>().len(), 3);
    }
}
