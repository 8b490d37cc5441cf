//! What lets `close` wait for the operations in flight.

use std::sync::atomic::{AtomicU64, Ordering};

use kv_core::Result;
use tokio::sync::Notify;

use crate::error;

const CLOSED: u64 = 1 << 63;

/// Counts who is inside, and lets nobody in once closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// The closed bit and the number of passes.
    inside: AtomicU64,
    empty: Notify,
}

/// Somebody is inside until this is dropped, a cancelled future's too.
#[derive(Debug)]
pub(crate) struct Pass<'a>(&'a Gate);

impl Gate {
    /// Lets an operation in.
    pub(crate) fn enter(&self) -> Result<Pass<'_>> {
        let pass = Pass(self);
        if self.inside.fetch_add(1, Ordering::AcqRel) & CLOSED == 0 { Ok(pass) } else { Err(error::closed()) }
    }

    /// Lets nobody in any more and waits until nobody is inside.
    pub(crate) async fn close(&self) {
        self.inside.fetch_or(CLOSED, Ordering::AcqRel);
        loop {
            let mut empty = std::pin::pin!(self.empty.notified());
            empty.as_mut().enable();
            if self.inside.load(Ordering::Acquire) == CLOSED {
                return;
            }
            empty.await;
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.0.inside.fetch_sub(1, Ordering::AcqRel) == CLOSED + 1 {
            self.0.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use kv_core::ErrorKind;

    use super::Gate;

    #[test]
    fn closing_waits_for_who_is_inside_and_lets_nobody_in() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        let mut close = Box::pin(gate.close());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(gate.enter().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        drop(pass);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Ready(()));
    }
}
