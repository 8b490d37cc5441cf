//! Takes that leave, share or give back.

use std::sync::Arc;

use bytes::Bytes;
use kv_core::{Entry, ErrorKind, Key, Result, Store, Version};

use super::{Faulty, Name, State, error};
use crate::fault::Fault;

impl<S: Store + Clone> Faulty<S> {
    pub(super) async fn take_faultily(
        &self,
        key: Key<'_>,
        version: Option<Version>,
    ) -> Result<Option<Entry>> {
        let name = Name::under(self.fault, key);
        let key = name.key();
        let before = self.state.shadow.lock().unwrap().get(&name).cloned();
        let taken = match self.fault {
            Fault::TakeLeaves => self.inner.get(key).await,
            Fault::TakeIgnoresVersion => self.inner.take(key, None).await,
            Fault::TakeInTwoSteps => self.take_in_two_steps(key, version).await,
            Fault::TakenComesBack => self.take_and_wait(&name).await,
            Fault::ExpiredTaken => Ok(self.inner.take(key, version).await?.or(before)),
            _ => self.inner.take(key, version).await,
        }?;
        if taken.is_some() {
            self.state.shadow.lock().unwrap().remove(&name);
            if self.fault == Fault::Tombstones {
                self.state.removed.lock().unwrap().push(name.clone());
            }
        }
        Ok(taken.and_then(|entry| self.shown(&name, entry)))
    }

    async fn take_in_two_steps(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let found = self.inner.get(key).await?;
        let other =
            found.as_ref().is_some_and(|found| version.is_some_and(|version| version != found.version));
        if other {
            return Err(error(ErrorKind::Conflict).during("take").at(key));
        }
        tokio::task::yield_now().await;
        self.inner.delete_many(&[key]).await?;
        Ok(found)
    }

    async fn take_and_wait(&self, name: &Name) -> Result<Option<Entry>> {
        let taken = self.inner.take(name.key(), None).await?;
        let mut back = Back { state: Arc::clone(&self.state), entry: None };
        back.entry = taken.as_ref().map(|entry| (name.clone(), entry.value.clone()));
        tokio::task::yield_now().await;
        back.entry = None;
        Ok(taken)
    }
}

/// Gives an entry back when it is dropped before its time.
struct Back {
    state: Arc<State>,
    entry: Option<(Name, Bytes)>,
}

impl Drop for Back {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            *self.state.limbo.lock().unwrap() = Some(entry);
        }
    }
}
