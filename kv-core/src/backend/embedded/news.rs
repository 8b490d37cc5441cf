//! Wake-ups and changed keys, told to who subscribed in this process: nobody else can hold the directory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};

use super::error;
use crate::{Change, Changes, Error, ErrorKind, Result, Signal, Signals};

/// Who lags behind by more gets `Gap` or `All` instead. Each topic has its own room: there may be one per session.
const SIGNALS_KEPT: usize = 64;
const CHANGES_KEPT: usize = 1_024;

/// The subscriptions of one store.
#[derive(Debug)]
pub(super) struct News(Mutex<Option<Channels>>);

#[derive(Debug)]
struct Channels {
    topics: HashMap<String, broadcast::Sender<Bytes>>,
    changes: broadcast::Sender<(String, String)>,
}

impl News {
    /// No subscriptions yet.
    pub(super) fn new() -> Self {
        let changes = broadcast::Sender::new(CHANGES_KEPT);
        Self(Mutex::new(Some(Channels { topics: HashMap::new(), changes })))
    }

    /// Wakes the subscribers of `topic`.
    ///
    /// # Errors
    /// `Invalid` for a message above 1 KiB, `Closed` after the end.
    pub(super) fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        if message.len() > Signal::MAX_BYTES {
            return Err(Error::new(ErrorKind::Invalid, "a signal carries at most 1 KiB"));
        }
        let mut state = self.state();
        let channels = state.as_mut().ok_or_else(error::closed)?;
        if channels.topics.get(topic).is_some_and(|sender| sender.send(message).is_err()) {
            channels.topics.remove(topic); // its last subscriber is gone
        }
        Ok(())
    }

    /// A subscription to `topic`.
    ///
    /// # Errors
    /// `Closed` after the end.
    pub(super) fn signals(&self, topic: &str) -> Result<Signals> {
        let mut state = self.state();
        let channels = state.as_mut().ok_or_else(error::closed)?;
        channels.topics.retain(|_, sender| sender.receiver_count() > 0);
        let sender =
            channels.topics.entry(topic.to_owned()).or_insert_with(|| broadcast::Sender::new(SIGNALS_KEPT));
        Ok(Signals::new(items(sender.subscribe(), Signal::Message, Signal::Gap)))
    }

    /// A subscription to changed keys; its first item is `All`.
    ///
    /// # Errors
    /// `Closed` after the end.
    pub(super) fn changes(&self) -> Result<Changes> {
        let state = self.state();
        let receiver = state.as_ref().ok_or_else(error::closed)?.changes.subscribe();
        let key = |(collection, id)| Change::Key { collection, id };
        Ok(Changes::new(stream::iter([Change::All]).chain(items(receiver, key, Change::All))))
    }

    /// Tells of a changed key; `name` is asked only if somebody listens.
    pub(super) fn changed(&self, name: impl FnOnce() -> Option<(String, String)>) {
        let state = self.state();
        let Some(channels) = state.as_ref().filter(|channels| channels.changes.receiver_count() > 0) else {
            return;
        };
        if let Some(name) = name() {
            drop(channels.changes.send(name)); // an error is that nobody listens any more
        }
    }

    /// Ends all subscriptions.
    pub(super) fn end(&self) {
        *self.state() = None;
    }

    fn state(&self) -> MutexGuard<'_, Option<Channels>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn items<T, I>(
    receiver: broadcast::Receiver<T>,
    item: impl Fn(T) -> I + Send + 'static,
    gap: I,
) -> impl Stream<Item = I> + Send + 'static
where
    T: Clone + Send + 'static,
    I: Clone + Send + 'static,
{
    stream::unfold((receiver, item, gap), |(mut receiver, item, gap)| async {
        let next = match receiver.recv().await {
            Ok(message) => item(message),
            Err(RecvError::Lagged(_)) => gap.clone(),
            Err(RecvError::Closed) => return None,
        };
        Some((next, (receiver, item, gap)))
    })
}
