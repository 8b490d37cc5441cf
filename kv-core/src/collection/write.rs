//! Writing typed entries.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Collection, Unreadable};
use crate::{ErrorKind, Key, Meta, NewEntry, Outcome, PutMode, Result, Store, Version, update};

impl<T: Serialize + Sync, S: Store> Collection<T, S> {
    /// Writes `value` under `id`, whatever stood there.
    ///
    /// # Errors
    /// `Invalid` when the value cannot be written in this codec; else as [`Store::put`].
    pub async fn put(&self, id: &str, value: &T) -> Result<Version> {
        self.put_for(id, value, self.ttl).await
    }

    /// As [`Collection::put`], with a ttl of its own; `None` never expires.
    ///
    /// # Errors
    /// As [`Collection::put`].
    pub async fn put_for(
        &self,
        id: &str,
        value: &T,
        ttl: impl Into<Option<Duration>> + Send,
    ) -> Result<Version> {
        let key = self.key(id);
        let entry = self.encoded(key, value, ttl.into(), Meta::default())?;
        self.store.put(key, entry, PutMode::Replace).await
    }

    /// Writes `value` if the entry still has `version`.
    ///
    /// # Errors
    /// `Conflict` when it has another one or is gone; else as [`Collection::put`].
    pub async fn update(&self, id: &str, value: &T, version: Version) -> Result<Version> {
        let key = self.key(id);
        let entry = self.encoded(key, value, self.ttl, Meta::default())?;
        self.store.put(key, entry, PutMode::Update(version)).await
    }

    /// Writes all values, each replacing what stood there; of duplicates the last wins.
    ///
    /// # Errors
    /// The outer error means that nothing was sent: `Invalid` when a value cannot be written in this codec. A value
    /// that the store failed to write has its own.
    pub async fn put_many<I: AsRef<str> + Sync>(&self, values: &[(I, T)]) -> Result<Vec<Result<Version>>> {
        let mut entries = Vec::with_capacity(values.len());
        for (id, value) in values {
            let key = self.key(id.as_ref());
            entries.push((key, self.encoded(key, value, self.ttl, Meta::default())?));
        }
        self.store.put_many(entries).await
    }

    fn encoded(&self, key: Key<'_>, value: &T, ttl: Option<Duration>, mut meta: Meta) -> Result<NewEntry> {
        let bytes = self.codec.encode(value).map_err(|e| e.during("put").at(key))?;
        meta.codec = self.codec.number();
        Ok(NewEntry::new(bytes).ttl(ttl).meta(meta))
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync, S: Store> Collection<T, S> {
    /// Writes `value` if nothing stands under `id`.
    ///
    /// # Errors
    /// `AlreadyExists` when something does; an unreadable entry that counts as absent does not. Else as
    /// [`Collection::put`].
    pub async fn create(&self, id: &str, value: &T) -> Result<Version> {
        self.create_for(id, value, self.ttl).await
    }

    /// As [`Collection::create`], with a ttl of its own; `None` never expires.
    ///
    /// # Errors
    /// As [`Collection::create`].
    pub async fn create_for(
        &self,
        id: &str,
        value: &T,
        ttl: impl Into<Option<Duration>> + Send,
    ) -> Result<Version> {
        let key = self.key(id);
        let entry = self.encoded(key, value, ttl.into(), Meta::default())?;
        let again = (self.unreadable == Unreadable::Miss).then(|| entry.resend());
        match (self.store.put(key, entry, PutMode::Create).await, again) {
            // A store that finds the old entry damaged may refuse to decide on it.
            (Err(error), Some(entry))
                if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Corrupt)
                    && error.outcome() == Outcome::NotDone =>
            {
                self.create_over_unreadable(key, entry).await.unwrap_or(Err(error))
            }
            (answer, _) => answer,
        }
    }

    /// Reads the value, lets `change` decide and writes what it answers, only if nobody wrote meanwhile; else again.
    ///
    /// `change` gets `None` for an absent entry; its `None` removes the entry, or leaves it absent. The ttl becomes
    /// the collection's, if it has one, else stays what was left; tags stay. Answers the value after the change.
    ///
    /// # Errors
    /// `Conflict` when 64 tries in a row met other writers; else as [`Collection::get`] and [`Collection::put`].
    pub async fn update_with(
        &self,
        id: &str,
        mut change: impl FnMut(Option<T>) -> Option<T> + Send,
    ) -> Result<Option<T>> {
        let key = self.key(id);
        update::run(&self.store, key, self.on_corrupt(), move |entry, asked| {
            let (ttl, meta) = entry.as_ref().map(|entry| (entry.ttl, entry.meta.clone())).unwrap_or_default();
            let left = update::left(ttl, asked);
            let old = self.typed(Ok(entry), "get", key)?;
            let new = change(old.map(|found| found.value));
            let write =
                new.as_ref().map(|value| self.encoded(key, value, self.ttl.or(left), meta)).transpose()?;
            Ok((write, new))
        })
        .await
    }

    /// Writes over an entry that counts as absent; `None` if it turns out to be readable.
    async fn create_over_unreadable(&self, key: Key<'_>, entry: NewEntry) -> Option<Result<Version>> {
        match self.store.get(key).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                if let Err(error) = update::remove_corrupt(&self.store, key, error.version()).await {
                    return Some(Err(error));
                }
                Some(self.store.put(key, entry, PutMode::Create).await)
            }
            Err(error) => Some(Err(error)),
            Ok(found) => {
                let mode = found.as_ref().map_or(PutMode::Create, |entry| PutMode::Update(entry.version));
                match self.typed(Ok(found), "get", key) {
                    Ok(Some(_)) => None,
                    Ok(None) => match self.store.put(key, entry, mode).await {
                        Err(error) if error.kind() == ErrorKind::Conflict => None, // somebody was faster
                        answer => Some(answer),
                    },
                    Err(error) => Some(Err(error)),
                }
            }
        }
    }
}
