//! Puts that do too much, too little or too late.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kv_core::testing::ReferenceStore;
use kv_core::{Entry, ErrorKind, Key, NewEntry, PutMode, Result, Scan, Store, Version};

use super::{Faulty, Name, error};
use crate::fault::Fault;

impl<S: Store + Clone> Faulty<S> {
    pub(super) async fn put_faultily(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let name = Name::under(self.fault, key);
        let asked = entry.lifetime();
        let entry = self.altered(name.key(), entry).await;
        let (value, version, meta) = (entry.value().clone(), entry.version(), entry.meta_ref().clone());
        let answer = match mode {
            PutMode::Create => self.create(&name, entry).await,
            PutMode::Update(expected) => self.update(&name, entry, expected).await,
            PutMode::Replace => self.replace(&name, entry).await,
        };
        if let Err(error) = &answer {
            self.refused(&name, error.kind()).await;
        } else {
            let shadow = Entry::new(value.clone(), version, asked, meta);
            self.state.shadow.lock().unwrap().insert(name.clone(), shadow);
        }
        match self.fault {
            Fault::AnswersOtherVersion => answer.map(|_| Version::random()),
            Fault::VersionFromValue => {
                answer.map(|_| Version::from_bytes([value.first().copied().unwrap_or(0); 16]))
            }
            Fault::Hoards => self.hoard(answer).await,
            _ => answer,
        }
    }

    async fn hoard(&self, answer: Result<Version>) -> Result<Version> {
        let copy = self.state.count.fetch_add(1, Ordering::SeqCst).to_string();
        self.inner.put(Key::new("hoard", &copy), NewEntry::new("x"), PutMode::Replace).await?;
        answer
    }

    async fn create(&self, name: &Name, entry: NewEntry) -> Result<Version> {
        let key = name.key();
        let taken = || error(ErrorKind::AlreadyExists).during("put").at(key);
        match self.fault {
            Fault::CreateReplaces => self.inner.put(key, entry, PutMode::Replace).await,
            Fault::CreateInTwoSteps => {
                if self.inner.get(key).await?.is_some() {
                    return Err(taken());
                }
                tokio::task::yield_now().await;
                self.inner.put(key, entry, PutMode::Replace).await
            }
            Fault::ExpiredBlocksCreate if self.state.shadow.lock().unwrap().contains_key(name) => {
                Err(taken())
            }
            Fault::Tombstones if self.state.removed.lock().unwrap().contains(name) => Err(taken()),
            Fault::CreateTouches => self.create_or_touch(name, entry).await,
            Fault::MakesThenFills => {
                let half = NewEntry::new(entry.value().slice(..entry.value().len() / 2));
                let version = self.inner.put(key, half, PutMode::Create).await?;
                tokio::task::yield_now().await;
                self.inner.put(key, entry, PutMode::Update(version)).await
            }
            _ => self.put_anyhow(name, entry, PutMode::Create).await,
        }
    }

    async fn create_or_touch(&self, name: &Name, entry: NewEntry) -> Result<Version> {
        let ttl = entry.lifetime();
        let answer = self.inner.put(name.key(), entry, PutMode::Create).await;
        if let (Err(_), Some(met)) = (&answer, self.inner.get(name.key()).await?) {
            self.inner.put(name.key(), NewEntry::new(met.value).ttl(ttl), PutMode::Replace).await?;
        }
        answer
    }

    async fn update(&self, name: &Name, entry: NewEntry, expected: Version) -> Result<Version> {
        let key = name.key();
        let live = self.inner.get(key).await?.map(|entry| entry.version);
        let conflict = || error(ErrorKind::Conflict).during("put").at(key);
        match self.fault {
            Fault::UpdateRefuses => Err(conflict()),
            Fault::UpdateIgnoresVersion if live.is_some() => {
                self.inner.put(key, entry, PutMode::Replace).await
            }
            Fault::UpdateCreates if live.is_none() => self.inner.put(key, entry, PutMode::Create).await,
            Fault::UpdateInTwoSteps if live != Some(expected) => Err(conflict()),
            Fault::UpdateInTwoSteps => {
                tokio::task::yield_now().await;
                self.inner.put(key, entry, PutMode::Replace).await
            }
            Fault::UpdateRevives => self.update_among_updates(key, entry, expected).await,
            Fault::ExpiredUpdated if live.is_none() && self.was(name, expected) => {
                self.inner.put(key, entry, PutMode::Replace).await
            }
            _ => self.put_anyhow(name, entry, PutMode::Update(expected)).await,
        }
    }

