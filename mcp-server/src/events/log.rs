//! The log in the store: what other processes read of the streams that are written here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kv_core::{AnyStore, ErrorKind, Key, NewEntry, Store as _};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as Turn;
use tokio::time::Instant;

use super::KEPT;
use crate::protocol::{Json, RequestId};
use crate::replica::Replica;
use crate::server::LONGEST;

const EVENTS: &str = "events";
/// How long what is said may stay unwritten.
const BEHIND: Duration = Duration::from_millis(50);
/// How much may stay unwritten: of more, what comes last is left out, and streams say so.
pub(crate) const MAX_UNWRITTEN: usize = 64 << 20;
/// How long the end of a stream waits for a store that hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// After how long it is tried again to write what the store did not take.
const AGAIN: Duration = Duration::from_millis(500);
/// What an entry takes beside its value.
const OVERHEAD: usize = 256;

/// The log, written behind: all streams of this process together, every 50 ms while anything is said, and before a
/// stream ends. What the store does not take waits, with all that is said meanwhile, and is written later. Cheap to clone.
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
    entries: BTreeMap<String, Unsaid>,
    gone: BTreeSet<String>,
    /// What the entries take.
    bytes: usize,
    /// What those take that are being written.
    in_flight: Option<usize>,
    /// What was noted last of the streams that are being written.
    heads: HashMap<String, Head>,
    /// Which processes read what is written here.
    read_by: BTreeSet<String>,
    /// Whether somebody is about to write it.
    awaited: bool,
}

/// An entry that is not in the store yet.
struct Unsaid {
    value: Bytes,
    /// When nobody will ask for it any more.
    until: Instant,
    /// The stream and the number of an event.
    event: Option<(String, u64)>,
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

    /// Whether the store can keep a message at all.
    pub(super) fn takes(&self, message: &Bytes) -> bool {
        self.0.store.capabilities().max_value.is_none_or(|most| message.len() <= most)
    }

    /// Writes an event, soon. One that finds no room is missing, and the stream says so: it begins behind it.
    pub(super) fn add(&self, stream: &str, number: u64, message: Bytes) {
        let mut unwritten = self.unwritten();
        let waiting = unwritten.bytes + unwritten.in_flight.unwrap_or_default();
        if waiting + message.len() > MAX_UNWRITTEN && waiting > 0 {
            tracing::warn!("the store takes no events: a stream cannot be resumed from what it said now");
            return self.miss(&mut unwritten, stream, number);
        }
        // It outlives whatever may be left of its stream; what the head says decides how long it is read.
        let (until, event) = (Instant::now() + self.life(None), Some((stream.to_owned(), number)));
        unwritten.insert(event_key(stream, number), Unsaid { value: message, until, event });
    }

    /// Forgets events, soon.
    pub(super) fn forget(&self, stream: &str, numbers: Range<u64>) {
        let mut unwritten = self.unwritten();
        for number in numbers {
            let key = event_key(stream, number);
            if !unwritten.remove(&key) {
                unwritten.gone.insert(key);
            }
        }
    }

    /// Writes what is known of a stream, soon. After its `last` event nothing is noted any more.
    pub(super) fn note(&self, stream: &str, request: &RequestId, first: u64, last: Option<u64>) {
        let request = request.as_json().as_str().to_owned();
        let owner = self.0.replica.id().to_owned();
        let mut unwritten = self.unwritten();
        // What was missed before stays missed.
        let missed = unwritten.heads.get(stream).map_or(0, |head| head.first);
        let head = Head { owner, request, first: first.max(missed), last };
        self.keep(&mut unwritten, stream, &head);
        if last.is_some() {
            unwritten.heads.remove(stream);
        } else {
            unwritten.heads.insert(stream.to_owned(), head);
        }
    }

    /// Nothing is said on a stream any more, also where its last event was not noted.
    pub(super) fn ended(&self, stream: &str) {
        self.unwritten().heads.remove(stream);
    }

    /// An event is in no log, and will not be: its stream begins behind it.
    fn miss(&self, unwritten: &mut Unwritten, stream: &str, number: u64) {
        let Some(mut head) = unwritten.heads.remove(stream) else { return };
        head.first = head.first.max(number + 1);
        self.keep(unwritten, stream, &head);
        unwritten.heads.insert(stream.to_owned(), head);
    }

    /// There is always room for what says how much of a stream is there.
    fn keep(&self, unwritten: &mut Unwritten, stream: &str, head: &Head) {
        let Ok(value) = Json::of(head) else { return };
        let until = Instant::now() + self.life(head.last);
        unwritten.insert(stream.to_owned(), Unsaid { value: value.as_bytes().clone(), until, event: None });
    }

