//! One batch as one batch per store.

use super::table::Table;
use crate::{AnyStore, Error, ErrorKind, Key, Result};

/// What of a batch goes to one store.
pub(super) struct Group<'t, T> {
    /// `None` is the first store.
    pub(super) store: Option<&'t AnyStore>,
    /// Where each item stood in the batch.
    pub(super) places: Vec<usize>,
    pub(super) items: Vec<T>,
}

/// The items by store, each group in the order of the batch. An empty batch is one empty group, for the first store.
pub(super) fn grouped<'t, 'k, T>(
    table: &'t Table,
    items: impl Iterator<Item = (Key<'k>, T)>,
) -> Vec<Group<'t, T>> {
    let group = |store| Group { store, places: Vec::new(), items: Vec::new() };
    let mut groups: Vec<Group<'t, T>> = vec![group(None)];
    groups.extend(table.stores().map(|store| group(Some(store))));
    for (place, (key, item)) in items.enumerate() {
        let at = table.place_of(key.collection).map_or(0, |place| place + 1);
        if let Some(group) = groups.get_mut(at) {
            group.places.push(place);
            group.items.push(item);
        }
    }
    let nothing = groups.iter().all(|group| group.items.is_empty());
    let mut at = 0;
    groups.retain(|group| {
        at += 1;
        !group.items.is_empty() || nothing && at == 1
    });
    groups
}

/// Where the keys of one store stood in the batch, and what it answered.
type Part<T> = (Vec<usize>, Result<Vec<Result<T>>>);

/// The answers in the order of the batch. The outer error only if every store answered one: nothing was sent at all.
pub(super) fn joined<T>(keys: &[Key<'_>], groups: Vec<Part<T>>) -> Result<Vec<Result<T>>> {
    if groups.iter().all(|(_, answers)| answers.is_err())
        && let Some(error) = groups.iter().find_map(|(_, answers)| answers.as_ref().err())
    {
        return Err(error.clone());
    }
    let mut all: Vec<Option<Result<T>>> = keys.iter().map(|_| None).collect();
    for (places, answers) in groups {
        let answers = answers.unwrap_or_else(|error| failed(&error, &places, keys));
        for (place, answer) in places.into_iter().zip(answers) {
            if let Some(slot) = all.get_mut(place) {
                *slot = Some(answer);
            }
        }
    }
    let short = || Error::new(ErrorKind::Unexpected, "a store answered for fewer keys than were asked");
    Ok(all.into_iter().map(|answer| answer.unwrap_or_else(|| Err(short()))).collect())
}

/// The error of one store as that of each of its keys.
fn failed<T>(error: &Error, places: &[usize], keys: &[Key<'_>]) -> Vec<Result<T>> {
    let own = places.iter().filter_map(|place| keys.get(*place));
    own.map(|key| Err(error.clone().renamed(*key))).collect()
}