    async fn update_among_updates(
        &self,
        key: Key<'_>,
        entry: NewEntry,
        expected: Version,
    ) -> Result<Version> {
        let _alone = self.state.updating.lock().await;
        if self.inner.get(key).await?.map(|entry| entry.version) != Some(expected) {
            return Err(error(ErrorKind::Conflict).during("put").at(key));
        }
        tokio::task::yield_now().await;
        self.inner.put(key, entry, PutMode::Replace).await
    }

    fn was(&self, name: &Name, version: Version) -> bool {
        self.state.shadow.lock().unwrap().get(name).is_some_and(|entry| entry.version == version)
    }

    async fn replace(&self, name: &Name, entry: NewEntry) -> Result<Version> {
        let key = name.key();
        match self.fault {
            Fault::LosesSome if self.state.count.fetch_add(1, Ordering::SeqCst) % 10 == 9 => {
                Ok(entry.version())
            }
            Fault::RemovesThenWrites => {
                self.inner.take(key, None).await?;
                tokio::task::yield_now().await;
                self.inner.put(key, entry, PutMode::Replace).await
            }
            Fault::DropLandsLate => {
                let mut late =
                    Late { inner: self.inner.clone(), write: Some((name.clone(), entry.resend())) };
                tokio::task::yield_now().await;
                late.write = None;
                self.inner.put(key, entry, PutMode::Replace).await
            }
            _ => self.put_anyhow(name, entry, PutMode::Replace).await,
        }
    }

    /// What goes wrong in each mode.
    async fn put_anyhow(&self, name: &Name, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let key = name.key();
        match self.fault {
            Fault::LargestRefused if entry.value().len() >= ReferenceStore::MAX_VALUE => {
                Err(error(ErrorKind::TooLarge).during("put").at(key))
            }
            Fault::FullForEver if self.state.full.load(Ordering::SeqCst) => {
                Err(error(ErrorKind::Full).during("put").at(key))
            }
            Fault::FullEvicts => {
                let again = entry.resend();
                match self.inner.put(key, entry, mode).await {
                    Err(error) if error.kind() == ErrorKind::Full && self.evict(name).await? => {
                        self.inner.put(key, again, mode).await
                    }
                    answer => answer,
                }
            }
            _ => self.inner.put(key, entry, mode).await,
        }
    }

    /// Drops one entry, but for the few first puts of a test that wants to see the limit.
    async fn evict(&self, name: &Name) -> Result<bool> {
        let page = self.inner.scan(Scan::one(&name.0).limit(1), None).await?;
        let item = page.items.into_iter().find(|_| name.1 == "more");
        match item {
            Some(item) => Ok(self.inner.take(Key::new(&item.collection, &item.id), None).await?.is_some()),
            None => Ok(false),
        }
    }

    async fn refused(&self, name: &Name, kind: ErrorKind) {
        self.state.full.fetch_or(kind == ErrorKind::Full, Ordering::SeqCst);
        let deletes = match self.fault {
            Fault::TooLargeDeletes => kind == ErrorKind::TooLarge,
            Fault::FullDeletesOld => matches!(kind, ErrorKind::Full | ErrorKind::TooLarge),
            _ => false,
        };
        if deletes {
            let _ = self.inner.take(name.key(), None).await;
        }
    }
}

/// Writes 20 ms after it was dropped, unless the write was done before.
struct Late<S: Store + Clone> {
    inner: S,
    write: Option<(Name, NewEntry)>,
}

impl<S: Store + Clone> Drop for Late<S> {
    fn drop(&mut self) {
        if let Some((name, entry)) = self.write.take() {
            let inner = self.inner.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                inner.put(name.key(), entry, PutMode::Replace).await
            });
        }
    }
}
