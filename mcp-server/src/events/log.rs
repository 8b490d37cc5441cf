//! The log in the store: what other processes read of the streams that are written here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kv_core::{AnyStore, Key, NewEntry, Store as _};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as Turn;

use super::KEPT;
use crate::protocol::{Json, RequestId};
use crate::replica::Replica;
use crate::server::LONGEST;

const EVENTS: &str = "events";
/// How long what is said may stay unwritten.
const BEHIND: Duration = Duration::from_millis(50);
/// How much may stay unwritten: of more, what comes last is left out.
pub(crate) const MAX_UNWRITTEN: usize = 64 << 20;
/// How long the end of a stream waits for a store that hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// The log, written behind: all streams of this process together, every 50 ms while anything is said, and before a
/// stream ends. Cheap to clone.
#[derive(Clone)]
pub(super) struct Log(Arc<Inner>);

struct Inner {
    store: AnyStore,
    replica: Replica,
    /// How long a stream may be written.
    longest: Duration,
    unwritten: Mutex<Unwritten>,
    /// Held while writing: what was said first is written first.
    turn: Turn<()>,
}

#[derive(Default)]
struct Unwritten {
    entries: BTreeMap<String, (Bytes, Duration)>,
    gone: Vec<String>,
    /// What the events take.
    bytes: usize,
    /// Which processes read what is written here.
    read_by: BTreeSet<String>,
    /// Whether somebody is about to write it.
    awaited: bool,
}

/// What the log knows of a stream beside its events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The process that writes it.
    pub(super) owner: String,
    /// The id of the request that it will answer, as the client wrote it.
    pub(super) request: String,
    /// The number of the oldest event that is kept.
    pub(super) first: u64,
    /// The number of the last one, once it has ended.
    pub(super) last: Option<u64>,
}

/// What was found of a stream at once.
pub(super) struct Page {
    pub(super) head: Option<Head>,
    /// Whether its owner lives; `None` where that was not asked.
    pub(super) owner_lives: Option<bool>,
    /// The events that were asked for, up to the first that is missing.
    pub(super) events: Vec<Bytes>,
}

impl Log {
    pub(super) fn new(store: AnyStore, replica: Replica, longest: Duration) -> Self {
        let (unwritten, turn) = (Mutex::default(), Turn::new(()));
        Self(Arc::new(Inner { store, replica, longest, unwritten, turn }))
    }

    /// Writes an event, soon.
    pub(super) fn add(&self, stream: &str, number: u64, message: Bytes) {
        // It outlives whatever may be left of its stream; what the head says decides how long it is read.
        let life = self.0.longest.saturating_add(KEPT).min(LONGEST);
        let mut unwritten = self.unwritten();
        if unwritten.bytes + message.len() > MAX_UNWRITTEN && unwritten.bytes > 0 {
            return; // the store hangs, and others miss what it does not take
        }
        unwritten.bytes += message.len();
        unwritten.entries.insert(event(stream, number), (message, life));
    }

    /// Forgets events, soon.
    pub(super) fn forget(&self, stream: &str, numbers: Range<u64>) {
        let mut unwritten = self.unwritten();
        for number in numbers {
            let key = event(stream, number);
            match unwritten.entries.remove(&key) {
                Some((message, _)) => unwritten.bytes = unwritten.bytes.saturating_sub(message.len()),
                None => unwritten.gone.push(key),
            }
        }
    }

    /// Writes what is known of a stream, soon.
    pub(super) fn note(&self, stream: &str, request: &RequestId, first: u64, last: Option<u64>) {
        let request = request.as_json().as_str().to_owned();
        let head = Head { owner: self.0.replica.id().to_owned(), request, first, last };
        let Ok(head) = Json::of(&head) else { return };
        let life = if last.is_some() { KEPT } else { self.0.longest.saturating_add(KEPT).min(LONGEST) };
        self.unwritten().entries.insert(stream.to_owned(), (head.as_bytes().clone(), life));
    }

