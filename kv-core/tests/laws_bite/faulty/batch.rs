//! Batches that mix up, leave out or hold everybody up.

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kv_core::{Entry, ErrorKind, Key, NewEntry, PutMode, Result, Store, Version};

use super::{Faulty, Name, error};
use crate::fault::Fault;

impl<S: Store + Clone> Faulty<S> {
    /// Runs `work` without letting anybody else run, if that is the fault.
    pub(super) async fn perhaps_hogging<T>(&self, work: impl Future<Output = T>) -> T {
        if self.fault != Fault::Hogs {
            return work.await;
        }
        // Without tokio's own budget, which would make it wait for a turn that never comes.
        let mut work = pin!(tokio::task::unconstrained(work));
        loop {
            if let Poll::Ready(answer) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return answer;
            }
        }
    }

    fn not_empty(&self, empty: bool) -> Result<()> {
        match self.fault {
            Fault::EmptyBatchFails if empty => Err(error(ErrorKind::Invalid)),
            _ => Ok(()),
        }
    }

    pub(super) async fn get_many_faultily(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.not_empty(keys.is_empty())?;
        let names: Vec<_> = keys.iter().map(|key| Name::under(self.fault, *key)).collect();
        let inner: Vec<_> = names.iter().map(Name::key).collect();
        let mut seen = BTreeSet::new();
        let mut answers = Vec::new();
        for (n, (answer, name)) in self.inner.get_many(&inner).await?.into_iter().zip(&names).enumerate() {
            let found = answer?.and_then(|entry| self.shown(name, entry));
            let again = !seen.insert(name);
            match self.fault {
                Fault::BatchCut if n >= 1_000 => answers.push(Ok(None)),
                Fault::ReadsOnce if again => answers.push(Ok(None)),
                Fault::DropsAbsent if found.is_none() => {}
                Fault::ExpiredInBatch if found.is_none() => {
                    answers.push(Ok(self.state.shadow.lock().unwrap().get(name).cloned()));
                }
                Fault::BatchReadsOtherVersion => answers.push(Ok(found.map(|mut entry| {
                    entry.version = Version::random();
                    entry
                }))),
                _ => answers.push(Ok(found)),
            }
        }
        Ok(answers)
    }

    pub(super) async fn put_many_faultily(
        &self,
        entries: Vec<(Key<'_>, NewEntry)>,
    ) -> Result<Vec<Result<Version>>> {
        self.not_empty(entries.is_empty())?;
        let bytes: usize = entries.iter().map(|(_, entry)| entry.value().len()).sum();
        if self.fault == Fault::BatchOf8Mib && bytes > 8 << 20 {
            return Err(error(ErrorKind::TooLarge).during("put_many"));
        }
        let first = entries.first().map(|(key, entry)| (key.collection.to_owned(), entry.lifetime()));
        let mut seen = BTreeSet::new();
        let mut answers = Vec::new();
        for (n, (key, entry)) in entries.into_iter().enumerate() {
            let name = self.batch_name(key, first.as_ref());
            let entry = self.batch_entry(entry, first.as_ref());
            answers.push(self.put_one_of_many(&name, entry, !seen.insert(name.clone())).await);
            if n % 64 == 63 {
                tokio::task::yield_now().await;
            }
        }
        if self.fault == Fault::BatchAllOrNothing {
            return answers
                .into_iter()
                .collect::<Result<Vec<_>>>()
                .map(|ok| ok.into_iter().map(Ok).collect());
        }
        Ok(answers)
    }

    fn batch_name(&self, key: Key<'_>, first: Option<&(String, Option<Duration>)>) -> Name {
        match (self.fault, first) {
            (Fault::BatchOneCollection, Some((collection, _))) => Name(collection.clone(), key.id.to_owned()),
            _ => key.into(),
        }
    }

    fn batch_entry(&self, entry: NewEntry, first: Option<&(String, Option<Duration>)>) -> NewEntry {
        match (self.fault, first) {
            (Fault::BatchSharesTtl, Some((_, ttl))) => entry.ttl(*ttl),
            _ => entry,
        }
    }

    async fn put_one_of_many(&self, name: &Name, entry: NewEntry, again: bool) -> Result<Version> {
        let (version, value) = (entry.version(), entry.value().clone());
        match self.fault {
            Fault::FirstWriteWins if again => Ok(version),
            Fault::BatchCreates => {
                let _ = self.put_faultily(name.key(), entry, PutMode::Create).await;
                Ok(version)
            }
            _ => {
                let answer = self.put_faultily(name.key(), entry, PutMode::Replace).await;
                answer.map_err(|error| self.blamed(error, name.key(), &value))
            }
        }
    }

    pub(super) async fn delete_many_faultily(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.not_empty(keys.is_empty())?;
        let mut answers = Vec::new();
        let mut seen = BTreeSet::new();
        for (n, key) in keys.iter().enumerate() {
            let name = Name::under(self.fault, *key);
            let again = !seen.insert(name);
            let absent = self.take_faultily(*key, None).await?.is_none();
            let fails = match self.fault {
                Fault::DeletesOnce => again,
                Fault::AbsentDeleteFails => absent,
                _ => false,
            };
            answers.push(if fails { Err(error(ErrorKind::Invalid)) } else { Ok(()) });
            if n % 64 == 63 {
                tokio::task::yield_now().await;
            }
        }
        Ok(answers)
    }
}
