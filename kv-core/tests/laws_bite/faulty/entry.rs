//! What is done to an entry on its way in and on its way out.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{Entry, Key, Meta, NewEntry, Result, Store};

use super::{Faulty, Name};
use crate::fault::Fault;

const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(31_557_600);
const MS: Duration = Duration::from_millis(1);

impl<S: Store + Clone> Faulty<S> {
    pub(super) async fn get_faultily(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let name = Name::under(self.fault, key);
        if self.fault == Fault::ReadsWhenClosed {
            return Ok(self.state.shadow.lock().unwrap().get(&name).cloned());
        }
        let limbo = self.state.limbo.lock().unwrap().take();
        if let Some((name, value)) = limbo {
            self.inner.put(name.key(), NewEntry::new(value), kv_core::PutMode::Replace).await?;
        }
        let found = self.inner.get(name.key()).await?;
        if self.fault == Fault::HandlesCache {
            return Ok(self.own.read.lock().unwrap().entry(name).or_insert(found).clone());
        }
        if self.fault == Fault::AbsenceFails && found.is_none() {
            return Err(super::error(kv_core::ErrorKind::Invalid).during("get").at(key));
        }
        if let (Fault::Slides, Some(entry)) = (self.fault, &found) {
            let ttl = self.state.shadow.lock().unwrap().get(&name).and_then(|entry| entry.ttl);
            let entry = NewEntry::new(entry.value.clone()).ttl(ttl);
            self.inner.put(name.key(), entry, kv_core::PutMode::Replace).await?;
        }
        Ok(found.and_then(|entry| self.shown(&name, entry)))
    }

    /// The entry as this store shows it.
    pub(super) fn shown(&self, name: &Name, mut entry: Entry) -> Option<Entry> {
        match self.fault {
            Fault::RemainingPlusOne => entry.ttl = entry.ttl.map(|left| left + MS),
            Fault::RemainingStands => {
                entry.ttl = self.state.shadow.lock().unwrap().get(name).and_then(|entry| entry.ttl);
            }
            Fault::EmptyIsAbsent if entry.value.is_empty() => return None,
            Fault::Unwraps if entry.value.starts_with(b"LD") => entry.value = entry.value.slice(2..),
            _ => {}
        }
        Some(entry)
    }

    /// The entry as this store writes it.
    pub(super) async fn altered(&self, key: Key<'_>, entry: NewEntry) -> NewEntry {
        let old = match self.fault {
            Fault::KeepsOldTtl | Fault::KeepsFirstDeadline | Fault::KeepsOldMeta => {
                self.inner.get(key).await.ok().flatten()
            }
            _ => None,
        };
        let (ttl, meta) =
            (self.ttl(entry.lifetime(), old.as_ref()), self.meta(entry.meta_ref(), old.as_ref()));
        entry.ttl(ttl).meta(meta).map_value(|value| self.value(value))
    }

    fn ttl(&self, asked: Option<Duration>, old: Option<&Entry>) -> Option<Duration> {
        let old = old.and_then(|entry| entry.ttl);
        let Some(ttl) = asked else {
            return match self.fault {
                Fault::DefaultTtl => Some(DAY),
                Fault::KeepsOldTtl => old,
                _ => None,
            };
        };
        Some(match self.fault {
            Fault::Early if ttl > MS => ttl.saturating_sub((ttl / 10).max(MS)),
            Fault::Late => ttl + 100 * MS,
            Fault::RoundsDown => Duration::from_millis(u64::try_from(ttl.as_millis()).unwrap().max(1)),
            Fault::ZeroIsForever if ttl.is_zero() => return None,
            Fault::CapsTtl => ttl.min(YEAR * 100),
            Fault::RefusesAbove68Years if ttl > YEAR * 68 => Duration::ZERO,
            Fault::DateAbove30Days if ttl > DAY * 30 => MS,
            Fault::EndsEarlierThan2038 => ttl.min(YEAR * 10),
            Fault::KeepsFirstDeadline => old.unwrap_or(ttl),
            _ => ttl,
        })
    }

    fn meta(&self, given: &Meta, old: Option<&Entry>) -> Meta {
        match self.fault {
            Fault::DropsMeta => Meta::default(),
            Fault::KeepsOldMeta if given.is_plain() => {
                old.map(|entry| entry.meta.clone()).unwrap_or_default()
            }
            _ => given.clone(),
        }
    }

    fn value(&self, value: Bytes) -> Bytes {
        match self.fault {
            Fault::CutsValues => value.slice(..value.len().min(100_000)),
            Fault::ValuesAreText => String::from_utf8_lossy(&value).into_owned().into(),
            _ => value,
        }
    }
}