    /// How long what is kept of a stream that has ended with this event, or did not end yet, is of use.
    fn life(&self, last: Option<u64>) -> Duration {
        if last.is_some() { KEPT } else { self.0.longest.saturating_add(KEPT).min(LONGEST) }
    }

    /// Has what was said written within 50 ms; `read_by` is a process that waits for it.
    pub(super) fn flush_soon(&self, read_by: Option<String>) {
        self.flush_after(BEHIND, read_by);
    }

    fn flush_after(&self, delay: Duration, read_by: Option<String>) {
        let mut unwritten = self.unwritten();
        unwritten.read_by.extend(read_by);
        if std::mem::replace(&mut unwritten.awaited, true) {
            return;
        }
        drop(unwritten);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let this = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep(delay).await;
            this.flush().await;
        });
    }

    /// As [`Log::flush`], with a process that waits for it; a store that hangs is not waited for.
    pub(super) async fn flush_for(&self, read_by: Option<String>) {
        self.unwritten().read_by.extend(read_by);
        if tokio::time::timeout(PATIENCE, self.flush()).await.is_err() {
            tracing::warn!("the store hangs: the end of a stream may be missing in its log for a while");
        }
    }

    /// Has all that was said written, as long as there is hope: nobody does later.
    pub(super) async fn flush_all(&self) {
        let all = async {
            while !self.flush().await {
                tokio::time::sleep(BEHIND).await;
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("the store fails: streams cannot be resumed from what was said last");
        }
    }

    /// Whether something of a stream may not be in the store yet.
    pub(super) fn is_behind(&self, stream: &str) -> bool {
        let unwritten = self.unwritten();
        let mut from_stream = unwritten.entries.range(stream.to_owned()..);
        unwritten.in_flight.is_some() || from_stream.next().is_some_and(|(key, _)| key.starts_with(stream))
    }

    /// Writes what was said; tells whether the store took all of it. What it did not take is tried again in a moment,
    /// beside what is said until then; for those who resume elsewhere it is late, and for nobody else.
    pub(super) async fn flush(&self) -> bool {
        let turn = self.0.turn.lock().await;
        let mut batch = Batch::take(self);
        let failed = self.write(&mut batch).await.err();
        let read_by = if failed.is_none() { std::mem::take(&mut batch.read_by) } else { BTreeSet::new() };
        drop((batch, turn));
        if let Some(error) = &failed {
            tracing::warn!(%error, "the log of streams could not be written and is tried again");
        }
        for replica in read_by {
            self.0.replica.ring(&replica).await;
        }
        failed.is_none()
    }

    /// Leaves in the batch what may succeed later.
    async fn write(&self, batch: &mut Batch<'_>) -> kv_core::Result<()> {
        let mut failed = None;
        if !batch.entries.is_empty() {
            let now = Instant::now();
            let entries = batch.entries.iter().map(|(id, unsaid)| {
                let life = unsaid.until.saturating_duration_since(now);
                (Key::new(EVENTS, id), NewEntry::new(unsaid.value.clone()).ttl(life))
            });
            let written = self.0.store.put_many(entries.collect()).await?;
            let ids: Vec<String> = batch.entries.keys().cloned().collect();
            for (id, written) in ids.into_iter().zip(written) {
                match written {
                    Ok(_) => drop(batch.entries.remove(&id)),
                    Err(error) if is_temporary(&error) => failed = Some(error),
                    Err(error) => {
                        tracing::warn!(%error, "the store refuses an event: its stream cannot be resumed from there");
                        if let Some((stream, number)) =
                            batch.entries.remove(&id).and_then(|unsaid| unsaid.event)
                        {
                            self.miss(&mut self.unwritten(), &stream, number);
                        }
                    }
                }
            }
        }
        if !batch.gone.is_empty() {
            let keys: Vec<_> = batch.gone.iter().map(|id| Key::new(EVENTS, id)).collect();
            self.0.store.delete_many(&keys).await?;
            batch.gone.clear(); // one that stays ends by itself
        }
        failed.map_or(Ok(()), Err)
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
            (from..from.saturating_add(count)).map(|number| event_key(stream, number)).collect();
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

impl Unwritten {
    fn insert(&mut self, key: String, unsaid: Unsaid) {
        self.gone.remove(&key);
        self.bytes += unsaid.size();
        if let Some(before) = self.entries.insert(key, unsaid) {
            self.bytes -= before.size();
        }
    }

    /// Tells whether it was there.
    fn remove(&mut self, key: &str) -> bool {
        let removed = self.entries.remove(key);
        self.bytes -= removed.as_ref().map_or(0, Unsaid::size);
        removed.is_some()
    }
}

impl Unsaid {
    fn size(&self) -> usize {
        self.value.len() + OVERHEAD
    }
}

/// What is being written. Dropped, it gives back what was not: the store may take it later.
struct Batch<'a> {
    log: &'a Log,
    entries: BTreeMap<String, Unsaid>,
    gone: BTreeSet<String>,
    read_by: BTreeSet<String>,
}

impl<'a> Batch<'a> {
    fn take(log: &'a Log) -> Self {
        let mut unwritten = log.unwritten();
        let entries = std::mem::take(&mut unwritten.entries);
        let (gone, read_by) = (std::mem::take(&mut unwritten.gone), std::mem::take(&mut unwritten.read_by));
        unwritten.in_flight = Some(std::mem::take(&mut unwritten.bytes));
        unwritten.awaited = false;
        Self { log, entries, gone, read_by }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut unwritten = self.log.unwritten();
        unwritten.in_flight = None;
        if self.entries.is_empty() && self.gone.is_empty() {
            return;
        }
        unwritten.read_by.append(&mut self.read_by);
        unwritten.gone.append(&mut self.gone);
        let now = Instant::now();
        for (key, unsaid) in std::mem::take(&mut self.entries) {
            // What was said or forgotten since goes before, and what is too old goes.
            if unsaid.until > now && !unwritten.gone.contains(&key) && !unwritten.entries.contains_key(&key) {
                unwritten.insert(key, unsaid);
            }
        }
        drop(unwritten);
        self.log.flush_after(AGAIN, None);
    }
}

/// Whether the store may take later what it refused now.
fn is_temporary(error: &kv_core::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Invalid | ErrorKind::TooLarge | ErrorKind::Unsupported | ErrorKind::Closed
    )
}

