//! What others tell: signals by pub/sub, changed keys by client tracking. Both arrive unasked, on the connection that
//! subscribed or read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use kv_core::{Change, Changes, ErrorKind, Result, Signal, Signals};
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::error;
use crate::link::{Link, Live};
use crate::names::Names;

/// Who lags behind by more gets `Gap` or `All` instead.
const SIGNALS_KEPT: usize = 256;
const CHANGES_KEPT: usize = 4_096;

/// The subscriptions over one link.
#[derive(Debug)]
pub(crate) struct News {
    names: Names,
    state: Mutex<State>,
    /// Who changes what the server tells us waits for who is at it: the last word of both sides is then the same.
    turn: tokio::sync::Mutex<()>,
    /// Wakes who tends the link.
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    topics: HashMap<Vec<u8>, broadcast::Sender<Signal>>,
    /// Set while the server tracks what we read.
    changes: Option<broadcast::Sender<Change>>,
}

impl News {
    pub(crate) fn new(names: Names) -> Self {
        Self { names, state: Mutex::default(), turn: tokio::sync::Mutex::new(()), wake: Arc::default() }
    }

    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Whether nobody listens.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.topics.is_empty() && state.changes.is_none()
    }

    /// Subscribes to `topic`.
    pub(crate) async fn signals(&self, link: &Link, topic: &str) -> Result<Signals> {
        let channel = self.names.channel(topic);
        let _turn = self.turn.lock().await;
        link.live().await?; // who listens by then is told of a gap
        let receiver = {
            let mut state = self.open()?;
            let topic = state.topics.entry(channel.clone());
            topic.or_insert_with(|| broadcast::Sender::new(SIGNALS_KEPT)).subscribe()
        };
        let left = self.leaving(); // also if subscribing fails
        link.live().await?.subscribe(&[channel]).await?;
        self.wake.notify_one(); // from now on it is looked more often whether the connection lives
        Ok(Signals::new(items(receiver, left, Signal::Gap)))
    }

    /// Subscribes to changes of what is read from now on.
    pub(crate) async fn changes(&self, link: &Link) -> Result<Changes> {
        let _turn = self.turn.lock().await;
        let receiver = {
            let mut state = self.open()?;
            state.changes.get_or_insert_with(|| broadcast::Sender::new(CHANGES_KEPT)).subscribe()
        };
        let left = self.leaving();
        link.live().await?.track(true).await?;
        self.wake.notify_one();
        Ok(Changes::new(stream::iter([Change::All]).chain(items(receiver, left, Change::All))))
    }

    /// Takes what the server says unasked.
    pub(crate) fn push(&self, push: PushInfo) {
        match push.kind {
            PushKind::Message => self.message(push.data),
            PushKind::Invalidate => self.invalidate(push.data),
            PushKind::Disconnection => self.lost(),
            _ => {}
        }
    }

    /// Subscribes a new connection to what the old one told. What the user has no right to any more ends: others who use
    /// the connection have lost nothing.
    pub(crate) async fn restore(&self, live: &Live) -> Result<()> {
        let (channels, tracks) = {
            let state = self.state();
            (state.topics.keys().cloned().collect::<Vec<_>>(), state.changes.is_some())
        };
        if tracks && !is_allowed(live.track(true).await)? {
            self.end_changes();
        }
        // One that is denied is the end of the whole command.
        if channels.is_empty() || is_allowed(live.subscribe(&channels).await)? {
            return Ok(());
        }
        for channel in channels {
            if !is_allowed(live.subscribe(std::slice::from_ref(&channel)).await)? {
                self.end_topic(&channel);
            }
        }
        Ok(())
    }

    fn end_topic(&self, channel: &[u8]) {
        if let Some(sender) = self.state().topics.remove(channel) {
            let _nobody = sender.send(Signal::Gap);
        }
    }

    fn end_changes(&self) {
        if let Some(sender) = self.state().changes.take() {
            let _nobody = sender.send(Change::All);
        }
    }

    /// The connection is gone: from now on nothing is told.
    pub(crate) fn lost(&self) {
        self.all_may_be_missing();
    }

    /// A new connection tells again: what happened in between was not told.
    pub(crate) fn resumed(&self) {
        self.all_may_be_missing();
    }

    /// Ends at the server what nobody listens to any more.
    pub(crate) async fn tidy(&self, link: &Link) {
        let _turn = self.turn.lock().await;
        let (left, untrack) = self.deserted();
        let Some(live) = link.standing() else { return };
        // Should either fail, the connection is lost, and a new one does not subscribe to them.
        if !left.is_empty() {
            let _failed = live.unsubscribe(&left).await;
        }
        if untrack {
            let _failed = live.track(false).await;
        }
    }

    /// Ends all subscriptions, for good.
    pub(crate) fn end(&self) {
        *self.state() = State { ended: true, ..State::default() };
    }

    /// Forgets topics without subscribers, and changes if nobody wants them; what is to be ended at the server.
    fn deserted(&self) -> (Vec<Vec<u8>>, bool) {
        let mut state = self.state();
        let gone = state.topics.extract_if(|_, sender| sender.receiver_count() == 0);
        let gone = gone.map(|(channel, _)| channel).collect();
        let untrack = state.changes.take_if(|sender| sender.receiver_count() == 0).is_some();
        (gone, untrack)
    }

    fn message(&self, data: Vec<Value>) {
        let mut parts = data.into_iter();
        let (Some(Value::BulkString(channel)), Some(Value::BulkString(message))) =
            (parts.next(), parts.next())
        else {
            return;
        };
        if let Some(sender) = self.state().topics.get(&channel) {
            let _nobody = sender.send(Signal::Message(Bytes::from(message)));
        }
    }

    /// Keys of ours that somebody changed, or nil: the server was emptied.
    fn invalidate(&self, data: Vec<Value>) {
        let state = self.state();
        let Some(sender) = &state.changes else { return };
        match data.into_iter().next() {
            Some(Value::Array(keys)) => {
                for key in keys {
                    let Value::BulkString(key) = key else { continue };
                    if let Some((collection, id)) = self.names.parse(&key) {
                        let (collection, id) = (collection.into_owned(), id.to_owned());
                        let _nobody = sender.send(Change::Key { collection, id });
                    }
                }
            }
            _ => drop(sender.send(Change::All)),
        }
    }

    fn all_may_be_missing(&self) {
        let state = self.state();
        for sender in state.topics.values() {
            let _nobody = sender.send(Signal::Gap);
        }
        if let Some(sender) = &state.changes {
            let _nobody = sender.send(Change::All);
        }
    }

    fn open(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.ended { Err(error::closed()) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leaving(&self) -> Leaving {
        Leaving(Arc::clone(&self.wake))
    }
}

/// Whether the server lets the user do what it answered to.
fn is_allowed(answer: Result<()>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Denied => Ok(false),
        Err(error) => Err(error),
    }
}

/// Wakes who tidies up, once the subscriber before it is gone.
struct Leaving(Arc<Notify>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn items<T: Clone + Send + 'static>(
    receiver: broadcast::Receiver<T>,
    left: Leaving,
    gap: T,
) -> impl Stream<Item = T> + Send + 'static {
    stream::unfold((receiver, left, gap), |(mut receiver, left, gap)| async {
        let next = match receiver.recv().await {
            Ok(item) => item,
            Err(RecvError::Lagged(_)) => gap.clone(),
            Err(RecvError::Closed) => return None,
        };
        Some((next, (receiver, left, gap)))
    })
}
