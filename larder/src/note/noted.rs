//! The wrapper below the encryption that writes the note, and keeps it out of listings.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode, Result,
    Scan, Signals, Store, Version,
};
use kv_encrypt::KeyRing;

use super::{PLACE, START, foreign, key_in};
use crate::keys::ids;

/// Others may write the note at the same time; each of them ends it for all who hold the same keys.
const ATTEMPTS: usize = 16;

/// A store whose values are sealed above, with the note that says so.
#[derive(Debug)]
pub(crate) struct Noted<S> {
    inner: S,
    keys: KeyRing,
    /// Whether the note names the key that seals.
    is_written: AtomicBool,
}

impl<S: Store> Noted<S> {
    pub(crate) fn new(inner: S, keys: KeyRing, is_written: bool) -> Self {
        Self { inner, keys, is_written: AtomicBool::new(is_written) }
    }

    /// Sees to it that the note names our key, before the first value that it seals.
    async fn note(&self) -> Result<()> {
        if self.is_written.load(Ordering::Acquire) {
            return Ok(());
        }
        self.write().await.map_err(|error| error.with_outcome(Outcome::NotDone))?;
        self.is_written.store(true, Ordering::Release);
        Ok(())
    }

    async fn write(&self) -> Result<()> {
        let ours = self.keys.active().to_string();
        for _ in 0..ATTEMPTS {
            let mode = match self.inner.get(PLACE).await {
                Ok(None) => PutMode::Create,
                Ok(Some(entry)) => match key_in(&entry.value) {
                    Some(key) if key == ours => return Ok(()),
                    Some(key) if self.keys.ids().all(|id| id.to_string() != key) => {
                        return Err(foreign(key, &ids(&self.keys)));
                    }
                    _ => PutMode::Update(entry.version),
                },
                Err(error) if error.kind() == ErrorKind::Corrupt => PutMode::Replace,
                Err(error) => return Err(error),
            };
            match self.inner.put(PLACE, NewEntry::new(format!("{START}{ours}")), mode).await {
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict) => {}
                done => return done.map(drop),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "others keep changing the key that the store is sealed by"))
    }
}

impl<S: Store> Store for Noted<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.note().await?;
        self.inner.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.inner.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.inner.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        if !entries.is_empty() {
            self.note().await?;
        }
        self.inner.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.inner.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let mut page = self.inner.scan(scan, from).await?;
        page.items.retain(|item| Key::new(&item.collection, &item.id) != PLACE);
        Ok(page)
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.inner.changes().await
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use kv_core::testing::{Fault, Faults, Faulty, Harness, ReferenceStore};
    use kv_core::{Clock, ErrorKind, Key, NewEntry, Outcome, PutMode, Scan, Store};
    use kv_encrypt::{KeyRing, SecretKey};

    use super::{Noted, PLACE};

    const A: Key<'static> = Key::new("c", "a");

    fn keys(bytes: &[u8]) -> KeyRing {
        KeyRing::new(bytes.iter().map(|byte| SecretKey::from_bytes([*byte; 32]))).unwrap()
    }

    struct WithNote(Clock);

    impl Harness for WithNote {
        type Store = Noted<ReferenceStore>;
        const NAME: &'static str = "reference with a note";

        async fn empty(&self) -> Self::Store {
            Noted::new(ReferenceStore::new(&self.0), keys(&[1]), false)
        }

        fn clock(&self) -> &Clock {
            &self.0
        }
    }

    kv_core::laws!(WithNote(Clock::manual()));

    #[tokio::test]
    async fn nothing_is_stored_where_the_note_cannot_be_written_or_names_another_key() {
        let faults = Faults::none();
        let inner = Faulty::new(ReferenceStore::new(&Clock::manual()), &faults);
        let ours = Noted::new(inner.clone(), keys(&[1]), false);
        faults.next("put", Fault::refused(ErrorKind::Unavailable));
        let failed = ours.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap_err();
        assert_eq!((failed.is_retryable(), failed.outcome()), (true, Outcome::NotDone));
        ours.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap();

        let theirs = Noted::new(inner.clone(), keys(&[2]), false);
        let refused = theirs.put(A, NewEntry::new("y"), PutMode::Replace).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(theirs.put_many(vec![(A, NewEntry::new("y"))]).await.is_err());
        assert_eq!(ours.get(A).await.unwrap().unwrap().value, "x");
    }

    #[tokio::test]
    async fn the_note_follows_the_key_that_seals_and_is_not_listed() {
        let inner = ReferenceStore::new(&Clock::manual());
        for (ring, named) in [(&[1][..], 1), (&[2, 1], 2), (&[2], 2), (&[1, 2], 1)] {
            let store = Noted::new(inner.clone(), keys(ring), false);
            store.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap();
            let note = inner.get(PLACE).await.unwrap().unwrap().value;
            assert_eq!(note, format!("sealed by {}", keys(&[named]).active()), "{ring:?}");
            assert_eq!(store.scan(Scan::under(""), None).await.unwrap().items.len(), 1);
        }
    }
}
