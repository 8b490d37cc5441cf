//! Signals on the wrong line, and subscriptions that end too early or too late.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use kv_core::{Changes, ErrorKind, Result, Signal, Signals, Store};

use super::{Faulty, error};
use crate::fault::Fault;

impl<S: Store + Clone> Faulty<S> {
    pub(super) async fn signal_faultily(&self, topic: &str, mut message: Bytes) -> Result<()> {
        match self.fault {
            Fault::SignalsLie => Err(error(ErrorKind::Unsupported).during("signal")),
            Fault::TopicsFold => self.inner.signal(&topic.to_lowercase(), message).await,
            Fault::CutsSignals => {
                message.truncate(Signal::MAX_BYTES);
                self.inner.signal(topic, message).await
            }
            _ => self.inner.signal(topic, message).await,
        }
    }

    pub(super) async fn signals_faultily(&self, topic: &str) -> Result<Signals> {
        let earlier = self.state.count.fetch_add(1, Ordering::SeqCst);
        let folded = topic.to_lowercase();
        let topic = if self.fault == Fault::TopicsFold { &folded } else { topic };
        let signals = self.inner.signals(topic).await?;
        Ok(match self.fault {
            Fault::SignalsLie => return Err(error(ErrorKind::Unsupported).during("signals")),
            Fault::OneSubscriber if earlier > 0 => Signals::new(Until(signals, 0, End::Ends)),
            Fault::SignalsStayHere if self.handle > 0 => Signals::new(Until(signals, 0, End::Ends)),
            Fault::SubscriptionsLeak if earlier >= 100 => {
                return Err(error(ErrorKind::Full).during("signals"));
            }
            Fault::SignalsOutliveClose => Signals::new(Until(signals, usize::MAX, End::Waits)),
            _ => signals,
        })
    }

    pub(super) async fn changes_faultily(&self) -> Result<Changes> {
        let mut changes = self.inner.changes().await?;
        Ok(match self.fault {
            Fault::NewsStartBare => {
                changes.next().await;
                let key = kv_core::Change::Key { collection: String::new(), id: String::new() };
                Changes::new(Then(Some(key), changes))
            }
            Fault::NewsEnd => Changes::new(Until(changes, 1, End::Ends)),
            Fault::NewsOutliveClose => Changes::new(Until(changes, usize::MAX, End::Waits)),
            _ => changes,
        })
    }
}

/// So many items of a stream, then what comes of its end.
struct Until<T>(T, usize, End);

enum End {
    Ends,
    Waits,
}

impl<T: Stream + Unpin> Stream for Until<T> {
    type Item = T::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        let next = if self.1 == 0 { Poll::Ready(None) } else { Pin::new(&mut self.0).poll_next(cx) };
        match (next, &self.2) {
            (Poll::Ready(None), End::Waits) => Poll::Pending,
            (Poll::Ready(Some(item)), _) => {
                self.1 = self.1.saturating_sub(1);
                Poll::Ready(Some(item))
            }
            (next, _) => next,
        }
    }
}

/// One item, then a stream.
struct Then<I, T>(Option<I>, T);

impl<I: Unpin, T: Stream<Item = I> + Unpin> Stream for Then<I, T> {
    type Item = I;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I>> {
        match self.0.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.1).poll_next(cx),
        }
    }
}