    /// Has what was said written within 50 ms; `read_by` is a process that waits for it.
    pub(super) fn flush_soon(&self, read_by: Option<String>) {
        let mut unwritten = self.unwritten();
        unwritten.read_by.extend(read_by);
        if std::mem::replace(&mut unwritten.awaited, true) {
            return;
        }
        drop(unwritten);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let this = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep(BEHIND).await;
            this.flush().await;
        });
    }

    /// As [`Log::flush`], with a process that waits for it; a store that hangs is not waited for.
    pub(super) async fn flush_for(&self, read_by: Option<String>) {
        self.unwritten().read_by.extend(read_by);
        if tokio::time::timeout(PATIENCE, self.flush()).await.is_err() {
            tracing::warn!("the store hangs: the end of a stream may be missing in its log");
        }
    }

    /// Writes what was said. A store that fails loses it for those who resume elsewhere, and for nobody else.
    pub(super) async fn flush(&self) {
        let _turn = self.0.turn.lock().await;
        let Unwritten { entries, gone, read_by, .. } = std::mem::take(&mut *self.unwritten());
        if let Err(error) = self.write(&entries, &gone).await {
            tracing::warn!(%error, "the log of streams could not be written");
        }
        for replica in read_by {
            self.0.replica.ring(&replica).await;
        }
    }

    async fn write(
        &self,
        entries: &BTreeMap<String, (Bytes, Duration)>,
        gone: &[String],
    ) -> kv_core::Result<()> {
        if !entries.is_empty() {
            let entries = entries
                .iter()
                .map(|(id, (value, life))| (Key::new(EVENTS, id), NewEntry::new(value.clone()).ttl(*life)));
            for written in self.0.store.put_many(entries.collect()).await? {
                written?;
            }
        }
        if !gone.is_empty() {
            let keys: Vec<_> = gone.iter().map(|id| Key::new(EVENTS, id)).collect();
            self.0.store.delete_many(&keys).await?;
        }
        Ok(())
    }

    /// What is known of a stream.
    pub(super) async fn head(&self, stream: &str) -> kv_core::Result<Option<Head>> {
        let entry = self.0.store.get(Key::new(EVENTS, stream)).await?;
        Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()))
    }

    /// What is known of a stream whose owner was `owner`, and up to `count` events from `from` on, in one round trip.
    pub(super) async fn page(
        &self,
        stream: &str,
        owner: &str,
        from: u64,
        count: u64,
    ) -> kv_core::Result<Page> {
        let (replicas, beat) = Replica::heartbeat_of(owner);
        let ids: Vec<String> =
            (from..from.saturating_add(count)).map(|number| event(stream, number)).collect();
        let mut keys = vec![Key::new(EVENTS, stream), Key::new(replicas, &beat)];
        keys.extend(ids.iter().map(|id| Key::new(EVENTS, id)));
        let mut found = self.0.store.get_many(&keys).await?.into_iter();
        let head = found.next().transpose()?.flatten();
        let head = head.and_then(|entry| serde_json::from_slice(&entry.value).ok());
        let owner_lives = found.next().transpose()?.map(|beat| beat.is_some());
        let mut events = Vec::new();
        for entry in found {
            let Some(entry) = entry? else { break };
            events.push(entry.value);
        }
        Ok(Page { head, owner_lives, events })
    }

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.0.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(stream: &str, number: u64) -> String {
    format!("{stream}.{number}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use kv_core::{AnyStore, Key, Store as _};
    use kv_memory::MemoryStore;

    use super::{EVENTS, Log, MAX_UNWRITTEN, event};
    use crate::replica::Replica;

    #[tokio::test]
    async fn what_a_store_does_not_take_is_bounded_and_the_rest_is_written() {
        let store = AnyStore::new(MemoryStore::new());
        let log = Log::new(store.clone(), Replica::new(&store), Duration::from_secs(60));
        let (size, fit) = (1 << 20, (MAX_UNWRITTEN >> 20) as u64);
        let large = Bytes::from(vec![b'x'; size]);
        for number in 1..=fit + 3 {
            log.add("s", number, large.clone());
        }
        log.forget("s", 1..3); // makes room for two
        for number in [fit + 4, fit + 5, fit + 6] {
            log.add("s", number, large.clone());
        }
        log.flush().await;
        let mut written = Vec::new();
        for number in 0..fit + 10 {
            let key = event("s", number);
            if store.get(Key::new(EVENTS, &key)).await.unwrap().is_some() {
                written.push(number);
            }
        }
        let expected: Vec<_> = (3..=fit).chain([fit + 4, fit + 5]).collect();
        assert_eq!(written, expected);
        assert_eq!(log.unwritten().bytes, 0);
    }
}
