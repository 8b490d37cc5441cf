//! The notes among the entries of a sealed store: none is sealed, and all follow the active key.

use kv_core::note::{is_at, key_in, naming};
use kv_core::{Entry, ErrorKind, Item, Key, NewEntry, PutMode, Result, Store};

use crate::Encrypted;
use crate::rotate::ATTEMPTS;

/// The id of the key that this names, if it is a note; anything else under the name of one is an entry as others are.
pub(crate) fn named<'a>(item: &Item, entry: &'a Entry) -> Option<&'a str> {
    if is_at(Key::new(&item.collection, &item.id)) { key_in(&entry.value) } else { None }
}

impl<S: Store> Encrypted<S> {
    /// Lets a note that names an older key of the ring name the active one. What names a key of others stays.
    ///
    /// False if others kept changing it.
    pub(crate) async fn rotate_note(&self, key: Key<'_>, mut note: Entry) -> Result<bool> {
        let active = self.keys().active();
        for _ in 0..ATTEMPTS {
            let named = key_in(&note.value);
            let is_older = |id: &str| self.keys().ids().skip(1).any(|older| older.to_string() == id);
            if !named.is_some_and(is_older) {
                return Ok(true);
            }
            let renewed = NewEntry::new(naming(active));
            match self.inner.put(key, renewed, PutMode::Update(note.version)).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
            let Some(now) = self.inner.get(key).await? else { return Ok(true) };
            note = now;
        }
        Ok(false)
    }
}
