//! The wrapper on the backend that sees to the note before the first write.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use kv_core::note::{ID, key_in, naming};
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode, Result,
    Scan, Signals, Store, Version,
};

use super::{Note, check, foreign, read_on_server};
use crate::keys::Seal;

/// Others may write the note at the same time; each of them ends it for all who hold the same keys.
const ATTEMPTS: usize = 16;

/// A store into which nothing is put before its note is settled: it names the key that seals above, or, where nothing seals,
/// there is none.
#[derive(Debug)]
pub(crate) struct Noted<S> {
    inner: S,
    /// The collection of the note.
    place: String,
    seal: Option<Seal>,
    is_settled: AtomicBool,
}

impl<S: Store> Noted<S> {
    /// `note` is what `inner` said of itself when it was opened.
    pub(crate) fn new(inner: S, place: String, seal: Option<Seal>, note: &Note) -> Self {
        let is_settled = match (&seal, note) {
            (Some(seal), Note::Names(key)) => *key == seal.key(),
            (None, Note::Missing) => true,
            _ => false,
        };
        Self { inner, place, seal, is_settled: AtomicBool::new(is_settled) }
    }

    async fn settle(&self) -> Result<()> {
        if self.is_settled.load(Ordering::Acquire) {
            return Ok(());
        }
        let settled = match &self.seal {
            Some(seal) => self.write(seal).await.map_err(|error| self.with_advice(error)),
            None => match read_on_server(&self.inner, &self.place).await {
                Ok(note) => check(&note, None),
                Err(error) => Err(error),
            },
        };
        settled.map_err(|error| error.with_outcome(Outcome::NotDone))?;
        self.is_settled.store(true, Ordering::Release);
        Ok(())
    }

    async fn write(&self, seal: &Seal) -> Result<()> {
        let (note, ours) = (Key::new(&self.place, ID), seal.key());
        for _ in 0..ATTEMPTS {
            let mode = match self.inner.get(note).await {
                Ok(None) => PutMode::Create,
                Ok(Some(entry)) => match key_in(&entry.value) {
                    Some(key) if key == ours => return Ok(()),
                    Some(key) if !seal.has(key) => return Err(foreign(key, seal)),
                    _ => PutMode::Update(entry.version),
                },
                Err(error) if error.kind() == ErrorKind::Corrupt => PutMode::Replace,
                Err(error) => return Err(error),
            };
            match self.inner.put(note, NewEntry::new(naming(&ours)), mode).await {
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict) => {}
                done => return done.map(drop),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "others keep changing the key that the store is sealed by"))
    }

    fn with_advice(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Denied {
            return error;
        }
        let message = format!(
            "nothing is sealed without the note that says by which key: allow this user to read and write `{ID}` in \
             the collection `{}`",
            self.place
        );
        Error::new(ErrorKind::Denied, message).because(error)
    }
}

