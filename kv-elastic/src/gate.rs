//! What lets `close` wait for the operations in flight.

use std::sync::atomic::{AtomicBool, Ordering};

use kv_core::Result;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error;

/// More operations at once than any process has.
const ALL: u32 = 1 << 20;

/// Lets operations in until it is closed.
#[derive(Debug)]
pub(crate) struct Gate {
    inside: Semaphore,
    closing: AtomicBool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { inside: Semaphore::new(ALL as usize), closing: AtomicBool::new(false) }
    }

    /// Lets an operation in, until the permit is dropped.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        if self.closing.load(Ordering::Acquire) {
            return Err(error::closed());
        }
        self.inside.acquire().await.map_err(|_| error::closed())
    }

    /// Lets nobody in any more and waits until nobody is inside.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        if let Ok(all) = self.inside.acquire_many(ALL).await {
            self.inside.close();
            all.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use kv_core::ErrorKind;

    use super::Gate;

    #[tokio::test]
    async fn closing_waits_for_who_is_inside_and_lets_nobody_in() {
        let gate = Gate::new();
        let inside = gate.enter().await.unwrap();
        let mut close = Box::pin(gate.close());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(gate.enter().await.unwrap_err().kind(), ErrorKind::Closed);
        drop(inside);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Ready(()));
        gate.close().await;
        assert_eq!(gate.enter().await.unwrap_err().kind(), ErrorKind::Closed);
    }
}
