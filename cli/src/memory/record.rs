//! What is kept of a memory, where, and how a namespace is read.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{AnyStore, Collection, Cursor, Error, ErrorKind, Found, Listed, Result, StoreExt, Unreadable};
use mcp_server::Principal;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::task::{JoinError, spawn_blocking};

use super::MAX_READ;

/// Entries that are read and looked at in one go.
const PAGE: usize = 250;

/// One memory, as it stands in the store as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    /// When it was remembered, in milliseconds since the epoch.
    pub(super) at: u64,
}

/// The memories of everybody on one store.
#[derive(Clone, Debug)]
pub(super) struct Memories(AnyStore);

impl Memories {
    pub(super) const fn new(store: AnyStore) -> Self {
        Self(store)
    }

    /// The memories of `owner` in one namespace.
    ///
    /// The owner is hexadecimal or `local` and the namespace stands last, so no name leads into another's shelf.
    pub(super) fn shelf(&self, owner: &Principal, namespace: &str) -> Shelf {
        Shelf(self.0.collection(&format!("memory/{}/{namespace}", owner_name(owner))))
    }
}

/// A user by its key; everybody else on this server is one.
fn owner_name(principal: &Principal) -> String {
    if !principal.is_user() {
        return "local".to_owned();
    }
    principal.key().iter().fold(String::with_capacity(64), |mut name, byte| {
        let _ = write!(name, "{byte:02x}"); // writing to a string does not fail
        name
    })
}

/// The memories of one owner in one namespace.
#[derive(Clone, Debug)]
pub(super) struct Shelf(Collection<Record>);

impl Shelf {
    /// Writes `record` and answers its id. A given id replaces what stood there; without one a new id is drawn.
    pub(super) async fn put(
        &self,
        id: Option<String>,
        record: &Record,
        ttl: Option<Duration>,
    ) -> Result<String> {
        if let Some(id) = id {
            self.0.put_for(&id, record, ttl).await?;
            return Ok(id);
        }
        loop {
            let id = format!("{:016x}", rand::rng().random::<u64>());
            match self.0.create_for(&id, record, ttl).await {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                written => return written.map(|_| id),
            }
        }
    }

    pub(super) async fn get(&self, id: &str) -> Result<Option<Found<Record>>> {
        self.0.get_entry(id).await
    }

    /// The memories under `ids`, in their order; what is gone or damaged is `None`.
    pub(super) async fn get_many(&self, ids: &[&str]) -> Result<Vec<Option<Record>>> {
        self.readable().get_many(ids).await?.into_iter().collect()
    }

    /// Removes a memory and says whether there was one. A damaged one can be forgotten too.
    pub(super) async fn forget(&self, id: &str) -> Result<bool> {
        self.0.remove(id).await
    }

    /// Reads the memories one after the other, in the store's order, and keeps what `look` makes of them.
    ///
    /// It ends at [`MAX_READ`] and says so. What cannot be read is passed over, and that is said too. `look` runs off
    /// the executor.
    pub(super) async fn read<R, F>(&self, look: F) -> Result<Reading<R>>
    where
        R: Send + 'static,
        F: Fn(String, &Found<Record>) -> Option<R> + Send + Sync + 'static,
    {
        let look = Arc::new(look);
        let mut reading = Reading { rows: Vec::new(), read: 0, complete: false, unreadable: false };
        let (mut from, mut left): (Option<Cursor>, _) = (None, MAX_READ);
        while left > 0 {
            let (page, whole) = self.page(PAGE.min(left), from.as_ref()).await?;
            reading.read += page.items.len();
            reading.unreadable |= !whole;
            // How many were passed over is unknown: a page of nothing else must not count as nothing.
            left = left.saturating_sub(if whole { page.items.len() } else { PAGE });
            let (look, items) = (Arc::clone(&look), page.items);
            let rows = spawn_blocking(move || {
                items.into_iter().filter_map(|(id, found)| look(id, &found)).collect::<Vec<_>>()
            });
            reading.rows.extend(rows.await.map_err(interrupted)?);
            from = page.next;
            if from.is_none() {
                reading.complete = true;
                break;
            }
        }
        if reading.unreadable {
            tracing::warn!(
                collection = self.0.name(),
                "memories that cannot be read were passed over: damaged, or kept with another key"
            );
        }
        Ok(reading)
    }

    /// A page of memories, and whether all of it could be read.
    async fn page(&self, limit: usize, from: Option<&Cursor>) -> Result<(Listed<Record>, bool)> {
        match self.0.list("", limit, from).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                Ok((self.readable().list("", limit, from).await?, false))
            }
            page => Ok((page?, true)),
        }
    }

    fn readable(&self) -> Collection<Record> {
        self.0.clone().unreadable(Unreadable::Miss)
    }
}

fn interrupted(error: JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "reading the memories was interrupted").because(error)
}

/// What reading a namespace brought.
#[derive(Debug)]
pub(super) struct Reading<R> {
    pub(super) rows: Vec<R>,
    /// How many memories were read.
    pub(super) read: usize,
    /// Whether its end was reached.
    pub(super) complete: bool,
    /// Whether some could not be read.
    pub(super) unreadable: bool,
}

#[cfg(test)]
mod tests {
    use kv_core::StoreExt;
    use kv_memory::MemoryStore;
    use mcp_server::Principal;

    use super::{Memories, Record, owner_name};

    #[test]
    fn stdio_and_anonymous_http_are_one_owner_and_users_their_own() {
        assert_eq!(owner_name(&Principal::local()), "local");
        assert_eq!(owner_name(&Principal::anonymous()), "local");
        let (ann, bob) = (Principal::user("here", "ann"), Principal::user("here", "bob"));
        assert_ne!(owner_name(&ann), owner_name(&bob));
        assert_eq!(owner_name(&ann).len(), 64);
    }

    #[tokio::test]
    async fn a_namespace_full_of_separators_stays_with_its_owner() {
        let memories = Memories::new(MemoryStore::new().erased());
        let record = Record { text: "mine".to_owned(), tags: Vec::new(), at: 0 };
        let ann = Principal::user("here", "ann");
        memories.shelf(&ann, "x").put(Some("id".to_owned()), &record, None).await.unwrap();
        let forged = format!("../{}/x", owner_name(&ann));
        assert!(memories.shelf(&Principal::local(), &forged).get("id").await.unwrap().is_none());
        assert!(memories.shelf(&ann, "x").get("id").await.unwrap().is_some());
    }
}