fn event_key(stream: &str, number: u64) -> String {
    format!("{stream}.{number}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use kv_core::{AnyStore, Key, Store as _};
    use kv_memory::MemoryStore;

    use super::{Batch, EVENTS, Log, MAX_UNWRITTEN, event_key};
    use crate::protocol::{Json, RequestId};
    use crate::replica::Replica;

    async fn is_written(store: &AnyStore, number: u64) -> bool {
        store.get(Key::new(EVENTS, &event_key("s", number))).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn what_a_store_does_not_take_is_bounded_and_a_stream_begins_behind_what_is_missing() {
        let store = AnyStore::new(MemoryStore::new());
        let log = Log::new(store.clone(), Replica::new(&store), Duration::from_secs(60));
        let request = RequestId::new(&Json::parse("1".into()).unwrap()).unwrap();
        log.note("s", &request, 1, None);
        let (size, fit) = (1 << 20, (MAX_UNWRITTEN >> 20) as u64 - 1); // and what belongs to each
        let large = Bytes::from(vec![b'x'; size]);
        for number in 1..=fit + 3 {
            log.add("s", number, large.clone());
        }
        log.forget("s", 1..3); // makes room for two
        log.note("s", &request, 3, None);
        for number in [fit + 4, fit + 5, fit + 6] {
            log.add("s", number, large.clone());
        }
        assert!(log.is_behind("s"));
        assert!(log.flush().await);
        let mut written = Vec::new();
        for number in 0..fit + 10 {
            if is_written(&store, number).await {
                written.push(number);
            }
        }
        let expected: Vec<_> = (3..=fit).chain([fit + 4, fit + 5]).collect();
        assert_eq!(written, expected);
        assert_eq!(log.head("s").await.unwrap().unwrap().first, fit + 7, "nobody resumes across a gap");
        assert_eq!(log.unwritten().bytes, 0);
        assert_eq!(log.unwritten().in_flight, None);
        assert!(!log.is_behind("s"));
    }

    #[tokio::test]
    async fn what_was_being_written_when_somebody_gave_up_is_written_later() {
        let store = AnyStore::new(MemoryStore::new());
        let log = Log::new(store.clone(), Replica::new(&store), Duration::from_secs(60));
        log.add("s", 1, "one".into());
        log.add("s", 2, "two".into());
        let batch = Batch::take(&log);
        log.add("s", 3, "three".into());
        log.forget("s", 1..2);
        drop(batch); // as when the time to write has passed
        assert!(log.flush().await);
        let written = [is_written(&store, 1).await, is_written(&store, 2).await, is_written(&store, 3).await];
        assert_eq!(written, [false, true, true]);
    }
}
