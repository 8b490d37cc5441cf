//! Signals and news of changed keys, within this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use kv_core::backend::decode;
use kv_core::{Change, Changes, Key, Signal, Signals};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// A subscriber that is further behind than this sees a gap.
const SIGNALS_KEPT: usize = 64;
const CHANGES_KEPT: usize = 256;

/// Who listens to what.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    topics: Mutex<HashMap<String, Sender<Bytes>>>,
    changes: Mutex<Option<Sender<Change>>>,
    /// Whether anybody ever asked for changes: until then a write pays one load.
    watched: AtomicBool,
}

impl Hub {
    pub(crate) fn signal(&self, topic: &str, message: Bytes) {
        if let Some(topic) = self.topics().get(topic) {
            drop(topic.send(message)); // nobody listens: that is no error
        }
    }

    pub(crate) fn signals(self: &Arc<Self>, topic: &str) -> Signals {
        let mut topics = self.topics();
        let sender = topics.entry(topic.to_owned()).or_insert_with(|| channel(SIGNALS_KEPT).0);
        let leave = Leave { topic: topic.to_owned(), hub: Arc::clone(self) };
        let ear = Ear { messages: sender.subscribe(), _leave: leave };
        drop(topics);
        Signals::new(stream::unfold(ear, |mut ear| async move {
            let signal = match ear.messages.recv().await {
                Ok(message) => Signal::Message(message),
                Err(RecvError::Lagged(_)) => Signal::Gap,
                Err(RecvError::Closed) => return None,
            };
            Some((signal, ear))
        }))
    }

    pub(crate) fn changes(&self) -> Changes {
        let mut sender = self.sender();
        let changes = sender.get_or_insert_with(|| channel(CHANGES_KEPT).0).subscribe();
        self.watched.store(true, Ordering::Release);
        drop(sender);
        let first = stream::iter([Change::All]);
        Changes::new(first.chain(stream::unfold(changes, |mut changes| async move {
            let change = match changes.recv().await {
                Ok(change) => change,
                Err(RecvError::Lagged(_)) => Change::All,
                Err(RecvError::Closed) => return None,
            };
            Some((change, changes))
        })))
    }

    /// Tells of a changed key, after the change took effect.
    pub(crate) fn changed(&self, key: Key<'_>) {
        if self.watched.load(Ordering::Acquire) {
            self.tell(key.collection, key.id);
        }
    }

    /// As [`Hub::changed`], for one who has the stored name alone.
    pub(crate) fn changed_name(&self, name: &[u8]) {
        if self.watched.load(Ordering::Acquire)
            && let Some(([collection], id)) = decode::<1>(name)
        {
            self.tell(&collection, id);
        }
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        self.topics().clear();
        self.sender().take();
    }

    fn tell(&self, collection: &str, id: &str) {
        if let Some(changes) = &*self.sender()
            && changes.receiver_count() > 0
        {
            drop(changes.send(Change::Key { collection: collection.to_owned(), id: id.to_owned() }));
        }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<String, Sender<Bytes>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sender(&self) -> MutexGuard<'_, Option<Sender<Change>>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscription to a topic.
struct Ear {
    messages: Receiver<Bytes>,
    // Last: whoever is the last to leave has to see that nobody listens any more.
    _leave: Leave,
}

/// Takes the topic away when nobody listens to it.
struct Leave {
    topic: String,
    hub: Arc<Hub>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut topics = self.hub.topics();
        if topics.get(&self.topic).is_some_and(|topic| topic.receiver_count() == 0) {
            topics.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};
    use std::thread;

    use super::Hub;

    #[test]
    fn a_topic_goes_with_its_last_subscriber() {
        let hub = Arc::new(Hub::default());
        let (first, second) = (hub.signals("t"), hub.signals("t"));
        drop(first);
        assert_eq!(hub.topics().len(), 1);
        drop(second);
        assert!(hub.topics().is_empty());
    }

    #[test]
    fn a_topic_goes_though_its_last_two_subscribers_leave_at_once() {
        let (hub, at_once) = (Arc::new(Hub::default()), Barrier::new(2));
        let come_and_go = || {
            for _ in 0..20_000 {
                let ear = hub.signals("t");
                at_once.wait();
                drop(ear);
                at_once.wait();
                let left = hub.topics().len();
                at_once.wait();
                assert_eq!(left, 0);
            }
        };
        thread::scope(|scope| {
            scope.spawn(come_and_go);
            scope.spawn(come_and_go);
        });
    }
}
