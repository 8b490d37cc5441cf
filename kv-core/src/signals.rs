//! Wake-ups between the processes that share a store, and news of changed keys.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

type Boxed<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// One item of a subscription to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// What somebody sent: at most 1 KiB, never a secret, since encryption does not cover it.
    Message(Bytes),
    /// Some may have been lost: look for yourself.
    Gap,
}

impl Signal {
    /// The largest message in bytes.
    pub const MAX_BYTES: usize = 1024;
}

/// One item of a subscription to changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// This entry was written, removed or has expired.
    Key {
        /// Its collection.
        collection: String,
        /// Its id.
        id: String,
    },
    /// Anything may have changed: the first item, and whenever some may be lost.
    All,
}

/// A subscription to one topic. Dropping it unsubscribes; closing the store ends it.
pub struct Signals(Boxed<Signal>);

/// A subscription to changes. Dropping it unsubscribes; closing the store ends it.
pub struct Changes(Boxed<Change>);

macro_rules! subscription {
    ($name:ident, $item:ty) => {
        impl $name {
            /// A subscription that yields what `stream` yields.
            pub fn new(stream: impl Stream<Item = $item> + Send + 'static) -> Self {
                Self(Box::pin(stream))
            }

            /// Waits for the next item; `None` once the store is closed.
            pub async fn next(&mut self) -> Option<$item> {
                std::future::poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
            }
        }

        impl Stream for $name {
            type Item = $item;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<$item>> {
                self.0.as_mut().poll_next(cx)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

subscription!(Signals, Signal);
subscription!(Changes, Change);
