//! What lets `close` wait for the operations in flight.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::sharded::Sharded;
use crate::{Error, ErrorKind, Result};

const CLOSED: u64 = 1 << 63;

/// Counts who is inside, and lets nobody in once closed.
#[derive(Debug, Default)]
pub struct Gate {
    /// The closed bit and the number of passes.
    shards: Sharded<AtomicU64>,
    empty: Notify,
}

/// Somebody is inside until this is dropped, a cancelled future's too.
#[derive(Debug)]
pub struct Pass<'a> {
    shard: &'a AtomicU64,
    empty: &'a Notify,
}

impl Gate {
    /// Lets an operation in, until the pass is dropped.
    ///
    /// # Errors
    /// `Closed` once it is.
    pub fn enter(&self) -> Result<Pass<'_>> {
        let shard = self.shards.own();
        let pass = Pass { shard, empty: &self.empty };
        if shard.fetch_add(1, Ordering::AcqRel) & CLOSED == 0 { Ok(pass) } else { Err(closed()) }
    }

    /// For operations that are over before they could be waited for.
    ///
    /// # Errors
    /// `Closed` once it is.
    pub fn check(&self) -> Result<()> {
        if self.shards.own().load(Ordering::Acquire) & CLOSED == 0 { Ok(()) } else { Err(closed()) }
    }

    /// Lets nobody in any more and waits until nobody is inside.
    pub async fn close(&self) {
        for inside in self.shards.iter() {
            inside.fetch_or(CLOSED, Ordering::AcqRel);
        }
        for inside in self.shards.iter() {
            loop {
                let mut empty = std::pin::pin!(self.empty.notified());
                empty.as_mut().enable();
                if inside.load(Ordering::Acquire) == CLOSED {
                    break;
                }
                empty.await;
            }
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.shard.fetch_sub(1, Ordering::AcqRel) == CLOSED + 1 {
            self.empty.notify_waiters();
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed")
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::Gate;
    use crate::ErrorKind;

    #[test]
    fn closing_waits_for_who_is_inside_and_lets_nobody_in() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        let mut close = Box::pin(gate.close());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(gate.enter().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(gate.check().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        drop(pass);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Ready(()));
    }
}
