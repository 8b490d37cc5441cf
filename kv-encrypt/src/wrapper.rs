//! The wrapper: seals on the way in, opens on the way out.

use bytes::Bytes;
use kv_core::each::{Pause, put_prepared};
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode, Result,
    Scan, Signals, Store, Version, note,
};

use crate::seal::{PACE, Sealer};
use crate::{Cipher, KeyRing, Mode};

/// A store whose values are sealed before the inner one sees them.
///
/// It belongs directly on the backend, below compression and prefixes: sealed bytes do not compress, and what a
/// value is bound to includes all prefixes. Names, lifetimes, versions, tags and signals are not hidden: who must
/// store a secret as an id hashes it.
///
/// A value that no key of the ring opens, that was changed, that stands under another name than it was sealed for,
/// or that is not sealed at all is `Corrupt`. A `take` has then removed the entry all the same. A `scan` with values
/// fails at such an entry and names it, or passes over it with [`Scan::skip_damaged`].
///
/// The name of the [note](kv_core::note) that `larder::open` leaves in a sealed store is reserved, under any prefix: to put
/// something there is `Invalid`, and no scan shows it. It can be deleted.
///
/// Neither version nor lifetime is bound: whoever can write to the backend can put an older sealed value back under
/// its own name, and can remove entries. It changes no other law of the store.
#[derive(Clone, Debug)]
pub struct Encrypted<S> {
    pub(crate) inner: S,
    pub(crate) sealer: Sealer,
    capabilities: Capabilities,
}

impl<S: Store> Encrypted<S> {
    /// Seals the values of `inner` by the active key of `keys`: AEAD, strict, with an empty context.
    pub fn new(inner: S, keys: KeyRing) -> Self {
        let sealer =
            Sealer { ring: keys, cipher: Cipher::default(), mode: Mode::default(), context: "".into() };
        let capabilities = capabilities(&inner, &sealer);
        Self { inner, sealer, capabilities }
    }

    /// Binds all values to `context` as well, such as the application's name: values of another one do not open.
    ///
    /// Not a path or a host, or a store that was moved does not open.
    #[must_use]
    pub fn context(mut self, context: impl Into<Box<str>>) -> Self {
        self.sealer.context = context.into();
        self
    }

    /// Chooses how new values are sealed; both forms are read in any case.
    #[must_use]
    pub fn cipher(mut self, cipher: Cipher) -> Self {
        self.sealer.cipher = cipher;
        self.capabilities = capabilities(&self.inner, &self.sealer);
        self
    }

    /// Chooses what is accepted beside sealed values.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.sealer.mode = mode;
        self
    }

    /// The store below, which holds sealed values.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The ring that seals and opens.
    pub fn keys(&self) -> &KeyRing {
        &self.sealer.ring
    }

    async fn seal(&self, key: Key<'_>, entry: NewEntry) -> Result<NewEntry> {
        if note::is_at(key) {
            let message =
                "here stands the note that says by which key the store is sealed: choose another name";
            return Err(Error::new(ErrorKind::Invalid, message).at(key));
        }
        if let Some(most) = self.capabilities.max_value
            && entry.value().len() > most
        {
            let message = format!("the value has {} bytes, at most {most} fit", entry.value().len());
            return Err(Error::new(ErrorKind::TooLarge, message).at(key));
        }
        let sealed = self.sealer.seal_in_time(key, entry.meta_ref(), entry.value()).await;
        let sealed = sealed.map_err(|error| error.at(key))?;
        Ok(entry.map_value(|_plain| sealed))
    }

    async fn open(&self, key: Key<'_>, entry: &mut Entry) -> Result<()> {
        let opened = if entry.value.len() <= PACE {
            self.sealer.open(key, &entry.meta, &entry.value) // most are small: no future for them
        } else {
            self.sealer.open_in_time(key, &entry.meta, &entry.value).await
        };
        entry.value = opened.map_err(|error| error.at(key).of(entry.version))?.value;
        Ok(())
    }
}

/// The adaptor that wraps a store in [`Encrypted`].
pub trait EncryptExt: Store + Sized {
    /// Seals the values of this store by the active key of `keys`.
    fn encrypted(self, keys: KeyRing) -> Encrypted<Self> {
        Encrypted::new(self, keys)
    }
}

impl<S: Store> EncryptExt for S {}

impl<S: Store> Store for Encrypted<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let mut found = self.inner.get(key).await?;
        if let Some(entry) = &mut found {
            self.open(key, entry).await.map_err(|error| error.during("get"))?;
        }
        Ok(found)
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let sealed = self.seal(key, entry).await.map_err(|error| error.during("put"))?;
        self.inner.put(key, sealed, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let mut taken = self.inner.take(key, version).await?;
        if let Some(entry) = &mut taken {
            self.open(key, entry).await.map_err(|error| lost(&error, key))?;
        }
        Ok(taken)
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let found = self.inner.get_many(keys).await?;
        let mut opened = Vec::with_capacity(found.len());
        let mut pause = Pause::every(PACE);
        for (mut entry, key) in found.into_iter().zip(keys) {
            if let Ok(Some(sealed)) = &mut entry
                && let Err(error) = self.open(*key, sealed).await
            {
                entry = Err(error.during("get_many"));
            }
            pause.after(length(entry.as_ref().ok().and_then(Option::as_ref))).await;
            opened.push(entry);
        }
        Ok(opened)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let mut sealed = Vec::with_capacity(entries.len());
        let mut pause = Pause::every(PACE);
        for (key, entry) in entries {
            let bytes = entry.value().len();
            sealed.push((key, self.seal(key, entry).await));
            pause.after(bytes).await;
        }
        put_prepared(&self.inner, sealed).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.inner.delete_many(keys).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let mut page = self.inner.scan(scan, from).await?;
        let mut pause = Pause::every(PACE);
        let mut items = Vec::with_capacity(page.items.len());
        for mut item in page.items {
            let key = Key::new(&item.collection, &item.id);
            if note::is_at(key) {
                continue;
            }
            if let Some(entry) = &mut item.entry {
                if let Err(error) = self.open(key, entry).await {
                    page.damaged.push(scan.pass_over(Some(key), error)?);
                    continue;
                }
                pause.after(length(item.entry.as_ref())).await;
            }
            items.push(item);
        }
        Ok(Page::new(items, page.next).passed_over(page.damaged))
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
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

fn capabilities(inner: &impl Store, sealer: &Sealer) -> Capabilities {
    let mut capabilities = inner.capabilities().clone();
    capabilities.max_value = capabilities.max_value.map(|stored| sealer.capacity(stored));
    capabilities
}

fn length(entry: Option<&Entry>) -> usize {
    entry.map_or(0, |entry| entry.value.len())
}

/// A take whose value does not open has removed it: `Unknown`, so that nobody repeats it.
fn lost(error: &Error, key: Key<'_>) -> Error {
    let message = format!("{}; the entry was removed", error.message());
    let lost = Error::new(error.kind(), message).at(key).during("take").with_outcome(Outcome::Unknown);
    lost.because(error.clone())
}
