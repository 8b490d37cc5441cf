//! Large values are sealed and opened off the executor: a cipher cannot be interrupted.

use bytes::Bytes;
use kv_core::{Error, ErrorKind, Key, Meta, Outcome, Result};
use tokio::runtime::Handle;

use crate::seal::{Opened, PACE, Sealer};

impl Sealer {
    /// As [`Sealer::seal`], without holding the executor's thread for long.
    pub(crate) async fn seal_in_time(&self, key: Key<'_>, meta: &Meta, plain: &Bytes) -> Result<Bytes> {
        if plain.len() <= PACE {
            return self.seal(key, meta, plain);
        }
        self.away(key, meta, plain, |sealer, key, meta, plain| sealer.seal(key, meta, plain)).await
    }

    /// As [`Sealer::open`], without holding the executor's thread for long.
    pub(crate) async fn open_in_time(&self, key: Key<'_>, meta: &Meta, stored: &Bytes) -> Result<Opened> {
        if stored.len() <= PACE {
            return self.open(key, meta, stored);
        }
        self.away(key, meta, stored, Self::open).await
    }

    /// On a thread for such work; where there is no runtime that has some, here.
    async fn away<T: Send + 'static>(
        &self,
        key: Key<'_>,
        meta: &Meta,
        bytes: &Bytes,
        work: fn(&Self, Key<'_>, &Meta, &Bytes) -> Result<T>,
    ) -> Result<T> {
        let Ok(runtime) = Handle::try_current() else { return work(self, key, meta, bytes) };
        let (sealer, meta, bytes) = (self.clone(), meta.clone(), bytes.clone());
        let (collection, id) = (key.collection.to_owned(), key.id.to_owned());
        let done = runtime.spawn_blocking(move || work(&sealer, Key::new(&collection, &id), &meta, &bytes));
        done.await.map_err(interrupted).flatten()
    }
}

fn interrupted(cause: tokio::task::JoinError) -> Error {
    let message = "the runtime ended before the value was sealed or opened";
    Error::new(ErrorKind::Unexpected, message).with_outcome(Outcome::NotDone).because(cause)
}
