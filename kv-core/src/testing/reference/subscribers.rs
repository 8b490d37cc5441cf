//! Who listens to what.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The subscribers of all topics. One that was dropped is forgotten at the next message.
pub(super) struct Subscribers<T>(Mutex<Vec<(String, UnboundedSender<T>)>>);

impl<T> Default for Subscribers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Subscribers<T> {
    pub(super) fn subscribe(&self, topic: &str, first: Option<T>) -> Subscription<T> {
        let (sender, receiver) = unbounded_channel();
        if let Some(item) = first {
            let _ = sender.send(item); // the receiver is in our hands
        }
        self.all(|list| list.push((topic.to_owned(), sender)));
        Subscription(receiver)
    }

    pub(super) fn send(&self, topic: &str, item: &T) {
        self.all(|list| list.retain(|(of, sender)| of != topic || sender.send(item.clone()).is_ok()));
    }

    pub(super) fn end(&self) {
        self.all(Vec::clear);
    }

    fn all(&self, act: impl FnOnce(&mut Vec<(String, UnboundedSender<T>)>)) {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What one subscriber has yet to read.
pub(super) struct Subscription<T>(UnboundedReceiver<T>);

impl<T> Stream for Subscription<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx)
    }
}
