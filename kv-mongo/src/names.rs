//! Names as the database holds them: one string for each entry, in `_id`.
//!
//! `namespace/collection/id`, with `%` and `/` of the first two written as `%25` and `%2F`; the id stands last and raw, so
//! that a prefix of an id is a prefix of the name. MongoDB compares such strings byte by byte.
//!
//! A name of more than 900 bytes is stored as its first 900 (or up to three less, to end with a whole character) and 64
//! hexadecimal digits of its SHA-256; the whole name stands in a field of its own. Such a string has more than 900
//! bytes itself, so no other name is stored under it.

use std::borrow::Cow;

use kv_core::{Collections, Cursor, Error, ErrorKind, Key, Result, Scan};
use sha2::{Digest, Sha256};

/// A name is stored whole up to so many bytes.
const WHOLE: usize = 900;
/// So many bytes of a name are stored whole at least.
const HEAD: usize = WHOLE - 3;

const CURSOR_FORMAT: u8 = 1;

/// The names of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// The namespace, escaped, and a slash.
    head: String,
}

/// A name as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The `_id`.
    pub(crate) id: String,
    /// The whole name, where `_id` holds a hash of it.
    pub(crate) whole: Option<String>,
}

impl Names {
    pub(crate) fn of(namespace: &str) -> Self {
        let mut head = String::with_capacity(namespace.len() + 1);
        escape_into(&mut head, namespace);
        head.push('/');
        Self { head }
    }

    pub(crate) fn name(&self, key: Key<'_>) -> Name {
        let mut name = String::with_capacity(self.head.len() + key.collection.len() + key.id.len() + 1);
        name.push_str(&self.head);
        escape_into(&mut name, key.collection);
        name.push('/');
        name.push_str(key.id);
        if name.len() <= WHOLE {
            return Name { id: name, whole: None };
        }
        Name { id: format!("{}{:x}", cut(&name, WHOLE), Sha256::digest(&name)), whole: Some(name) }
    }

    /// Collection and id of a whole name; `None` for what [`Names::name`] never makes.
    pub(crate) fn split<'a>(&self, whole: &'a str) -> Option<(Cow<'a, str>, &'a str)> {
        let (collection, id) = whole.strip_prefix(&*self.head)?.split_once('/')?;
        Some((unescape(collection)?, id))
    }

    /// The names that `scan` covers.
    pub(crate) fn range<'a>(&self, scan: &Scan<'a>) -> Range<'a> {
        let mut prefix = self.head.clone();
        let (kind, collection, filter) = match scan.collections {
            Collections::One(collection) => ("1", collection, ""),
            Collections::Under(start) => ("*", start, scan.prefix),
        };
        escape_into(&mut prefix, collection);
        if matches!(scan.collections, Collections::One(_)) {
            prefix.push('/');
            prefix.push_str(scan.prefix);
        }
        let digest = digest(&[&self.head, kind, collection, scan.prefix]);
        let start = cut(&prefix, HEAD).to_owned();
        Range { end: successor(&start), start, prefix, filter, behind: self.head.len(), digest }
    }
}

/// A range of stored names, and what it must be filtered by.
#[derive(Debug)]
pub(crate) struct Range<'a> {
    /// The first stored name that may be covered.
    pub(crate) start: String,
    /// The first one that is not any more.
    pub(crate) end: String,
    /// What a whole name must begin with.
    prefix: String,
    /// What an id must begin with, where the prefix of the name does not see to it.
    pub(crate) filter: &'a str,
    /// Where the collection begins in a name, in bytes.
    pub(crate) behind: usize,
    digest: [u8; 8],
}

impl Range<'_> {
    /// Whether the scan covers this whole name, whose id this is.
    pub(crate) fn admits(&self, whole: &str, id: &str) -> bool {
        whole.starts_with(&self.prefix) && id.starts_with(self.filter)
    }

    /// The stored name behind which the page begins; `None` is the start of the range.
    pub(crate) fn position<'c>(&self, from: Option<&'c Cursor>) -> Result<Option<&'c str>> {
        let Some(cursor) = from else { return Ok(None) };
        let foreign = || Error::new(ErrorKind::Invalid, "the cursor belongs to another scan");
        let position = self.read(cursor.as_bytes()).ok_or_else(foreign)?;
        Ok(Some(position).filter(|position| *position >= self.start.as_str()))
    }

    /// The cursor behind `last`, a stored name.
    pub(crate) fn cursor(&self, last: &str) -> Cursor {
        let mut bytes = Vec::with_capacity(9 + last.len());
        bytes.push(CURSOR_FORMAT);
        bytes.extend_from_slice(&self.digest);
        bytes.extend_from_slice(last.as_bytes());
        Cursor::from_bytes(bytes)
    }

    fn read<'c>(&self, cursor: &'c [u8]) -> Option<&'c str> {
        let (format, rest) = cursor.split_first()?;
        let (digest, position) = rest.split_first_chunk::<8>()?;
        let ours = *format == CURSOR_FORMAT && *digest == self.digest;
        std::str::from_utf8(position).ok().filter(|_| ours)
    }
}

fn escape_into(name: &mut String, component: &str) {
    for c in component.chars() {
        match c {
            '%' => name.push_str("%25"),
            '/' => name.push_str("%2F"),
            c => name.push(c),
        }
    }
}