impl<S: Store> Store for Noted<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.settle().await?;
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
            self.settle().await?;
        }
        self.inner.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.inner.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.inner.scan(scan, from).await
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
    use kv_core::note::{COLLECTION, ID, naming};
    use kv_core::testing::{self, Fault, Faults, Faulty, Harness, ReferenceStore};
    use kv_core::{Clock, ErrorKind, Key, NewEntry, Outcome, PutMode, Store};

    use super::{Note, Noted, Seal};

    const A: Key<'static> = Key::new("c", "a");
    const NOTE: Key<'static> = Key::new(COLLECTION, ID);

    fn noted<S: Store>(inner: S, seal: Option<Seal>, note: &Note) -> Noted<S> {
        Noted::new(inner, COLLECTION.to_owned(), seal, note)
    }

    struct InTheClear(Clock);

    impl Harness for InTheClear {
        type Store = Noted<ReferenceStore>;
        const NAME: &'static str = "reference that could not be asked for its note";

        async fn empty(&self) -> Self::Store {
            noted(ReferenceStore::new(&self.0), None, &Note::Unknown)
        }

        fn clock(&self) -> &Clock {
            &self.0
        }
    }

    /// The laws for what no other crate can name: `docs/laws.md`, which `kv_core::laws!` writes to, has no column for it.
    macro_rules! laws {
        ($harness:expr; $($group:ident { $($law:ident: $runtime:ident,)* })*) => {
            $($(
                #[test]
                fn $law() {
                    let law = testing::Law {
                        group: stringify!($group),
                        name: stringify!($law),
                        runtime: testing::Runtime::$runtime,
                    };
                    let verdict = testing::verdict(law, &$harness, |harness| {
                        Box::pin(testing::laws::$group::$law(harness))
                    });
                    assert!(!matches!(verdict, testing::Verdict::Broken(_)), "{verdict:?}");
                }
            )*)*
        };
    }

    kv_core::each_law!([laws] InTheClear(Clock::manual()));

    #[tokio::test]
    async fn what_could_not_be_asked_at_open_is_asked_before_anything_is_put_in_the_clear() {
        let faults = Faults::none();
        let inner = Faulty::new(ReferenceStore::new(&Clock::manual()), &faults);
        let store = noted(inner.clone(), None, &Note::Unknown);
        inner.put(NOTE, NewEntry::new(naming("01abcdef")), PutMode::Replace).await.unwrap();
        faults.next("get", Fault::lost(ErrorKind::Timeout));
        let failed = store.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap_err();
        assert_eq!((failed.is_retryable(), failed.outcome()), (true, Outcome::NotDone));
        let refused = store.put_many(vec![(A, NewEntry::new("x"))]).await.unwrap_err();
        assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Invalid, Outcome::NotDone), "{refused}");
        assert!(inner.get(A).await.unwrap().is_none());

        inner.delete_many(&[NOTE]).await.unwrap();
        store.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap();
        faults.always("get", Fault::refused(ErrorKind::Unavailable));
        store.put(A, NewEntry::new("y"), PutMode::Replace).await.unwrap(); // asked once
    }

    #[tokio::test]
    async fn who_may_not_read_the_note_writes_in_the_clear() {
        let faults = Faults::none();
        let inner = Faulty::new(ReferenceStore::new(&Clock::manual()), &faults);
        faults.next("get", Fault::refused(ErrorKind::Denied));
        let store = noted(inner, None, &Note::Unknown);
        store.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap();
    }

    #[cfg(feature = "encrypt")]
    mod sealed {
        use kv_core::testing::{self, Fault, Faults, Faulty, Harness, ReferenceStore};
        use kv_core::{Clock, ErrorKind, NewEntry, Outcome, PutMode, Store};
        use kv_encrypt::Encrypted;

        use super::{A, COLLECTION, NOTE, Note, Noted, Seal, naming, noted};

        fn sealed<S: Store>(inner: S, keys: &[u8]) -> Noted<S> {
            noted(inner, Some(Seal::of_bytes(keys)), &Note::Missing)
        }

        struct Sealed(Clock);

        impl Harness for Sealed {
            type Store = Encrypted<Noted<ReferenceStore>>;
            const NAME: &'static str = "sealed reference with a note";

            async fn empty(&self) -> Self::Store {
                let place = COLLECTION.to_owned();
                Seal::of_bytes(&[1]).noted(ReferenceStore::new(&self.0), place, &Note::Missing)
            }

            fn clock(&self) -> &Clock {
                &self.0
            }
        }

        kv_core::each_law!([laws] Sealed(Clock::manual()));

        #[tokio::test]
        async fn nothing_is_stored_where_the_note_cannot_be_written_or_names_another_key() {
            let faults = Faults::none();
            let inner = Faulty::new(ReferenceStore::new(&Clock::manual()), &faults);
            let ours = sealed(inner.clone(), &[1]);
            faults.next("put", Fault::refused(ErrorKind::Unavailable));
            let failed = ours.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap_err();
            assert_eq!((failed.is_retryable(), failed.outcome()), (true, Outcome::NotDone));
            ours.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap();

            let theirs = sealed(inner.clone(), &[2]);
            let refused = theirs.put(A, NewEntry::new("y"), PutMode::Replace).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid);
            assert!(theirs.put_many(vec![(A, NewEntry::new("y"))]).await.is_err());
            assert_eq!(ours.get(A).await.unwrap().unwrap().value, "x");
        }

        #[tokio::test]
        async fn who_may_not_touch_the_note_seals_nothing_and_is_told_what_to_allow() {
            for operation in ["get", "put"] {
                let faults = Faults::none();
                let inner = Faulty::new(ReferenceStore::new(&Clock::manual()), &faults);
                let place = "app/.larder".to_owned();
                let store = Noted::new(inner, place, Some(Seal::of_bytes(&[1])), &Note::Missing);
                faults.next(operation, Fault::refused(ErrorKind::Denied));
                let refused = store.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap_err();
                assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Denied, Outcome::NotDone));
                assert!(refused.message().contains("`seal` in the collection `app/.larder`"), "{refused}");
                assert!(store.get(A).await.unwrap().is_none(), "reading needs no note");
            }
        }

        #[tokio::test]
        async fn the_note_follows_the_key_that_seals() {
            let inner = ReferenceStore::new(&Clock::manual());
            for (ring, named) in [(&[1][..], 1), (&[2, 1], 2), (&[2], 2), (&[1, 2], 1)] {
                let store = sealed(inner.clone(), ring);
                store.put(A, NewEntry::new("x"), PutMode::Replace).await.unwrap();
                let note = inner.get(NOTE).await.unwrap().unwrap().value;
                assert_eq!(note, naming(Seal::of_bytes(&[named]).key()), "{ring:?}");
            }
        }
    }
}
