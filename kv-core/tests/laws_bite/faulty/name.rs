//! Names that are not kept apart.

use kv_core::Key;

use crate::fault::Fault;

/// A key with its own memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) String, pub(crate) String);

impl Name {
    pub(crate) fn key(&self) -> Key<'_> {
        Key::new(&self.0, &self.1)
    }

    /// The name that a store with `fault` uses for `key`.
    pub(super) fn under(fault: Fault, key: Key<'_>) -> Self {
        if fault == Fault::JoinsNames {
            return Self(String::new(), [key.collection, key.id].join("::"));
        }
        Self(part(fault, key.collection), part(fault, key.id))
    }
}

impl From<Key<'_>> for Name {
    fn from(key: Key<'_>) -> Self {
        Self(key.collection.to_owned(), key.id.to_owned())
    }
}

fn part(fault: Fault, name: &str) -> String {
    match fault {
        Fault::EmptyIsSpace if name.is_empty() => " ".to_owned(),
        Fault::EndsAtNul => name.split('\0').next().unwrap_or_default().to_owned(),
        Fault::SixteenBits => name.chars().map(|c| if c > '\u{ffff}' { '?' } else { c }).collect(),
        Fault::Normalizes => name.replace("e\u{301}", "\u{e9}"),
        Fault::FoldsCase => name.to_lowercase(),
        Fault::Unescapes => name.replace("%2F", "/"),
        Fault::Trims => name.trim().to_owned(),
        Fault::ResolvesPaths => name.replace("//", "/"),
        Fault::CutsNames => name.chars().take(250).collect(),
        _ => name.to_owned(),
    }
}