fn unescape(component: &str) -> Option<Cow<'_, str>> {
    let mut parts = component.split('%');
    let first = parts.next()?;
    let mut name = Cow::Borrowed(first);
    for part in parts {
        let (c, rest) = part.strip_prefix("25").map(|rest| ('%', rest)).or_else(|| {
            let rest = part.strip_prefix("2F")?;
            Some(('/', rest))
        })?;
        name.to_mut().push(c);
        name.to_mut().push_str(rest);
    }
    Some(name)
}

/// At most the first `most` bytes of `text`, ending with a whole character.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or(text)
}

/// The smallest string above all that begin with `prefix`, which has a slash in it.
fn successor(prefix: &str) -> String {
    let mut text = prefix.trim_end_matches(char::MAX).to_owned();
    let next = match text.pop() {
        Some('\u{D7FF}') => Some('\u{E000}'), // what lies between is no character
        Some(last) => char::from_u32(u32::from(last) + 1),
        None => None,
    };
    text.push(next.unwrap_or(char::MAX));
    text
}

/// It catches slips and is no seal: the position is cut to the range in any case.
fn digest(parts: &[&str]) -> [u8; 8] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kv_core::{Cursor, ErrorKind, Key, Scan};

    use super::{Names, cut, successor};

    const ODD: [&str; 12] =
        ["", "\0", "/", "%", "%2F", "a", "a/", "a\0b", "$x", "\u{10FFFF}", "\u{D7FF}", "\u{1F511}"];

    #[test]
    fn every_name_comes_back_and_no_two_share_an_id() {
        let mut seen = BTreeSet::new();
        let long = "é".repeat(600);
        let all: Vec<_> = ODD.into_iter().chain([&*long]).collect();
        for namespace in &all {
            let names = Names::of(namespace);
            for collection in &all {
                for id in &all {
                    let name = names.name(Key::new(collection, id));
                    let whole = name.whole.as_deref().unwrap_or(&name.id);
                    let (found, id_found) = names.split(whole).unwrap();
                    assert_eq!((&*found, id_found), (*collection, *id));
                    assert!(name.id.len() <= 964 && seen.insert(name.id));
                }
            }
        }
    }

    #[test]
    fn a_long_name_keeps_its_head_and_is_longer_than_any_whole_one() {
        let names = Names::of("n");
        let whole = names.name(Key::new("c", &"x".repeat(896)));
        assert_eq!((whole.id.len(), whole.whole), (900, None));
        let long = names.name(Key::new("c", &"x".repeat(897)));
        assert_eq!((long.id.len(), long.whole.map(|whole| whole.len())), (964, Some(901)));
        let odd = names.name(Key::new("c", &"€".repeat(400)));
        assert!(odd.id.len() > 900 && odd.id.starts_with("n/c/€€"), "{}", odd.id.len());
    }

    #[test]
    fn a_range_holds_exactly_what_the_scan_names() {
        let names = Names::of("n");
        let long = "x".repeat(1_000);
        let longer = format!("{long}y");
        let all: Vec<_> = ODD.into_iter().chain([&*long, &*longer]).collect();
        for collection in &all {
            for id in &all {
                let name = names.name(Key::new(collection, id));
                for start in &all {
                    for prefix in ["", "a", &long] {
                        let one = Scan::one(start).prefix(prefix);
                        assert_eq!(
                            covers(&names, &one, &name),
                            collection == start && id.starts_with(prefix)
                        );
                        let under = Scan::under(start).prefix(prefix);
                        let expected = collection.starts_with(start) && id.starts_with(prefix);
                        assert_eq!(covers(&names, &under, &name), expected, "{start:?} {prefix:?} {name:?}");
                    }
                }
            }
        }
    }

    fn covers(names: &Names, scan: &Scan<'_>, name: &super::Name) -> bool {
        let range = names.range(scan);
        let whole = name.whole.as_deref().unwrap_or(&name.id);
        let (_, id) = names.split(whole).unwrap();
        let lies_within = range.start <= name.id && name.id < range.end;
        lies_within && range.admits(whole, id)
    }

    #[test]
    fn a_cursor_of_another_scan_and_garbage_are_invalid() {
        let names = Names::of("n");
        let range = names.range(&Scan::one("c"));
        assert_eq!(range.position(Some(&range.cursor("n/c/m"))).unwrap(), Some("n/c/m"));
        assert_eq!(range.position(Some(&range.cursor("a"))).unwrap(), None, "never before the range");
        let scans = [Scan::one("d"), Scan::under("c"), Scan::one("c").prefix("x")];
        let mut foreign: Vec<_> = scans.iter().map(|scan| names.range(scan).cursor("n/c/m")).collect();
        foreign.push(Names::of("m").range(&Scan::one("c")).cursor("n/c/m"));
        foreign.extend(["", "garbage"].map(Cursor::from_bytes));
        foreign.push(Cursor::from_bytes(vec![0; 40]));
        for cursor in foreign {
            assert_eq!(range.position(Some(&cursor)).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn a_name_that_is_not_ours_is_not_split() {
        for whole in ["", "n", "n/c", "m/c/i", "n/%/i", "n/%2f/i", "n/a%zz/i"] {
            assert_eq!(Names::of("n").split(whole), None, "{whole}");
        }
    }

    #[test]
    fn the_successor_lies_above_all_that_begin_so() {
        assert_eq!(successor("a/"), "a0");
        assert_eq!(successor("a/\u{10FFFF}\u{10FFFF}"), "a0");
        assert_eq!(successor("a/\u{D7FF}"), "a/\u{E000}");
        assert_eq!((cut("€", 2), cut("a€", 4), cut("ab", 9)), ("", "a€", "ab"));
    }
}
