//! The components of one kind: in the order of their list, found by key, serialized once per form.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use sha2::{Digest, Sha256};

use super::Facts;
use super::component::Component;
use crate::protocol::{Json, WireForm};
use crate::{Error, Request, Result};

pub(crate) struct Shelf<T> {
    /// In the order of the list.
    entries: Vec<Arc<Entry<T>>>,
    by_key: HashMap<String, usize>,
    /// Whether any component has a check of its own.
    checks: bool,
    /// Whether any component needs something of the client.
    requires: bool,
}

pub(super) struct Entry<T> {
    pub(super) component: Arc<T>,
    pub(super) order: String,
    definitions: [Json; WireForm::ALL.len()],
    fingerprint: [u8; 32],
}

/// What becomes of a component whose key another has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is refused.
    Refused,
    /// It takes the other's place.
    Replaced,
}

/// Which entries of a shelf a request may see, a bit each; `None` is all.
pub(super) type Visible = Option<Vec<u64>>;

impl<T: Component> Shelf<T> {
    /// # Errors
    /// Two components have the same key.
    pub(super) fn new(components: Vec<T>) -> Result<Self> {
        let mut entries: Vec<_> =
            components.into_iter().map(|component| Arc::new(Entry::new(component))).collect();
        entries.sort_by(|one, other| one.order.cmp(&other.order));
        let shelf = Self::of(entries);
        let double = shelf.entries.iter().enumerate().find(|(index, entry)| {
            shelf.by_key.get(entry.component.key()) != Some(index) // the last of a key is the one that is known
        });
        match double {
            Some((_, entry)) => Err(twice(&*entry.component)),
            None => Ok(shelf),
        }
    }

    /// Of entries in their order.
    fn of(entries: Vec<Arc<Entry<T>>>) -> Self {
        let keys = entries.iter().enumerate().map(|(at, entry)| (entry.component.key().to_owned(), at));
        let by_key = keys.collect();
        let about = || entries.iter().map(|entry| entry.component.about());
        let checks = about().any(|about| about.check.is_some());
        let requires = about().any(|about| !about.requires.is_empty());
        Self { entries, by_key, checks, requires }
    }

    /// This shelf with one more component, and whether what is listed is another list then.
    ///
    /// # Errors
    /// There is one of this key, and it may not be replaced.
    pub(super) fn with(&self, component: T, known: Known) -> Result<(Self, bool)> {
        let before = self.get(component.key());
        if before.is_some() && known == Known::Refused {
            return Err(twice(&component));
        }
        let entry = Entry::new(component);
        let changed = before.is_none_or(|before| before.fingerprint != entry.fingerprint);
        let mut entries = self.entries_but(entry.component.key());
        let at = entries.partition_point(|other| other.order <= entry.order);
        entries.insert(at, Arc::new(entry));
        Ok((Self::of(entries), changed))
    }

    /// This shelf without the component of that key; `None` where there is none.
    pub(super) fn without(&self, key: &str) -> Option<Self> {
        self.by_key.contains_key(key).then(|| Self::of(self.entries_but(key)))
    }

    fn entries_but(&self, key: &str) -> Vec<Arc<Entry<T>>> {
        self.entries.iter().filter(|entry| entry.component.key() != key).map(Arc::clone).collect()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry<T>> {
        self.entries.get(*self.by_key.get(key)?).map(|entry| &**entry)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter().map(|entry| &**entry)
    }

    pub(super) fn components(&self) -> impl Iterator<Item = &Arc<T>> {
        self.entries.iter().map(|entry| &entry.component)
    }

    pub(super) fn has_checks(&self) -> bool {
        self.checks
    }

    pub(super) fn has_requirements(&self) -> bool {
        self.requires
    }

    pub(super) fn facts(&self, key: &str) -> Option<Facts> {
        let entry = self.get(key)?;
        Some(Facts { fingerprint: entry.fingerprint, cache: entry.component.about().cache })
    }

    /// The place of the first entry behind `order`, whether or not that one is still there.
    pub(super) fn position_after(&self, order: &str) -> usize {
        self.entries.partition_point(|entry| entry.order.as_str() <= order)
    }

    /// Runs every check, all at once: what the sender may not use it does not see.
    pub(super) async fn visible(&self, request: &Request) -> Visible {
        if !self.has_checks() {
            return None;
        }
        let outcomes = self.components().map(|component| {
            let check = component.about().check.as_ref().map(|check| check(request));
            async move {
                match check {
                    Some(check) => check.await.is_ok(),
                    None => true,
                }
            }
        });
        let outcomes = join_all(outcomes).await;
        let word = |bits: &[bool]| {
            bits.iter().enumerate().fold(0, |word, (bit, visible)| word | (u64::from(*visible) << bit))
        };
        Some(outcomes.chunks(64).map(word).collect())
    }
}

fn twice<T: Component>(component: &T) -> Error {
    Error::new(format!(
        "the {} {:?} is registered twice: rename one of the two, or leave one out",
        T::WORD,
        component.key()
    ))
}

impl<T: Component> Entry<T> {
    fn new(component: T) -> Self {
        let definitions = WireForm::ALL.map(|form| component.definition(form));
        let fingerprint = fingerprint(T::WORD, &definitions);
        Self { order: component.order(), component: Arc::new(component), definitions, fingerprint }
    }

    pub(super) fn definition(&self, form: WireForm) -> &Json {
        let [oldest, plain, structured, stateless] = &self.definitions;
        match form {
            WireForm::PlainWithoutAudio => oldest,
            WireForm::Plain => plain,
            WireForm::Structured => structured,
            WireForm::Stateless => stateless,
        }
    }
}

fn fingerprint(word: &str, definitions: &[Json]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(word).chain(definitions.iter().map(Json::as_str)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whether the entry at `index` is among the visible.
pub(super) fn sees(visible: &Visible, index: usize) -> bool {
    let Some(words) = visible else { return true };
    words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), by_key: HashMap::new(), checks: false, requires: false }
    }
}

impl<T> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.order)).finish()
    }
}
