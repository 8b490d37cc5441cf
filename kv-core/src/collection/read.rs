//! Reading typed entries.

use serde::de::DeserializeOwned;

use super::{Collection, Found};
use crate::{
    Codec, Cursor, Entry, Error, ErrorKind, Item, Key, Outcome, Page, Result, Scan, ScanAll, Store, StoreExt,
    Unreadable,
};

/// One page of a typed listing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed<T> {
    /// Ids and values, in the store's order. Unreadable ones are missing if they count as absent.
    pub items: Vec<(String, Found<T>)>,
    /// Where the next page begins; `None` when the listing is complete.
    pub next: Option<Cursor>,
}

impl<T: DeserializeOwned + Send, S: Store> Collection<T, S> {
    /// The value under `id`.
    ///
    /// # Errors
    /// `Corrupt` for an unreadable entry, unless that counts as absent; else as [`Store::get`].
    pub async fn get(&self, id: &str) -> Result<Option<T>> {
        Ok(self.get_entry(id).await?.map(|found| found.value))
    }

    /// The value under `id` with version, ttl and meta.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn get_entry(&self, id: &str) -> Result<Option<Found<T>>> {
        let key = self.key(id);
        self.typed(self.store.get(key).await, "get", key)
    }

    /// The values under `ids`, in their order.
    ///
    /// # Errors
    /// The outer error means that nothing was sent; an id that failed has its own.
    pub async fn get_many<I: AsRef<str> + Sync>(&self, ids: &[I]) -> Result<Vec<Result<Option<T>>>> {
        let keys: Vec<_> = ids.iter().map(|id| self.key(id.as_ref())).collect();
        let answers = self.store.get_many(&keys).await?.into_iter().zip(&keys);
        Ok(answers
            .map(|(answer, key)| Ok(self.typed(answer, "get_many", *key)?.map(|found| found.value)))
            .collect())
    }

    /// Removes and returns the value under `id`, in one atomic step: of two racing takers one gets it.
    ///
    /// # Errors
    /// `Corrupt` for an unreadable entry, unless that counts as absent: with the outcome `Unknown` where it is removed all the
    /// same, with `NotDone` where the store takes nothing that it cannot read ([`Collection::remove`] does). Else as
    /// [`Store::take`].
    pub async fn take(&self, id: &str) -> Result<Option<T>> {
        let key = self.key(id);
        let taken = self.store.take(key, None).await;
        let is_gone = taken.is_ok();
        let found = self.typed(taken, "take", key);
        let found = found.map_err(|error| if is_gone { error.with_outcome(Outcome::Unknown) } else { error });
        Ok(found?.map(|found| found.value))
    }

    /// Ids and values, a page at a time: at most `limit`, 1 to 1,000, of those ids that begin with `prefix`.
    ///
    /// # Errors
    /// As [`Store::scan`], and `Corrupt` for an unreadable entry, unless that counts as absent.
    pub async fn list(&self, prefix: &str, limit: usize, from: Option<&Cursor>) -> Result<Listed<T>> {
        let scan = Scan::one(&self.name).prefix(prefix).limit(limit).values();
        let scan = if self.unreadable == Unreadable::Miss { scan.skip_damaged() } else { scan };
        let Page { items, next, .. } = self.store.scan(scan, from).await?;
        let mut listed = Vec::with_capacity(items.len());
        for Item { id, entry, .. } in items {
            if let Some(found) = self.typed(Ok(entry), "scan", self.key(&id))? {
                listed.push((id.into(), found));
            }
        }
        Ok(Listed { items: listed, next })
    }

    pub(super) fn typed(
        &self,
        answer: Result<Option<Entry>>,
        operation: &'static str,
        key: Key<'_>,
    ) -> Result<Option<Found<T>>> {
        match answer.and_then(|entry| entry.map(decoded).transpose()) {
            Ok(found) => Ok(found),
            Err(error) if self.counts_as_absent(&error) => Ok(None),
            Err(error) => Err(error.during(operation).at(key)),
        }
    }
}

impl<T, S: Store> Collection<T, S> {
    /// Lists all ids that begin with `prefix`, page after page, without their values.
    pub fn ids<'a>(&'a self, prefix: &'a str) -> ScanAll<'a, S> {
        self.store.scan_all(Scan::one(&self.name).prefix(prefix))
    }

    /// Removes the entry under `id`, if there is one.
    ///
    /// # Errors
    /// As [`Store::delete_many`].
    pub async fn delete(&self, id: &str) -> Result<()> {
        self.store.delete(self.key(id)).await
    }

    /// Removes the entry under `id`, readable or not, and says whether there was one.
    ///
    /// # Errors
    /// As [`StoreExt::remove`].
    pub async fn remove(&self, id: &str) -> Result<bool> {
        self.store.remove(self.key(id)).await
    }

    /// Whether there is an entry under `id`, readable or not.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn exists(&self, id: &str) -> Result<bool> {
        self.store.exists(self.key(id)).await
    }
}

fn decoded<T: DeserializeOwned>(entry: Entry) -> Result<Found<T>> {
    let Entry { value, version, ttl, meta } = entry;
    let codec = Codec::of(meta.codec).ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            "the entry was not written by a typed collection that this version knows",
        )
    })?;
    Ok(Found { value: codec.decode(&value)?, version, ttl, meta })
}
